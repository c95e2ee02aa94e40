"""Accuracy and area from a sample that is stratified by the map's classes.

Olofsson et al., "Good practices for estimating area and assessing accuracy of land change",
Remote Sensing of Environment 148, 2014, doi 10.1016/j.rse.2014.02.015. Their matrix has the
map in rows; here, as everywhere in this package, rows are the reference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AreaAdjusted:
    """Estimates with their standard errors; NaN where the sample gives none.

    Areas are shares of the mapped area (0…1).
    """

    overall: float
    overall_se: float
    user: Floats
    """User's accuracy, shape (K,)."""
    user_se: Floats
    producer: Floats
    """Producer's accuracy, shape (K,)."""
    producer_se: Floats
    area: Floats
    """Unbiased share of each class in the area, shape (K,)."""
    area_se: Floats
    not_sampled: tuple[int, ...]
    """Positions of mapped classes without enough sample (fewer than two pixels)."""


def area_adjusted(matrix: ArrayLike, mapped: ArrayLike) -> AreaAdjusted:
    """Estimate accuracy and area per class with the map's areas as weights.

    Parameters
    ----------
    matrix : array-like, shape (K, K)
        Sample counts; rows reference, columns map.
    mapped : array-like, shape (K,)
        Pixels (or area) of each class in the map.

    Notes
    -----
    A mapped class with fewer than two sample pixels has no variance. Its stratum is left out
    and named in ``not_sampled``; the shares then are of the remaining area.
    """
    counts = np.asarray(matrix, np.float64).T  # as in the paper: n[i, j], i map, j reference
    sample = counts.sum(1)
    pixels = np.asarray(mapped, np.float64)
    missing = (pixels > 0) & (sample < 2)
    strata = (pixels > 0) & ~missing
    pixels = np.where(strata, pixels, 0.0)
    counts = np.where(strata[:, None], counts, 0.0)
    sample = np.where(strata, sample, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = pixels / pixels.sum()
        within = np.where(strata[:, None], counts / sample[:, None], 0.0)
        share = weight[:, None] * within  # eq. 4
        area = share.sum(0)  # eq. 8
        per_draw = np.where(strata, weight**2 / (sample - 1), 0.0)
        user = np.where(strata, np.diagonal(within), np.nan)  # eq. 2
        user_variance = user * (1 - user) / (sample - 1)  # eq. 6
        variance = np.where(strata, weight**2 * user_variance, 0.0).sum()  # eq. 5
        area_variance = (per_draw[:, None] * within * (1 - within)).sum(0)  # eq. 10
        producer = np.diagonal(share) / area  # eq. 3
    return AreaAdjusted(
        overall=float(np.trace(share)) if strata.any() else float("nan"),
        overall_se=float(np.sqrt(variance)) if strata.any() else float("nan"),
        user=user,
        user_se=np.sqrt(user_variance),
        producer=producer,
        producer_se=np.sqrt(_producer_variance(pixels, sample, within, user, producer)),
        area=area,
        area_se=np.sqrt(area_variance),
        not_sampled=tuple(int(i) for i in np.flatnonzero(missing)),
    )


def _producer_variance(
    pixels: Floats, sample: Floats, within: Floats, user: Floats, producer: Floats
) -> Floats:
    """Variance of the producer's accuracies (eq. 7)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        reference = (pixels[:, None] * within).sum(0)  # estimated pixels of each class
        spread = np.where(sample > 1, pixels**2 / (sample - 1), 0.0)
        every = spread[:, None] * within * (1 - within)
        off = every.sum(0) - np.diagonal(every)
        own = spread * (1 - producer) ** 2 * np.where(np.isnan(user), 0.0, user * (1 - user))
        return (own + producer**2 * off) / reference**2
