"""Blocks of a scene as the network sees them, and the side of a token in them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch

from mtmsd.errors import InputError
from mtmsd.labels.labels import Labels
from mtmsd.regions.derivative import Derivative
from mtmsd.regions.network import BlockInput
from mtmsd.regions.seeds import SeedGrid
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import Whitening

BLOCK = 128
"""Side of a block in pixels, about: tokens of a block hear each other."""
KEPT_BYTES = 512 * 2**20
"""What blocks may take in memory while they are learnt."""
SMALLEST = 2
USUAL = range(4, 17)
"""Sides of a token, in pixels, that are chosen by the polygons."""


def usual_size(labels: Labels) -> int:
    """Side of a token in pixels: half of a typical polygon's, 4 to 16."""
    pixels = np.unique(labels.groups, return_counts=True)[1]
    return int(np.clip(round(math.sqrt(float(np.median(pixels))) / 2), USUAL[0], USUAL[-1]))


def check_size(size: int, scene: Scene) -> None:
    """Refuse a token below 2 px or above the scene.

    Raises
    ------
    InputError
    """
    most = min(scene.height, scene.width)
    if not SMALLEST <= size <= most:
        raise InputError(
            f"Regions cannot begin as squares of {size} px in {scene.name}, which has "
            f"{scene.width}×{scene.height} px.",
            hint=f"Give a size from {SMALLEST} to {most}, or 0 to choose it by the polygons.",
        )


@dataclass(frozen=True)
class BlockReader:
    """Reads blocks of a scene as the network sees them.

    Attributes
    ----------
    scene : Scene
    whitening : Whitening
    derivative : Derivative
    size : int
        Side of a token in pixels.
    mean, scale : float32 arrays (B + D,)
        A value v of spectrum or derivative becomes (v − mean)·scale.
    """

    scene: Scene
    whitening: Whitening
    derivative: Derivative
    size: int
    mean: np.ndarray
    scale: np.ndarray
    kept: dict[tuple[int, int], BlockInput] = field(default_factory=dict, repr=False)

    @property
    def side(self) -> int:
        """Side of a block: whole tokens."""
        return max(1, round(BLOCK / self.size)) * self.size

    def corner(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Upper left corner of the block of each pixel, (n, 2)."""
        return np.stack([rows, cols], axis=1) // self.side * self.side

    def read(self, row: int, col: int, *, keep: bool = False) -> BlockInput:
        """Read the block whose upper left pixel is at ``row``, ``col``."""
        if (row, col) in self.kept:
            return self.kept[row, col]
        height = min(self.side, self.scene.height - row)
        width = min(self.side, self.scene.width - col)
        values, valid = self.scene.read(row - 1, col - 1, height + 2, width + 2)
        components = self.whitening.apply(values, valid)
        spectra = values[:, 1:-1, 1:-1].reshape(len(values), -1)
        seen = np.concatenate([spectra, self.derivative(spectra)])
        both = torch.from_numpy(((seen - self.mean[:, None]) * self.scale[:, None]).T.copy())
        known = torch.from_numpy(valid[1:-1, 1:-1].ravel())
        both[~known] = 0
        found = BlockInput(
            torch.from_numpy(components),
            both[:, : len(values)].contiguous(),
            both[:, len(values) :].contiguous(),
            known,
            SeedGrid(height, width, self.size),
        )
        size = 4 * (found.components.numel() + both.numel())
        if keep and (len(self.kept) + 1) * size <= KEPT_BYTES:
            self.kept[row, col] = found
        return found
