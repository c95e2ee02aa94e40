"""Accuracy figures from a confusion matrix, their intervals, and tests between two maps.

Everywhere: **rows are the reference, columns are the map**.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from scipy.stats import binomtest
from scipy.stats import t as student
from sklearn.metrics import confusion_matrix

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

LEVEL = 0.95
"""Coverage of every interval."""
CORRELATION = 0.3
"""Of right and wrong within a polygon, where the polygons are too few to tell."""
WEIGHT = 3.0
"""Degrees of freedom that this knowledge counts for, beside those of the polygons."""


def confusion(reference: ArrayLike, predicted: ArrayLike, values: ArrayLike) -> Counts:
    """Count pixels by reference class (rows) and map class (columns).

    Parameters
    ----------
    reference, predicted : array-like of int, shape (n,)
        Class values.
    values : array-like of int, shape (K,)
        The classes, in the order of rows and columns; other values are not counted.

    Returns
    -------
    int64, shape (K, K)
    """
    values = np.asarray(values)
    if not np.isin(reference, values).any():
        return np.zeros((len(values), len(values)), np.int64)
    return confusion_matrix(reference, predicted, labels=values).astype(np.int64)


@dataclass(frozen=True)
class Figures:
    """Accuracy figures of one confusion matrix, or of a stack of them (leading axes ``...``).

    A figure that is 0/0 is NaN: producer's accuracy of a class without reference pixels,
    user's accuracy of a class that is nowhere in the map.
    """

    overall: Floats
    """Share of pixels that are right, shape (...)."""
    average: Floats
    """Mean of the producer's accuracies of classes that have reference pixels, shape (...)."""
    kappa: Floats
    """Cohen's κ, shape (...)."""
    producer: Floats
    """Producer's accuracy (recall, 1 - omission), shape (..., K)."""
    user: Floats
    """User's accuracy (precision, 1 - commission), shape (..., K)."""
    f1: Floats
    """Harmonic mean of producer's and user's accuracy, shape (..., K)."""
    iou: Floats
    """Intersection over union, shape (..., K)."""


def figures(matrix: ArrayLike) -> Figures:
    """Compute all figures of confusion matrices.

    scikit-learn gives the same numbers one matrix at a time; the bootstrap needs
    thousands at once.

    Parameters
    ----------
    matrix : array-like, shape (..., K, K)
        Rows reference, columns map.
    """
    counts = np.asarray(matrix, np.float64)
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    reference, mapped = counts.sum(-1), counts.sum(-2)
    n = reference.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        overall = right.sum(-1) / n
        chance = (reference * mapped).sum(-1) / n**2
        producer = right / reference
        present = reference > 0
        average = np.where(present, producer, 0).sum(-1) / present.sum(-1)
        return Figures(
            overall=overall,
            average=average,
            kappa=(overall - chance) / (1 - chance),
            producer=producer,
            user=right / mapped,
            f1=2 * right / (reference + mapped),
            iou=right / (reference + mapped - right),
        )


