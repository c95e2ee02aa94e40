"""Does a confidence of 0.8 mean right in 8 of 10 cases, and how to make it so.

Guo et al., "On calibration of modern neural networks", ICML 2017, arXiv 1706.04599.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import binned_statistic
from sklearn.model_selection import GroupKFold

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


def fit_temperature(
    probabilities: ArrayLike, truth: ArrayLike, groups: ArrayLike | None = None
) -> float:
    """Find the temperature that makes held-out probabilities most likely.

    With few polygons, all of them right, the likeliest temperature would be 0 and every
    confidence 1. So its logarithm has a standard normal prior, against which a whole polygon,
    not a pixel, counts as one observation.

    Parameters
    ----------
    probabilities : array-like, shape (n, K)
        Of pixels that the classifier was not trained on.
    truth : array-like of int, shape (n,)
        Column of each pixel's true class.
    groups : array-like of int, shape (n,), optional
        The polygon of each pixel; without it every pixel is an observation.

    Returns
    -------
    float
        Between 0.05 and 20; 1 for no pixels.
    """
    logits, truth = _logits(probabilities), np.asarray(truth)
    if not len(truth):
        return 1.0
    observations = len(truth) if groups is None else len(np.unique(np.asarray(groups)))

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        likely = float(scaled[np.arange(len(truth)), truth].mean())
        return log_temperature**2 / (2 * observations) - likely

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


def cross_tempered(probabilities: ArrayLike, truth: ArrayLike, groups: ArrayLike) -> Floats:
    """Calibrate each polygon's pixels by a temperature from the other polygons.

    So that the reliability is not told of the pixels that the temperature was fitted to.

    Returns
    -------
    float64, shape (n, K)
        As they came, if there is one polygon only.
    """
    given = np.array(probabilities, np.float64)
    truth, groups = np.asarray(truth), np.asarray(groups)
    folds = min(5, len(np.unique(groups)))
    if folds < 2:
        return given
    found = np.empty_like(given)
    for others, own in GroupKFold(folds).split(given, truth, groups):
        temperature = fit_temperature(given[others], truth[others], groups[others])
        found[own] = temper(given[own], temperature)
    return found


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


@dataclass(frozen=True)
class Calibration:
    """What a temperature does to held-out pixels."""

    temperature: float
    """1 where calibration does not help."""
    confidence: Floats
    """Of the mapped class, each polygon calibrated by the others, shape (n,)."""
    before: float | None
    """Expected calibration error without it."""


def calibrate(
    probabilities: ArrayLike,
    truth: ArrayLike,
    groups: ArrayLike,
    chosen: ArrayLike | None = None,
) -> Calibration:
    """Find the temperature of held-out pixels, and use it only if other polygons confirm it.

    Parameters
    ----------
    probabilities, truth, groups
        As in :func:`fit_temperature`.
    chosen : array-like of int, shape (n,), optional
        Column of the class that is mapped, where it is not the likeliest.
    """
    found, truth = np.asarray(probabilities, np.float64), np.asarray(truth)
    best = found.argmax(1) if chosen is None else np.asarray(chosen)
    raw, crossed = (
        np.take_along_axis(p, best[:, None], 1)[:, 0]
        for p in (found, cross_tempered(found, truth, groups))
    )
    right = best == truth
    before, after = (reliability(stated, right).expected_error for stated in (raw, crossed))
    if not after < before:
        return Calibration(1.0, raw, before)
    return Calibration(fit_temperature(found, truth, groups), crossed, before)


def _logits(probabilities: ArrayLike) -> Floats:
    return np.log(np.clip(np.asarray(probabilities, np.float64), _SMALLEST, None))
