"""Pixels of a scene that masks leave out: clouds, shadow, water."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from mtmsd.errors import InputError

STRIP_PIXELS = 2**22
"""Pixels that are looked at together where a whole mask is counted."""


@dataclass(frozen=True)
class Grid:
    """Where a scene's pixels lie; ``path`` is its file."""

    path: Path
    name: str
    width: int
    height: int
    transform: Affine
    crs: CRS | None


class MaskLayer(Protocol):
    """An open mask on the grid of a scene."""

    name: str
    """What messages call it."""
    notes: tuple[str, ...]
    """Sentences that the user should read."""

    def covers(self, row: int, col: int, height: int, width: int) -> np.ndarray:
        """Return where a window inside the grid is left out, bool (height, width)."""

    def close(self) -> None:
        """Close the file."""


class MaskChoice(Protocol):
    """A mask that was chosen and is not open yet."""

    def open(self, grid: Grid) -> Sequence[MaskLayer]:
        """Open it for a scene, on whose grid it must lie; raises InputError."""


class SceneMask:
    """All masks of a scene, read in windows.

    Attributes
    ----------
    pixels : int
        How many pixels are left out.
    digest : str
        A hash of which these are.
    notes : tuple of str
        How many pixels which mask leaves out.
    """

    def __init__(self, layers: Sequence[MaskLayer], grid: Grid) -> None:
        self._layers = tuple(layers)
        counts, self.pixels, self.digest = self._count(grid)
        total = grid.width * grid.height
        notes = [note for layer in layers for note in layer.notes]
        notes += [
            f"The mask {layer.name} leaves out {count} of {total} pixels ({count / total:.1%})."
            for layer, count in zip(layers, counts, strict=True)
        ]
        if len(layers) > 1:
            notes.append(f"Together the masks leave out {self.pixels} pixels.")
        self.notes = tuple(notes)
        if self.pixels == total:
            raise InputError(
                f"No pixel of '{grid.name}' is left: all {total} are left out by "
                f"{', '.join(layer.name for layer in layers)}.",
                hint="A mask is nonzero where pixels are left out; name its bits (--mask-bits) or "
                "values (--mask-values) if only some of them mean that.",
            )

    @classmethod
    def open(cls, choices: Sequence[MaskChoice], grid: Grid) -> SceneMask | None:
        """Open the chosen masks; None if there are none.

        Raises
        ------
        InputError
            If one cannot be read, lies on another grid, or no pixel is left.
        """
        with ExitStack() as opened:
            layers = []
            for choice in choices:
                for layer in choice.open(grid):
                    opened.callback(layer.close)
                    layers.append(layer)
            mask = cls(layers, grid) if layers else None
            opened.pop_all()
            return mask

    def covers(self, row: int, col: int, height: int, width: int) -> np.ndarray:
        """Return where a window inside the scene is left out, bool (height, width)."""
        parts = [layer.covers(row, col, height, width) for layer in self._layers]
        return np.logical_or.reduce(parts)

    def close(self) -> None:
        """Close the files."""
        for layer in self._layers:
            layer.close()

    def _count(self, grid: Grid) -> tuple[list[int], int, str]:
        """Count each mask's pixels and those of all; make the hash."""
        counts, together, digest = [0] * len(self._layers), 0, hashlib.sha256()
        step = max(1, STRIP_PIXELS // grid.width)
        for row in range(0, grid.height, step):
            window = row, 0, min(step, grid.height - row), grid.width
            parts = [layer.covers(*window) for layer in self._layers]
            counts = [n + int(part.sum()) for n, part in zip(counts, parts, strict=True)]
            both = np.logical_or.reduce(parts)
            together += int(both.sum())
            digest.update(np.packbits(both).tobytes())
        return counts, together, digest.hexdigest()
