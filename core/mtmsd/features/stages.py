"""Reading the backbone's decoder blocks (stages) at several timesteps of the diffusion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mtmsd.compute.arithmetic import Arithmetic
from mtmsd.diffusion.backbone import Backbone
from mtmsd.diffusion.schedule import cosine_schedule
from mtmsd.errors import InputError

NEIGHBOURHOODS = (1, 3, 9)
"""Sides in pixels of the squares over which a pixel's spectrum is averaged."""


def draw_noise(channels: int, side: int, seed: int) -> Tensor:
    """The one noise tensor (C, side, side) of all pixels and timesteps, drawn on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(channels, side, side, generator=generator)


@dataclass(frozen=True)
class StageReader:
    """Runs the backbone on noised tiles and hands out the maps of the chosen decoder blocks.

    Attributes
    ----------
    backbone : Backbone
        On the device where it shall run.
    noise : Tensor (C, S, S)
    timesteps, blocks : sequences of int
        D, the number of channels of a stream, is the sum over the blocks.
    """

    backbone: Backbone
    noise: Tensor
    timesteps: Sequence[int]
    blocks: Sequence[int]
    precision: str = "fp32"
    layout: str = "auto"

    def __post_init__(self) -> None:
        last = self.backbone.stage_count - 1
        if not self.blocks or not all(0 <= b <= last for b in self.blocks):
            raise InputError(f"blocks {list(self.blocks)} are not decoder blocks 0 to {last}.")
        steps = cosine_schedule().steps
        if not self.timesteps or not all(0 <= t < steps for t in self.timesteps):
            raise InputError(f"timesteps {list(self.timesteps)} are not within 0 to {steps - 1}.")

    @property
    def device(self) -> torch.device:
        """Where the backbone is."""
        return next(self.backbone.parameters()).device

    @property
    def channels(self) -> list[int]:
        """Channels of each block, in ascending order of the blocks."""
        return [self.backbone.stage_channels(b) for b in sorted(set(self.blocks))]

    @torch.no_grad()
    def maps(self, tiles: Tensor) -> Iterator[list[Tensor]]:
        """For each timestep, the blocks' maps of whitened tiles (B, C or more, S, S).

        Components that the backbone has not learnt are left out. Maps are float32 or bfloat16,
        (B, c, h, w), smaller than a tile by the stage's down-sampling.
        """
        schedule, form = cosine_schedule(), Arithmetic.of(self)
        tiles = tiles[:, : self.backbone.channels].to(self.device, non_blocking=True)
        noise = self.noise.to(self.device)[None]
        for timestep in self.timesteps:
            t = torch.full((1,), timestep, device=self.device)  # the same for all tiles
            noised = schedule.noised(tiles, t, noise)
            with form.autocast(self.device):
                arranged = noised.contiguous(memory_format=form.memory_format)
                yield self.backbone.stages(arranged, t, self.blocks)


def global_features(maps: Sequence[Tensor]) -> Tensor:
    """Spatial means of all blocks: (B, D), float32. The mean survives any resizing."""
    return torch.cat([m.float().mean((2, 3)) for m in maps], dim=1)


def centre_features(maps: Sequence[Tensor], side: int) -> Tensor:
    """What resizing to side×side would give at (side/2, side/2): (B, D), by four taps a map."""
    found = []
    for m in maps:
        source = (side // 2 + 0.5) * m.shape[-1] / side - 0.5
        low = int(source)
        high, share = min(low + 1, m.shape[-1] - 1), source - low
        square = m[:, :, [low, high]][:, :, :, [low, high]].float()
        taps = torch.tensor([1 - share, share], device=m.device)
        found.append(torch.einsum("bchw,h,w->bc", square, taps, taps))
    return torch.cat(found, dim=1)


def features_at(
    maps: Sequence[Tensor], side: int, tile: Tensor, row: Tensor, col: Tensor
) -> Tensor:
    """What resizing to side×side would give at pixels of tiles: int64 (P,) -> float32 (P, D)."""
    found = []
    for m in maps:
        (top, bottom, down), (left, right, across) = (
            _taps(place, m.shape[-1], side) for place in (row, col)
        )
        upper, lower = (
            m[tile, :, r, left] * (1 - across) + m[tile, :, r, right] * across
            for r in (top, bottom)
        )
        found.append(upper * (1 - down) + lower * down)
    return torch.cat(found, dim=1)


def _taps(place: Tensor, size: int, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Two neighbours in a map of ``size``, and the share (P, 1) of the second."""
    source = ((place + 0.5) * (size / side) - 0.5).clamp(min=0)
    low = source.long()
    return low, (low + 1).clamp(max=size - 1), (source - low)[:, None]


def neighbourhood_spectra(tiles: Tensor, emphasis: np.ndarray) -> Tensor:
    """Spectrum of each pixel and its means over 3×3 and 9×9 px: (B, 3·C, S, S).

    Whitened components times :attr:`Whitening.emphasis`. A pixel's own spectrum is what mixed
    pixels are told apart by; the means take away its noise.
    """
    tiles = tiles * torch.from_numpy(emphasis).to(tiles.device)[:, None, None]
    means = [_mean_over(tiles, side) for side in NEIGHBOURHOODS[1:]]
    return torch.cat([tiles, *means], dim=1)


def _mean_over(tiles: Tensor, side: int) -> Tensor:
    """Mean over side×side px around each pixel, as far as the tile reaches: first up and down."""
    half = side // 2
    columns = F.avg_pool2d(tiles, (side, 1), 1, (half, 0), count_include_pad=False)
    return F.avg_pool2d(columns, (1, side), 1, (0, half), count_include_pad=False)


def dense_features(
    maps: Sequence[Tensor], side: int, keep: Sequence[Tensor | None], margin: int = 0
) -> Tensor:
    """Bilinear values at every pixel but a margin: (B, (side − 2·margin)², k), channels last.

    ``keep`` names, for each block, the channels that are wanted (None: all), so that nothing
    is resized in vain.
    """
    resized = []
    for m, channels in zip(maps, keep):
        if channels is not None and len(channels) == 0:
            continue
        chosen = m if channels is None else m[:, channels]
        chosen = chosen.contiguous(memory_format=torch.channels_last)
        if m.shape[-1] != side:
            chosen = F.interpolate(chosen, (side, side), mode="bilinear", align_corners=False)
        chosen = chosen[:, :, margin : side - margin, margin : side - margin]
        resized.append(chosen.permute(0, 2, 3, 1).flatten(1, 2))
    return torch.cat(resized, dim=2)
