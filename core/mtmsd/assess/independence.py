"""Are test pixels independent of training pixels? In this field they often are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from mtmsd.labels.labels import Labels

PATCH = 48
"""Side of the patch in which training pixels are counted, where a map's settings name none."""

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


def distances(parts: Sequence[tuple[Labels, Labels]], patch: int) -> dict[str, Any]:
    """Say how near training pixels are to the test pixels of their own split.

    Parameters
    ----------
    parts : sequence of (train, test)
        None of them empty.
    patch : int
        Side of the patch around a test pixel.

    Returns
    -------
    dict
        ``n`` training pixels (mean over the splits), ``patch``, ``inside_patch`` (training
        pixels in a test pixel's patch, mean), ``nearest`` (pixels, median), and
        ``nearest_of_class``: to the nearest training pixel of the test pixel's own class, which
        is what flatters a map; None where no tested class was trained.
    """
    inside, nearest, own, tested = [], [], [], []
    for train, test in parts:
        pixels, others = (test.rows, test.cols), (train.rows, train.cols)
        inside.append(training_pixels_in_patches(pixels, others, patch))
        nearest.append(cKDTree(np.column_stack(others)).query(np.column_stack(pixels))[0])
        own.append(_to_own_class(train, test))
        tested.append(len(test))
    of_class = np.concatenate(own)
    return {
        "n": round(float(np.mean([len(train) for train, _ in parts]))),
        "patch": patch,
        "inside_patch": float(np.average(inside, weights=tested)),
        "nearest": float(np.median(np.concatenate(nearest))),
        "nearest_of_class": float(np.median(of_class)) if len(of_class) else None,
    }


def _to_own_class(train: Labels, test: Labels) -> NDArray[np.float64]:
    """Distance of test pixels to the nearest training pixel of their class, if it has any."""
    found = [np.zeros(0)]
    for value in np.intersect1d(train.values, test.values):
        known, asked = train.values == value, test.values == value
        tree = cKDTree(np.column_stack((train.rows[known], train.cols[known])))
        found.append(tree.query(np.column_stack((test.rows[asked], test.cols[asked])))[0])
    return np.concatenate(found)


def _keys(pixels: Pixels) -> NDArray[np.int64]:
    rows, cols = pixels
    return np.asarray(rows, np.int64) << 32 | np.asarray(cols, np.int64)
