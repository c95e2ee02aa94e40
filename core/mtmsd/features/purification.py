"""Purification: keeping the channels that tell classes and timesteps apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIMILARITY_WEIGHT = 0.8
"""λ of the paper: how much the likeness of classes counts against their variance."""
TIMESTEP_WEIGHT = 0.5
"""Weight of the timestep prior beside the class prior."""


@dataclass(frozen=True)
class Indices:
    """The purification index of every channel, arrays (D,)."""

    by_class: np.ndarray
    by_timestep: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """What channels are ranked by."""
        return self.by_class + TIMESTEP_WEIGHT * self.by_timestep


def purification_indices(class_means: np.ndarray) -> Indices:
    """Score channels from class means (K, T, D), float64."""
    return Indices(_prior(class_means, 0), _prior(class_means, 1))


def purify(class_means: np.ndarray, k: int) -> np.ndarray:
    """Return the k best of D channels in descending order; ties go to the smaller number."""
    total = purification_indices(class_means).total
    return np.argsort(-total, kind="stable")[:k]


def _prior(means: np.ndarray, axis: int) -> np.ndarray:
    """Sum over the other axis of −λ·similarity + (1−λ)·variance along this one.

    For n values in 0…1 of mean m and variance v, the mean product over pairs is m² − v/(n−1).
    """
    n = means.shape[axis]
    low, high = means.min(axis, keepdims=True), means.max(axis, keepdims=True)
    span = np.where(high > low, high - low, 1.0)
    scaled = (means - low) / span
    variance = scaled.var(axis)
    similarity = scaled.mean(axis) ** 2 - variance / max(n - 1, 1)
    score = -SIMILARITY_WEIGHT * similarity + (1 - SIMILARITY_WEIGHT) * variance
    return score.sum(0)
