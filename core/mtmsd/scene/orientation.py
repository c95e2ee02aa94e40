"""The eight orientations of a square tile."""

from __future__ import annotations

import numpy as np


def turned(tiles: np.ndarray, turn: int) -> np.ndarray:
    """Return the last two axes in one of the square's eight orientations; 0 changes nothing."""
    if turn == 0:
        return tiles
    flipped = tiles[..., ::-1] if turn >= 4 else tiles
    return np.ascontiguousarray(np.rot90(flipped, turn % 4, axes=(-2, -1)))


def turned_positions(side: int, turn: int) -> np.ndarray:
    """Where each pixel of a tile, numbered row by row, is after :func:`turned`."""
    before = turned(np.arange(side * side).reshape(side, side), turn).ravel()
    after = np.empty_like(before)
    after[before] = np.arange(side * side)
    return after
