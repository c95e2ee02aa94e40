"""Guided selective timestep fusion: one feature vector from those of all timesteps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from mtmsd.settings import ClassifierSettings

PIXELS_AT_ONCE = {"cpu": 64, "cuda": 16_384, "mps": 16_384}
"""Pixels that are fused together in mapping: their weights stay in a processor's cache."""


class Fusion(nn.Module):
    """From the features of all timesteps to one vector a pixel.

    Attributes
    ----------
    channels : int
        Length of that vector.
    purified : bool
        Whether it takes the channels that purification keeps, or else all of every stage.
    trial : str
        Name of the fusion by which model selection tries learning rates for it.
    reading : str
        How the report's table of its weights is read: a sentence.
    """

    purified: ClassVar[bool] = True
    trial: ClassVar[str] = "mean"
    reading: ClassVar[str] = (
        "A column’s sum is the share of channels that purification has kept of that stage."
    )
    channels: int

    @classmethod
    @abstractmethod
    def of(cls, settings: ClassifierSettings, stages: Sequence[int]) -> Fusion:
        """Make one as the settings say; ``stages``: channels that are kept of each stage."""

    @abstractmethod
    def forward(self, local: Tensor, global_: Tensor) -> Tensor:
        """(N, P, T, k) pixels of N tiles and (N, T, k) their global streams -> (N, P, channels)."""

    def weights(self, local: Tensor, global_: Tensor) -> Tensor | None:
        """Mean weights (T, k) of timesteps and channels, which sum to 1; None: it has none."""
        return None


class GuidedFusion(Fusion):
    """The paper's fusion: for every channel, a softmax over the timesteps.

    The local stream X says how the timesteps weigh against each other, guided by the global
    stream G. Per timestep t: s_t = W_s z + b_s with z from Σ_t X_t; q_t = W_q [s_t; G_t] + b_q;
    A = softmax_t q; y = Σ_t A_t ⊙ X_t.

    The weights of all timesteps are stacked. W_q W_s acts on a pixel and W_q on the global
    stream of its tile, so the product is folded first: it is the same, for a third of the work.
    """

    def __init__(self, timesteps: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        half = channels // 2
        self.compress = nn.Sequential(
            nn.Linear(channels, half), nn.ReLU(), nn.BatchNorm1d(half), nn.Linear(half, half)
        )
        self.select_weight = nn.Parameter(torch.empty(timesteps, half, half))
        self.select_bias = nn.Parameter(torch.zeros(timesteps, half))
        self.guide_weight = nn.Parameter(torch.empty(timesteps, channels, half + channels))
        self.guide_bias = nn.Parameter(torch.zeros(timesteps, channels))
        initialise(self)
        for weight in (self.select_weight, self.guide_weight):
            nn.init.normal_(weight, std=0.02)

    @classmethod
    def of(cls, settings: ClassifierSettings, stages: Sequence[int]) -> GuidedFusion:
        """Make one for all timesteps and purified channels."""
        return cls(len(settings.timesteps), settings.channels)

    def forward(self, local: Tensor, global_: Tensor) -> Tensor:
        """(N, P, T, k) pixels of N tiles and (N, T, k) their global streams -> (N, P, k)."""
        pixels = local.shape[1]
        whole = torch.is_grad_enabled() or torch.onnx.is_in_onnx_export()
        if whole or pixels <= PIXELS_AT_ONCE[local.device.type]:
            return (self.attention(local, global_) * local).sum(2)
        z, folded, guide = self._folded(local, global_)
        fused = torch.empty_like(local[:, :, 0])
        for tile, z_of_tile, g, out in zip(local, z, guide, fused):
            for start in range(0, pixels, PIXELS_AT_ONCE[local.device.type]):
                part = slice(start, start + PIXELS_AT_ONCE[local.device.type])
                weights = _weights(z_of_tile[part], folded, g)
                torch.sum(weights.mul_(tile[part]), dim=1, out=out[part])
        return fused

    def attention(self, local: Tensor, global_: Tensor) -> Tensor:
        """Weights of the timesteps for each channel, (N, P, T, k); they sum to 1 over T."""
        z, folded, guide = self._folded(local, global_)
        return _weights(z, folded, guide[:, None])

    def weights(self, local: Tensor, global_: Tensor) -> Tensor:
        """Attention (T, k), the mean over pixels and channels."""
        return self.attention(local, global_).mean((0, 1)) / self.channels

    def _folded(self, local: Tensor, global_: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What q is made of: z (N, P, k/2), W_q W_s (T, k, k/2), and the tile's share (N, T, k)."""
        half = self.select_weight.shape[1]
        z = self.compress(local.sum(2).flatten(0, 1)).view(*local.shape[:2], half)
        on_pixel, on_tile = self.guide_weight[..., :half], self.guide_weight[..., half:]
        folded = torch.bmm(on_pixel, self.select_weight)
        bias = torch.einsum("tkj,tj->tk", on_pixel, self.select_bias) + self.guide_bias
        return z, folded, torch.einsum("tkc,ntc->ntk", on_tile, global_) + bias


def _weights(z: Tensor, folded: Tensor, guide: Tensor) -> Tensor:
    """Softmax over the timesteps: (…, k/2), (T, k, k/2), (…, T, k) -> (…, T, k)."""
    logits = (z @ folded.flatten(0, 1).T).view(*z.shape[:-1], *folded.shape[:2])
    logits = logits + (guide if torch.is_grad_enabled() else guide.to(logits.dtype))
    with torch.autocast(logits.device.type, enabled=False):  # it would widen bfloat16 here
        return torch.softmax(logits, dim=-2)


class MeanFusion(Fusion):
    """The plain mean over the timesteps: what guided fusion has to beat."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    @classmethod
    def of(cls, settings: ClassifierSettings, stages: Sequence[int]) -> MeanFusion:
        """Make one for all purified channels."""
        return cls(settings.channels)

    def forward(self, local: Tensor, global_: Tensor) -> Tensor:
        """(N, P, T, k), (N, T, k) -> (N, P, k)."""
        return local.mean(2)


class NoFusion(Fusion):
    """For heads that take no diffusion features."""

    channels = 0

    @classmethod
    def of(cls, settings: ClassifierSettings, stages: Sequence[int]) -> NoFusion:
        """Make one."""
        return cls()

    def forward(self, local: Tensor, global_: Tensor) -> Tensor:
        """(N, P, T, 0) -> (N, P, 0)."""
        return local.sum(2)


def initialise(module: nn.Module) -> None:
    """Weights of linear layers from N(0, 0.02), biases 0, as the authors do."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
