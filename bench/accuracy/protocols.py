"""How labels are parted: as an analyst draws them (few3, few10), in blocks, or at random.

*fewK*: K clusters of 3×3 px a class train, their middles at least 5 px apart; labelled pixels
more than 6 px from any training pixel test. *blocks*: half of the 16×16 px blocks train.
*random*: single pixels, as papers do. Each training pixel's group is its cluster, or the
connected region (of a block) that it lies in: what a person would have drawn as one polygon.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from mtmsd.labels.labels import Labels
from mtmsd.labels.splits import nearest_distance, positions, random_stratified, spatial_blocks

BLOCK = 16
APART = 5
AWAY = 6


@dataclass(frozen=True)
class Parts:
    """Labels whose groups are the training polygons, and what trains and tests."""

    labels: Labels
    train: np.ndarray
    """Positions in ``labels``."""
    test: np.ndarray


def few(labels: Labels, count: int, seed: int) -> Parts:
    """Draw ``count`` clusters a class; a class with less room gets as many as fit."""
    rng = np.random.default_rng(seed)
    rows, cols = labels.rows.astype(np.int64), labels.cols.astype(np.int64)
    groups = np.full(len(labels), -1)
    middles = np.zeros((0, 2), np.int64)
    # small classes first: they have the least choice
    for value, _ in sorted(labels.counts().items(), key=lambda pair: pair[1]):
        members = rng.permutation(np.flatnonzero(labels.values == value))
        drawn = 0
        for i in members:
            middle = np.array([rows[i], cols[i]])
            if len(middles) and np.abs(middles - middle).max(1).min() < APART:
                continue
            near = np.maximum(abs(rows - middle[0]), abs(cols - middle[1])) <= 1
            groups[near & (labels.values == value)] = len(middles)
            middles = np.vstack([middles, middle])
            drawn += 1
            if drawn == count:
                break
    train = np.flatnonzero(groups >= 0)
    away = nearest_distance(rows, cols, rows[train], cols[train])
    grouped = replace(labels, groups=groups.astype(np.int32))
    return Parts(grouped, train, np.flatnonzero(away > AWAY))


def blocks(labels: Labels, seed: int) -> Parts:
    """Give half of the blocks to training."""
    split = spatial_blocks(labels, BLOCK, 0, 0.5, seed=seed)
    place = (labels.rows // BLOCK).astype(np.int64) * 100_000 + labels.cols // BLOCK
    _, groups = np.unique(np.stack([labels.groups, place]), axis=1, return_inverse=True)
    grouped = replace(labels, groups=groups.reshape(-1).astype(np.int32))
    return Parts(grouped, positions(split.train, labels), positions(split.test, labels))


def at_random(labels: Labels, share: float, seed: int) -> Parts:
    """Draw single pixels."""
    split = random_stratified(labels, train_fraction=share, seed=seed)
    return Parts(labels, positions(split.train, labels), positions(split.test, labels))


PROTOCOLS: dict[str, Callable[[Labels, float, int], Parts]] = {
    "few3": lambda labels, share, seed: few(labels, 3, seed),
    "few10": lambda labels, share, seed: few(labels, 10, seed),
    "blocks": lambda labels, share, seed: blocks(labels, seed),
    "random": at_random,
}
