"""A part of many labelled samples, in which no class is lost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stratified_subsample(values: NDArray, limit: int, seed: int) -> NDArray[np.int64]:
    """Choose at most about ``limit`` positions, sharing them out as the classes are.

    Every class keeps at least 10 pixels, or all that it has.

    Returns
    -------
    int64, shape (m,)
        Sorted positions.
    """
    if len(values) <= limit:
        return np.arange(len(values))
    generator = np.random.default_rng(seed)
    chosen = []
    for value in np.unique(values):
        members = np.flatnonzero(values == value)
        size = max(int(len(members) * limit / len(values)), min(10, len(members)))
        chosen.append(generator.choice(members, size, replace=False))
    return np.sort(np.concatenate(chosen))


def thinning_sentence(kept: int, of: int) -> str:
    """Say how many of how many samples are learnt."""
    return (
        f"{kept:,} of {of:,} training samples are learnt, of every class its share, for more would "
        "take too much memory or time: figures published for all of them need not be reached."
    )
