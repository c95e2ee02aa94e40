"""The cosine noise schedule: float64 tables and the diffusion's closed forms, no network."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

STEPS = 1000


class CosineSchedule:
    """Nichol & Dhariwal, "Improved Denoising Diffusion Probabilistic Models", 2021, eq. 17.

    All tables are float64 arrays of length ``steps``. Each device is given them once, in float32:
    not every device has float64.
    """

    TABLES = (
        "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod", "posterior_mean_coef1",
        "posterior_mean_coef2", "posterior_log_variance_clipped", "log_betas",
    )  # fmt: skip
    """Those that :meth:`at` looks up."""

    def __init__(self, steps: int = STEPS) -> None:
        def signal(t: int) -> float:
            return math.cos((t / steps + 0.008) / 1.008 * math.pi / 2) ** 2

        self.steps = steps
        self.betas = np.array([min(1 - signal(t + 1) / signal(t), 0.999) for t in range(steps)])
        self.log_betas = np.log(self.betas)
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
        self._on: dict[torch.device, Tensor] = {}

    def at(self, table: str, t: Tensor) -> Tensor:
        """Look up a table of :attr:`TABLES` at timesteps (B,): float32 (B, 1, 1, 1)."""
        if t.device not in self._on:
            values = np.stack([getattr(self, name) for name in self.TABLES]).astype(np.float32)
            self._on[t.device] = torch.from_numpy(values).to(t.device)
        return self._on[t.device][self.TABLES.index(table)][t].reshape(-1, 1, 1, 1)

    def noised(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Draw x_t from q(x_t | x_0) with the given unit noise (Ho et al. 2020, eq. 4)."""
        return (
            self.at("sqrt_alphas_cumprod", t) * x0
            + self.at("sqrt_one_minus_alphas_cumprod", t) * noise
        )


@cache
def cosine_schedule() -> CosineSchedule:
    """Return the one schedule that pretraining and features share, with its tables."""
    return CosineSchedule()
