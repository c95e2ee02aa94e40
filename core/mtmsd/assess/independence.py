"""Are test pixels independent of training pixels? In this field they often are not."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

Pixels = tuple[ArrayLike, ArrayLike]
"""Rows and columns."""


def also_in(pixels: Pixels, others: Pixels) -> NDArray[np.bool_]:
    """Tell which pixels are among others of the same grid, shape (n,)."""
    return np.isin(_keys(pixels), _keys(others))


def training_pixels_in_patches(test: Pixels, train: Pixels, patch: int) -> float:
    """Mean number of training pixels inside the patch of a test pixel.

    Parameters
    ----------
    test, train : (rows, cols)
    patch : int
        Side of the patch in pixels; an even one reaches patch/2 up and left, one less down
        and right.

    Returns
    -------
    float
        NaN without test pixels.
    """
    pixels = np.column_stack([np.asarray(axis, np.float64) for axis in test])
    others = np.column_stack([np.asarray(axis, np.float64) for axis in train])
    if not len(pixels):
        return float("nan")
    if not len(others):
        return 0.0
    shift = 0.5 if patch % 2 == 0 else 0.0
    counts = cKDTree(others).query_ball_point(
        pixels - shift, (patch - 1) / 2 + 1e-6, p=np.inf, return_length=True
    )
    return float(np.mean(counts))


def _keys(pixels: Pixels) -> NDArray[np.int64]:
    rows, cols = pixels
    return np.asarray(rows, np.int64) << 32 | np.asarray(cols, np.int64)
