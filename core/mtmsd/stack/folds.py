"""Spatial folds: which labelled pixels are left out together.

A polygon is left out as a whole. Where labels are large areas, or a patchwork of regions that
touch, blocks of pixels are left out instead, smaller ones for a class that has too few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmsd.labels.labels import Labels

FOLDS = 4
BLOCKS = (16, 8, 4)
"""Sides in pixels: of the first a class has at least as many as there are folds, if it can."""


@dataclass(frozen=True)
class Folds:
    """Labelled pixels parted into folds.

    Attributes
    ----------
    fold : int array (n,)
        Of each pixel; -1 for a pixel that is learnt in every fold and never predicted.
    count : int
    notes : tuple of str
        What was done where labels are few, in sentences.
    """

    fold: np.ndarray
    count: int
    notes: tuple[str, ...] = ()


def spatial_folds(labels: Labels, seed: int, folds: int = FOLDS) -> Folds:
    """Part labels into folds of whole polygons or blocks; every class stays in every training.

    Parameters
    ----------
    labels : Labels
    seed : int
        Of the order in which units are dealt.
    folds : int
        At most; never more than the units of the class that has most.
    """
    notes: list[str] = []
    unit = np.full(len(labels), -1, np.int64)
    names = {info.value: info.name for info in labels.classes}
    areas = _as_blocks(labels)
    next_unit = 0
    halved, alone = [], []
    for value in np.unique(labels.values).tolist():
        here = np.flatnonzero(labels.values == value)
        own, shrunk = _units_of(labels, here, areas, folds)
        if shrunk:
            halved.append(names[value])
        if own.max() == 0:
            alone.append(names[value])
        else:
            unit[here] = own + next_unit
        next_unit += int(own.max()) + 1
    if halved:
        notes.append(
            f"Few separate areas, so parts of them were left out in turn: {', '.join(halved)}."
        )
    if alone:
        notes.append(
            "A single polygon cannot be left out, so the weights and the confidence say nothing "
            f"of: {', '.join(alone)}."
        )
    fold, count = _dealt(labels.values, unit, folds, seed)
    return Folds(fold, count, tuple(notes))


def _as_blocks(labels: Labels) -> bool:
    """Whether labels are wide areas or touch each other, so that polygons are no units."""
    side = BLOCKS[0]
    groups, index = np.unique(labels.groups, return_inverse=True)
    low = np.full((len(groups), 2), np.iinfo(np.int64).max)
    high = np.zeros((len(groups), 2), np.int64)
    place = np.stack([labels.rows, labels.cols], 1).astype(np.int64)
    np.minimum.at(low, index, place)
    np.maximum.at(high, index, place)
    wide = ((high - low).max(1) >= side)[index]
    across = int(labels.cols.max()) + 3
    flat = labels.rows.astype(np.int64) * across + labels.cols
    order = np.argsort(flat)
    touching = np.zeros(len(labels), bool)
    for step in (1, across - 1, across, across + 1):
        found = np.searchsorted(flat[order], flat + step).clip(max=len(flat) - 1)
        other = order[found]
        joined = (flat[other] == flat + step) & (labels.groups[other] != labels.groups)
        touching[joined] = True
        touching[other[joined]] = True
    return bool((wide | touching).mean() > 0.5)


def _units_of(labels: Labels, here: np.ndarray, areas: bool, folds: int) -> tuple[np.ndarray, bool]:
    """Number the units of a class's pixels from 0, and say whether they had to be cut."""
    polygons = np.unique(labels.groups[here], return_inverse=True)[1]
    if not areas and polygons.max() > 0:
        return polygons, False
    rows, cols = labels.rows[here].astype(np.int64), labels.cols[here].astype(np.int64)
    units = polygons
    for side in BLOCKS:
        place = (rows // side) * (int(cols.max()) // side + 1) + cols // side
        units = np.unique(place, return_inverse=True)[1]
        if units.max() + 1 >= folds:
            return units, side != BLOCKS[0]
    if units.max() > 0:
        return units, True
    return polygons, False


def _dealt(values: np.ndarray, unit: np.ndarray, folds: int, seed: int) -> tuple[np.ndarray, int]:
    """Deal the units of each class to folds: the largest first, to the fold that has least."""
    rng = np.random.default_rng(seed)
    fold = np.full(len(values), -1)
    most = max(
        (len(np.unique(unit[(values == v) & (unit >= 0)])) for v in np.unique(values)), default=0
    )
    count = min(folds, most)
    if count < 2:
        return fold, 0
    total = np.zeros(count)
    for value in np.unique(values).tolist():
        members = (values == value) & (unit >= 0)
        units, sizes = np.unique(unit[members], return_counts=True)
        order = rng.permutation(len(units))
        order = order[np.argsort(-sizes[order], kind="stable")]
        own = np.zeros(count)
        for i in order:
            chosen = int(np.lexsort((total, own))[0])
            own[chosen] += sizes[i]
            total[chosen] += sizes[i]
            fold[unit == units[i]] = chosen
    return fold, count
