"""The hybrid loss of improved diffusion: squared error of the noise plus a variational bound."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mtmsd.diffusion.schedule import CosineSchedule


@dataclass(frozen=True)
class Losses:
    """Per-sample terms, each (B,); ``total`` = ``mse`` + ``vb``."""

    mse: Tensor
    vb: Tensor

    @property
    def total(self) -> Tensor:
        """The loss that is minimised (Nichol & Dhariwal 2021, eq. 16, λ = 1)."""
        return self.mse + self.vb


def hybrid_loss(
    schedule: CosineSchedule, output: Tensor, x0: Tensor, x_t: Tensor, t: Tensor, noise: Tensor
) -> Losses:
    """Score a network's output (B×2C×H×W) for x_t drawn from x_0 with that noise.

    The bound is in bits per dimension and trains the variance only: the predicted noise
    enters it detached.
    """
    output = output.float()
    predicted, fraction = output.chunk(2, dim=1)
    mse = (noise - predicted).square().flatten(1).mean(1)
    return Losses(mse, _bound(schedule, predicted.detach(), fraction, x0, x_t, t))


def _bound(
    schedule: CosineSchedule,
    predicted: Tensor,
    fraction: Tensor,
    x0: Tensor,
    x_t: Tensor,
    t: Tensor,
) -> Tensor:
    root = schedule.at("sqrt_alphas_cumprod", t)
    predicted_x0 = (x_t - schedule.at("sqrt_one_minus_alphas_cumprod", t) * predicted) / root
    coef1, coef2 = schedule.at("posterior_mean_coef1", t), schedule.at("posterior_mean_coef2", t)
    true_mean = coef1 * x0 + coef2 * x_t
    mean = coef1 * predicted_x0 + coef2 * x_t
    low = schedule.at("posterior_log_variance_clipped", t)
    high = schedule.at("log_betas", t)
    log_variance = low + (fraction + 1) / 2 * (high - low)
    divergence = 0.5 * (
        -1.0
        + log_variance
        - low
        + torch.exp(low - log_variance)
        + (true_mean - mean).square() * torch.exp(-log_variance)
    )
    first = t == 0
    if first.any():
        shape = (-1, 1, 1, 1)
        decoder = -_log_likelihood(x0, mean, 0.5 * log_variance)
        divergence = torch.where(first.reshape(shape), decoder, divergence)
    return divergence.flatten(1).mean(1) / math.log(2.0)


def _log_likelihood(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Gaussian mass of a bin 2/255 wide around x; the outermost bins are open."""
    inverse = torch.exp(-log_scale)
    centred = x - mean
    upper = _normal_cdf(inverse * (centred + 1 / 255))
    lower = _normal_cdf(inverse * (centred - 1 / 255))
    mass = torch.where(x < -0.999, upper, torch.where(x > 0.999, 1 - lower, upper - lower))
    return torch.log(mass.clamp(min=1e-12))


def _normal_cdf(x: Tensor) -> Tensor:
    """The tanh approximation that the authors' code uses."""
    return 0.5 * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))
