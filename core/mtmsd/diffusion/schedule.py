"""The cosine noise schedule: float64 tables and the diffusion's closed forms, no network."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

STEPS = 1000


class CosineSchedule:
    """Nichol & Dhariwal, "Improved Denoising Diffusion Probabilistic Models", 2021, eq. 17.

    All tables are float64 arrays of length ``steps``.
    """

    def __init__(self, steps: int = STEPS) -> None:
        def signal(t: int) -> float:
            return math.cos((t / steps + 0.008) / 1.008 * math.pi / 2) ** 2

        self.steps = steps
        self.betas = np.array([min(1 - signal(t + 1) / signal(t), 0.999) for t in range(steps)])
        alphas = 1.0 - self.betas
        self.alphas_cumprod = np.cumprod(alphas)
        previous = np.append(1.0, self.alphas_cumprod[:-1])
        self.sqrt_alphas_cumprod = np.sqrt(self.alphas_cumprod)
        self.sqrt_one_minus_alphas_cumprod = np.sqrt(1.0 - self.alphas_cumprod)
        self.posterior_variance = self.betas * (1.0 - previous) / (1.0 - self.alphas_cumprod)
        # the first entry is 0, its logarithm the second's
        self.posterior_log_variance_clipped = np.log(
            np.append(self.posterior_variance[1], self.posterior_variance[1:])
        )
        self.posterior_mean_coef1 = self.betas * np.sqrt(previous) / (1.0 - self.alphas_cumprod)
        self.posterior_mean_coef2 = (1.0 - previous) * np.sqrt(alphas) / (1.0 - self.alphas_cumprod)

    def at(self, table: np.ndarray, t: Tensor, like: Tensor) -> Tensor:
        """Look up ``table[t]`` as float32, shaped to broadcast over ``like`` (B×C×H×W)."""
        values = torch.from_numpy(table).to(t.device)[t].float()
        return values.reshape(-1, *([1] * (like.ndim - 1)))

    def noised(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Draw x_t from q(x_t | x_0) with the given unit noise (Ho et al. 2020, eq. 4)."""
        return (
            self.at(self.sqrt_alphas_cumprod, t, x0) * x0
            + self.at(self.sqrt_one_minus_alphas_cumprod, t, x0) * noise
        )
