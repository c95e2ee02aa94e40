"""Does a confidence of 0.8 mean right in 8 of 10 cases, and how to make it so.

Guo et al., "On calibration of modern neural networks", ICML 2017, arXiv 1706.04599.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import binned_statistic, entropy

Floats = NDArray[np.float64]

_SMALLEST = 1e-12  # a probability of 0 has no logarithm


def temper(probabilities: ArrayLike, temperature: float) -> Floats:
    """Flatten (temperature above 1) or sharpen (below 1) probabilities; the best class stays.

    Parameters
    ----------
    probabilities : array-like, shape (..., K)
        Summing to 1 over the last axis.
    temperature : float
        Greater than 0; 1 changes nothing.
    """
    return softmax(_logits(probabilities) / temperature, axis=-1)


def fit_temperature(probabilities: ArrayLike, truth: ArrayLike) -> float:
    """Find the temperature that makes held-out probabilities most likely.

    Parameters
    ----------
    probabilities : array-like, shape (n, K)
        Of pixels that the classifier was not trained on.
    truth : array-like of int, shape (n,)
        Column of each pixel's true class.

    Returns
    -------
    float
        Between 0.05 and 20; 1 for no pixels.
    """
    logits, truth = _logits(probabilities), np.asarray(truth)
    if not len(truth):
        return 1.0

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(scaled[np.arange(len(truth)), truth].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


@dataclass(frozen=True)
class Reliability:
    """Confidence against accuracy in bins of equal width."""

    edges: Floats
    """Limits of the bins, shape (bins + 1,)."""
    count: NDArray[np.int64]
    """Pixels in each bin, shape (bins,)."""
    confidence: Floats
    """Mean confidence in each bin; NaN in an empty one."""
    accuracy: Floats
    """Share of right pixels in each bin; NaN in an empty one."""
    expected_error: float
    """Expected calibration error: |confidence - accuracy|, averaged over pixels (0…1)."""


def reliability(confidence: ArrayLike, right: ArrayLike, bins: int = 10) -> Reliability:
    """Compare stated confidence with what is right.

    Parameters
    ----------
    confidence : array-like, shape (n,)
        Probability of the mapped class, 0…1.
    right : array-like of bool, shape (n,)
        Whether the mapped class is the reference class.
    """
    stated, hits = np.asarray(confidence, np.float64), np.asarray(right, np.float64)
    edges = np.linspace(0, 1, bins + 1)
    if not len(stated):
        empty = np.full(bins, np.nan)
        return Reliability(edges, np.zeros(bins, np.int64), empty, empty, float("nan"))
    means, _, _ = binned_statistic(stated, [stated, hits], "mean", edges)
    count = binned_statistic(stated, stated, "count", edges)[0].astype(np.int64)
    gap = np.nan_to_num(np.abs(means[0] - means[1]))
    return Reliability(edges, count, means[0], means[1], float((gap * count).sum() / count.sum()))


def normalized_entropy(probabilities: ArrayLike, axis: int = -1) -> Floats:
    """Entropy of class probabilities over its greatest value: 0 certain, 1 no idea."""
    p = np.asarray(probabilities, np.float64)
    return entropy(p, axis=axis) / np.log(max(p.shape[axis], 2))


def disagreement(members: ArrayLike, axis: int = -1) -> Floats:
    """Say how far the members of an ensemble differ, 0 (not at all) to 1.

    The mutual information of class and member, entropy of the mean less mean of the
    entropies, over its greatest value (Houlsby et al. 2011, arXiv 1112.5745).

    Parameters
    ----------
    members : array-like, shape (M, ..., K, ...)
        Probabilities of each member; ``axis`` is the classes' axis.
    """
    p = np.asarray(members, np.float64)
    information = entropy(p.mean(0), axis=axis if axis < 0 else axis - 1) - entropy(
        p, axis=axis
    ).mean(0)
    greatest = np.log(max(2, min(p.shape[0], p.shape[axis])))
    return np.clip(information / greatest, 0.0, 1.0)


def _logits(probabilities: ArrayLike) -> Floats:
    return np.log(np.clip(np.asarray(probabilities, np.float64), _SMALLEST, None))
