"""Diffusion Hyperfeatures: every timestep and stage has one learnt weight, the same for all pixels.

Luo et al., "Diffusion Hyperfeatures", NeurIPS 2023, arXiv 2305.14334.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mtmsd.classify.fusion import Fusion
from mtmsd.settings import ClassifierSettings

GROUPS = 32


class Bottleneck(nn.Module):
    """A residual bottleneck that brings a stage's channels to those that all stages share.

    Parameters
    ----------
    channels, projection : int
        Of the stage, and of what comes out: a multiple of 128 for ``groups`` of 32.
    kernel : int
        Side of the middle convolution: 3 on maps, 1 on single pixels.
    groups : int
        Of the group normalisation. On single pixels 32 groups have one or two values each, which
        normalising turns into zeros or signs; there it is 1.
    """

    def __init__(
        self, channels: int, projection: int, *, kernel: int = 3, groups: int = GROUPS
    ) -> None:
        super().__init__()
        inner = projection // 4
        self.body = nn.Sequential(
            *_normed(channels, inner, 1, groups),
            nn.ReLU(),
            *_normed(inner, inner, kernel, groups),
            nn.ReLU(),
            *_normed(inner, projection, 1, groups),
        )
        same = channels == projection
        self.shortcut = nn.Sequential(*([] if same else _normed(channels, projection, 1, groups)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, projection, H, W)."""
        return torch.relu(self.body(x) + self.shortcut(x))


class HyperfeaturesFusion(Fusion):
    """Σ over timesteps s and stages l of softmax(w)[s, l] · B_l(F[s, l]).

    A stage's bottleneck B_l is shared by all timesteps; w, one scalar for each (s, l), begins
    as 1 everywhere. All channels of every stage are read, without purification.

    Parameters
    ----------
    timesteps : int
    stages : sequence of int
        Channels of each stage.
    projection : int
        Channels of what comes out.
    kernel, groups : int
        See :class:`Bottleneck`; 3 and 32 is the form for maps, as published.
    """

    purified = False
    trial = "hyperfeatures"
    reading = (
        "The weights are learnt, and the same for every pixel and channel; all began alike. "
        "They are the mean of the ensemble’s members."
    )

    def __init__(
        self,
        timesteps: int,
        stages: Sequence[int],
        projection: int,
        *,
        kernel: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.stages, self.channels = tuple(stages), projection
        self.bottlenecks = nn.ModuleList(
            Bottleneck(channels, projection, kernel=kernel, groups=groups) for channels in stages
        )
        self.mixing = nn.Parameter(torch.ones(timesteps * len(stages)))

    @classmethod
    def of(cls, settings: ClassifierSettings, stages: Sequence[int]) -> HyperfeaturesFusion:
        """Make one for single pixels."""
        return cls(len(settings.timesteps), stages, settings.projection)

    @property
    def shares(self) -> Tensor:
        """Weights (T, L) of timesteps and stages; they sum to 1."""
        return torch.softmax(self.mixing, 0).view(-1, len(self.stages))

    def forward(self, local: Tensor, global_: Tensor) -> Tensor:
        """(N, P, T, D) pixels with all channels of all stages -> (N, P, projection)."""
        pixels = local.reshape(-1, *local.shape[2:])[..., None, None]
        return self.mix(pixels).view(*local.shape[:2], self.channels)

    def mix(self, maps: Tensor) -> Tensor:
        """(B, T, D, H, W), the stages' channels one after the other -> (B, projection, H, W)."""
        each = maps.reshape(-1, *maps.shape[2:]).split(self.stages, dim=1)
        mixed = []
        for bottleneck, stage, share in zip(self.bottlenecks, each, self.shares.unbind(1)):
            found = bottleneck(stage).view(-1, len(share), self.channels, *maps.shape[3:])
            mixed.append((found * share.to(found.dtype)[:, None, None, None]).sum(1))
        return torch.stack(mixed).sum(0)

    def weights(self, local: Tensor, global_: Tensor) -> Tensor:
        """Shares (T, D): a stage's channels have its own in equal parts."""
        counts = torch.tensor(self.stages, device=self.mixing.device)
        return (self.shares / counts).repeat_interleave(counts, dim=1)


def _normed(channels: int, out: int, kernel: int, groups: int) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, out, kernel, padding=kernel // 2, bias=False)
    return [convolution, nn.GroupNorm(groups, out)]
