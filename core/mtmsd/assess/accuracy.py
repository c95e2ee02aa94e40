"""Accuracy figures from a confusion matrix, their intervals, and tests between two maps.

Everywhere: **rows are the reference, columns are the map**.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

LEVEL = 0.95
"""Coverage of every interval."""


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
    """Draw groups with replacement within each stratum and add up their counts.

    Pixels of one polygon resemble each other, so polygons, not pixels, are drawn (cluster
    bootstrap; Efron and Tibshirani 1993, chapter 8). They are drawn within each reference
    class, as they were digitised.

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
            draws = generator.multinomial(size, np.full(size, 1 / size), size=stop - start)
            total[start:stop, stratum] = draws @ members
    return total


def interval(replicates: ArrayLike) -> Floats:
    """Percentile interval over the first axis, shape (2, ...); NaN where all are NaN."""
    values = np.asarray(replicates, np.float64)
    tail = (1 - LEVEL) / 2
    empty = np.isnan(values).all(0)
    limits = np.nanquantile(np.where(empty, 0.0, values), [tail, 1 - tail], axis=0)
    return np.where(empty, np.nan, limits)


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
