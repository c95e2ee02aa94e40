"""Pixels unlike all that was trained on: what is said of them is no more than a guess.

The measure is the distance to the nearest training pixel, in a few smoothed components. What
distance is usual, the folds tell: that of left-out pixels to those of the other folds.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

from mtmsd.scene.whitening import Whitening
from mtmsd.stack.features import SCALES, PixelFeatures

COMPONENTS = 10
SCALE = SCALES.index(1.0)
QUANTILE = 0.98
"""Of the distances of left-out pixels; beyond it a pixel begins to be a stranger."""
FEWEST = 20
"""Left-out pixels without which nothing is said to be usual."""


def places(pixels: PixelFeatures, whitening: Whitening) -> np.ndarray:
    """Return where pixels are among all: (n, COMPONENTS), half-whitened."""
    return (pixels.context[:, SCALE] * whitening.emphasis)[:, :COMPONENTS]


def usual_distance(where: np.ndarray, fold: np.ndarray) -> float:
    """Distance to the nearest pixel of other folds that few left-out pixels exceed; 0: unknown.

    Parameters
    ----------
    where : float, shape (n, C)
    fold : int, shape (n,)
        -1 for pixels that are never left out.
    """
    found = [
        KDTree(where[fold != k]).query(where[fold == k])[0] for k in np.unique(fold[fold >= 0])
    ]
    distances = np.concatenate([np.zeros(0), *found])
    return float(np.quantile(distances, QUANTILE)) if len(distances) >= FEWEST else 0.0


def strangeness(where: np.ndarray, known: KDTree, usual: float) -> np.ndarray:
    """Share (n,) of the probability that is spread over all classes: 1 from twice the usual."""
    if not usual > 0:
        return np.zeros(len(where))
    distance = known.query(where, distance_upper_bound=2 * usual, workers=-1)[0]
    return np.clip(distance / usual - 1, 0, 1)