def resample_groups(
    counts: ArrayLike, strata: ArrayLike, n_strata: int, *, repeats: int, seed: int
) -> Floats:
    """Draw n - 1 of the n groups of each stratum, with replacement, and add up their counts.

    Pixels of one polygon resemble each other, so polygons, not pixels, are drawn, and within
    each reference class, as they were digitised. Drawing n of n makes intervals too narrow
    where n is small (with two polygons by a factor of 1.4); n - 1 of n, weighted by n/(n - 1),
    gives the variance without bias (rescaled bootstrap; Rao and Wu 1988, doi
    10.1080/01621459.1988.10478591). The only group of a stratum is drawn twice or not at all,
    which is the same as if it varied about the mean of all groups.

    Parameters
    ----------
    counts : array-like, shape (G, D)
        Counts of each group (polygon).
    strata : array-like of int, shape (G,)
        Stratum of each group, 0 to S-1.
    n_strata : int
        S; a stratum may have no group.
    repeats, seed : int
        Number of replicates and the seed of their draw.

    Returns
    -------
    float64, shape (repeats, S, D)
    """
    counts, strata = np.asarray(counts, np.float64), np.asarray(strata)
    generator = np.random.default_rng(seed)
    total = np.zeros((repeats, n_strata, counts.shape[1]))
    for stratum in range(n_strata):
        members = counts[strata == stratum]
        size = len(members)
        if not size:
            continue
        chunk = max(1, 4_000_000 // size)  # bounds memory when every pixel is its own group
        for start in range(0, repeats, chunk):
            stop = min(start + chunk, repeats)
            if size == 1:
                weights = 2.0 * generator.integers(0, 2, (stop - start, 1))
            else:
                even = np.full(size, 1 / size)
                draws = generator.multinomial(size - 1, even, size=stop - start)
                weights = draws * (size / (size - 1))
            total[start:stop, stratum] = weights @ members
    return total


def deviation(replicates: ArrayLike) -> Floats:
    """Standard deviation over the first axis, of those that are numbers; NaN where none is."""
    values = np.asarray(replicates, np.float64)
    empty = np.isnan(values).all(0)
    return np.where(empty, np.nan, np.nanstd(np.where(empty, 0.0, values), axis=0))


def effective_number(sizes: ArrayLike) -> float:
    """Return how many groups of equal size tell as much as groups of these sizes (Kish)."""
    sizes = np.asarray(sizes, np.float64)
    return float(sizes.sum() ** 2 / (sizes**2).sum()) if sizes.any() else 0.0


def freedom_of_total(values: ArrayLike, strata: ArrayLike) -> float:
    """Degrees of freedom of the error of a stratified total (Satterthwaite 1946).

    Fewer than groups less strata where some strata vary more than others.

    Parameters
    ----------
    values : array-like, shape (G,)
        What each group adds to the total.
    strata : array-like of int, shape (G,)
        The only group of a stratum counts as if it varied about 0.
    """
    values, strata = np.asarray(values, np.float64), np.asarray(strata)
    variances, squares = 0.0, 0.0
    for stratum in np.unique(strata):
        members = values[strata == stratum]
        n = len(members)
        variance = float(n * members.var(ddof=1) if n > 1 else members[0] ** 2)
        variances += variance
        squares += variance**2 / max(n - 1, 1)
    return variances**2 / squares if squares else float(len(values) - len(np.unique(strata)))


def interval(point: float, error: float, freedom: float) -> tuple[float, float]:
    """Return point ± t · error, for a figure between -1 and 1."""
    half = student.ppf((1 + LEVEL) / 2, max(freedom, 1.0)) * error
    return max(float(point - half), -1.0), min(float(point + half), 1.0)


def share_interval(
    share: float, error: float, freedom: float, groups: float
) -> tuple[float, float]:
    """Interval of a share, by Student's t on its logit.

    From few groups an error is known badly, and it is 0 where all of them are right. So it is
    drawn towards that of as many groups of the correlation :data:`CORRELATION`, which counts
    like :data:`WEIGHT` degrees of freedom.

    Parameters
    ----------
    share : float
        0 to 1.
    error : float
        Its standard error from the bootstrap.
    freedom : float
        Degrees of freedom of that error.
    groups : float
        Effective number of groups that the share is of.
    """
    usual = (share * groups + 1) / (groups + 2)
    usual = usual * (1 - usual) * CORRELATION / groups
    error = np.sqrt((freedom * error**2 + WEIGHT * usual) / (freedom + WEIGHT))
    inner = np.clip(share, 0.5 / (groups + 1), 1 - 0.5 / (groups + 1))
    half = student.ppf((1 + LEVEL) / 2, max(freedom, 1.0)) * error / (inner * (1 - inner))
    low, high = expit(logit(inner) - half), expit(logit(inner) + half)
    return min(float(low), share), max(float(high), share)


@dataclass(frozen=True)
class McNemar:
    """McNemar's exact test on two maps of the same pixels."""

    only_first: int
    """Pixels that only the first map has right."""
    only_second: int
    """Pixels that only the second map has right."""
    p_value: float
    """Two-sided exact binomial probability; 1 where the maps never disagree."""


def mcnemar(first_right: ArrayLike, second_right: ArrayLike) -> McNemar:
    """Test whether two maps differ in accuracy (exact binomial form).

    The test takes pixels as independent; pixels of a polygon are not, so its p-value is too
    small and is given beside the interval over polygons, not instead of it.

    Parameters
    ----------
    first_right, second_right : array-like of bool, shape (n,)
    """
    first, second = np.asarray(first_right, bool), np.asarray(second_right, bool)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    n = only_first + only_second
    return McNemar(only_first, only_second, binomtest(only_first, n).pvalue if n else 1.0)
