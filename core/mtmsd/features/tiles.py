"""The grid of overlapping tiles that training and mapping share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmsd.errors import InputError


@dataclass(frozen=True)
class TileGrid:
    """Tiles of ``side`` px at every ``stride`` px, anchored so that borders are covered too.

    Of each tile only its core is used: near its border a tile sees little of what is around,
    and there the tiles overlap most. Cores of neighbours still overlap, and are blended.

    The grid depends on the scene's pixel (0, 0) only, never on the window that is mapped: the
    same pixel is seen by the same tiles in a preview and in the map of the whole scene.
    """

    side: int
    stride: int

    def __post_init__(self) -> None:
        if not 0 < self.stride <= self.side:
            raise InputError(f"stride {self.stride} is not within 1 to patch_size {self.side}.")

    @property
    def margin(self) -> int:
        """Pixels between a tile's border and its core: a third of what neighbours overlap."""
        return (self.side - self.stride) // 3

    @property
    def core(self) -> int:
        """Side of a tile's core in pixels."""
        return self.side - 2 * self.margin

    def origins(self, start: int, stop: int) -> range:
        """First pixels of the tiles whose core shows any pixel start…stop−1, along one axis."""
        anchor = self.stride - self.side
        first = -(-(start - self.margin - self.core + 1 - anchor) // self.stride)
        last = (stop - 1 - self.margin - anchor) // self.stride
        return range(anchor + first * self.stride, anchor + last * self.stride + 1, self.stride)

    def corners(self, row: int, col: int, height: int, width: int) -> list[tuple[int, int]]:
        """Upper left corners of all tiles whose core shows any pixel of a window."""
        return [
            (r, c) for r in self.origins(row, row + height) for c in self.origins(col, col + width)
        ]

    def centre_weights(self) -> np.ndarray:
        """Weight of each pixel of a core (core, core), float32: a tile's Hann window, never 0."""
        ramp = np.sin(np.pi * (self.margin + np.arange(self.core) + 0.5) / self.side) ** 2
        return np.outer(ramp, ramp).astype(np.float32)
