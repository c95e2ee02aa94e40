"""Which labelled pixels are one piece of ground, whatever features they were drawn as."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from mtmsd.labels.labels import Labels

NEAR = 5
"""Labels of a class that are nearer than this, in pixels, resemble each other as those of one
polygon do."""
POINT = 4
"""Pixels of a feature, at most, that counts as a point: others near to it are of its place."""
BLOB = 10
"""Points near to each other, at least, that make a blob."""
FAR = 3 * NEAR
"""Points nearer than this to a blob belong to it."""

Offset = tuple[int, int]

TOUCHING: tuple[Offset, ...] = ((0, 1), (1, -1), (1, 0), (1, 1))
"""Rows and columns to half of a pixel's eight neighbours; the others see it as theirs."""
_REACH = range(1 - NEAR, NEAR)
_AROUND = [(row, col) for row in _REACH for col in _REACH if (row, col) != (0, 0)]


def with_groups_joined(labels: Labels, name: str, fewest: int = 2) -> Labels:
    """Give features of a class that touch, and points near to each other, one group.

    Pixels of one field or one blob are right or wrong together, so that parting them between
    training and test, or counting each as an observation, would flatter the map.

    Parameters
    ----------
    labels : Labels
        Each pixel once; ``groups`` numbers features.
    name : str
        Of their file, for the sentence that says how many groups are left.
    fewest : int
        Points near to each other that are one place; fewer are taken as they were drawn.
    """
    features, unit, size = np.unique(labels.groups, return_inverse=True, return_counts=True)
    points = size[unit] <= POINT
    touching = connected(labels.rows, labels.cols, labels.values, unit, TOUCHING)
    near = connected(labels.rows, labels.cols, labels.values, touching, _AROUND, points)
    several = _features_of(near, unit) >= fewest
    places = np.where(several[near], near, len(several) + touching)
    _, joined = np.unique(_with_stragglers(labels, unit, places, points), return_inverse=True)
    before, after = int(touching.max()) + 1, int(joined.max()) + 1
    warnings = labels.warnings
    if after < before:
        warnings += (
            f"{len(features):,} polygons or points of '{name}' count as {after:,}, for points "
            f"nearer to others of their class than {NEAR} pixels are of one place.",
        )
    return replace(labels, groups=joined.astype(np.int32), warnings=warnings)


def connected(
    rows: NDArray,
    cols: NDArray,
    values: NDArray,
    unit: NDArray,
    offsets: Iterable[Offset],
    sources: NDArray[np.bool_] | None = None,
) -> NDArray[np.int32]:
    """Join the units of pixels that lie at one of the offsets from a pixel of their class.

    Parameters
    ----------
    rows, cols, values : int arrays (n,)
        Each pixel once.
    unit : int array (n,)
        Numbers 0 to m - 1.
    offsets : iterable of (row, column)
    sources : bool array (n,), optional
        The pixels from which the offsets are taken; all of them if not given.

    Returns
    -------
    int32 array (n,)
        Numbers from 0. Memory grows with the number of pixels, not with the scene.
    """
    across = int(cols.max()) + 2 * NEAR
    place = rows.astype(np.int64) * across + cols
    order = np.argsort(place)
    place, unit_, values_ = place[order], unit[order], values[order]
    starts = np.arange(len(place)) if sources is None else np.flatnonzero(sources[order])
    count = int(unit.max()) + 1
    links = [np.zeros(0, np.int64)]
    for row, col in offsets:
        wanted = place[starts] + row * across + col
        found = np.minimum(np.searchsorted(place, wanted), len(place) - 1)
        same = (place[found] == wanted) & (values_[found] == values_[starts])
        links.append(np.unique(unit_[starts[same]].astype(np.int64) * count + unit_[found[same]]))
    return _numbered(np.stack(np.divmod(np.concatenate(links), count)), count)[unit]


def _with_stragglers(
    labels: Labels, unit: NDArray, joined: NDArray, points: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Join the points that lie not far from a blob of many with it."""
    pixels = np.column_stack((labels.rows, labels.cols))
    links = [np.zeros((2, 0), np.int64)]
    for blob in np.flatnonzero(_features_of(joined, unit) >= BLOB):
        own = np.flatnonzero((joined == blob) & points)
        if not len(own):
            continue
        low, high = pixels[own].min(0) - FAR, pixels[own].max(0) + FAR
        there = points & (labels.values == labels.values[own[0]]) & (joined != blob)
        there &= ((pixels > low) & (pixels < high)).all(1)
        away, _ = KDTree(pixels[own]).query(pixels[there], p=np.inf, distance_upper_bound=FAR)
        near = np.unique(joined[there][np.isfinite(away)])
        links.append(np.stack((np.full(len(near), blob), near)))
    return _numbered(np.concatenate(links, axis=1), int(joined.max()) + 1)[joined]


def _features_of(group: NDArray, unit: NDArray) -> NDArray[np.int64]:
    """Return how many features each group has."""
    group_of = np.zeros(int(unit.max()) + 1, np.int64)
    group_of[unit] = group
    return np.bincount(group_of)


def _numbered(links: NDArray[np.int64], count: int) -> NDArray[np.int32]:
    """Return a number for each of ``count`` units; linked ones, links (2, m), have the same."""
    graph = coo_array((np.ones(links.shape[1], bool), tuple(links)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int32)
