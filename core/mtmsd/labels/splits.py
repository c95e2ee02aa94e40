"""Ways to part labelled pixels into training and test pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from mtmsd.classes import ClassInfo
from mtmsd.errors import InputError
from mtmsd.labels.labels import Labels

FEWEST = 3
"""Training pixels that a class must keep beside a guard, if it has as many."""
TEST_PLACES = 4
"""Places around which polygons are held back; more of them cost more pixels to the guard."""


@dataclass(frozen=True)
class Split:
    """Training and test pixels; no pixel is in both.

    Every class has training pixels, if it has labels at all; ``not_evaluated`` names the classes
    without test pixels; ``description`` says in a sentence how the split was drawn.
    """

    train: Labels
    test: Labels
    not_evaluated: tuple[ClassInfo, ...]
    description: str


def random_stratified(
    labels: Labels,
    *,
    train_fraction: float | None = None,
    train_count: int | None = None,
    seed: int,
) -> Split:
    """Draw single pixels of each class at random, as the paper does.

    Give either the share or the number of training pixels of a class. A class of one pixel is
    trained and not evaluated; no other class loses all its test pixels by rounding.

    Raises
    ------
    InputError
        If neither or both are given, or the share is not between 0 and 1.
    """
    if (train_fraction is None) == (train_count is None):
        raise InputError("Give either the share or the number of training pixels.")
    if train_fraction is not None:
        _check_share(train_fraction, "training")
    if train_count is not None and train_count < 1:
        raise InputError(f"The number of training pixels cannot be {train_count}.")
    rng = np.random.default_rng(seed)
    train = np.zeros(len(labels), bool)
    for info in labels.classes:
        members = np.flatnonzero(labels.values == info.value)
        if not len(members):
            continue
        wanted = train_count if train_fraction is None else round(train_fraction * len(members))
        count = int(np.clip(wanted or 0, 1, max(1, len(members) - 1)))
        train[rng.permutation(members)[:count]] = True
    amount = _percent(train_fraction) if train_fraction is not None else f"{train_count} pixels"
    return _split(
        labels,
        train,
        ~train,
        f"Random pixels: {amount} of each class for training (seed {seed}). Where test pixels lie "
        "beside training pixels, the figures are optimistic.",
    )


def by_polygon(labels: Labels, test_fraction: float, guard: float, seed: int) -> Split:
    """Hold whole polygons back, about the share ``test_fraction`` of each class's pixels.

    Those nearest to a few random places are taken, rather than polygons strewn over the scene,
    since training pixels nearer than ``guard`` pixels (Chebyshev distance) to a test pixel are
    dropped. A class of one polygon is trained and not evaluated.

    Raises
    ------
    InputError
        If the share is not between 0 and 1.
    """
    _check_share(test_fraction, "test")
    rng = np.random.default_rng(seed)
    groups, unit = np.unique(labels.groups, return_inverse=True)
    area = np.bincount(unit)
    middle = _middles(labels, unit)
    places = middle[rng.choice(len(groups), min(TEST_PLACES, len(groups)), replace=False)]
    distance = np.abs(middle[:, None] - places).max(axis=2).min(axis=1)
    test = np.zeros(len(groups), bool)
    for info in labels.classes:
        members = np.unique(unit[labels.values == info.value])
        members = members[np.argsort(distance[members], kind="stable")]
        sizes = area[members]
        target, held = test_fraction * sizes.sum(), 0
        for i in range(len(members) - 1):
            if held and abs(held + sizes[i] - target) > abs(held - target):
                continue
            test[members[i]] = True
            held += sizes[i]
    train, tested = _with_guard(labels, unit, test, guard)
    return _split(
        labels,
        train,
        tested,
        f"Whole polygons: about {_percent(test_fraction)} of each class for testing"
        f"{_told_guard(guard)} (seed {seed}).",
    )


def spatial_folds(labels: Labels, folds: int, guard: float, seed: int) -> list[Split]:
    """Part whole polygons into folds of neighbours, each tested once (spatial cross-validation).

    Each class's polygons are spread over the folds as evenly as their number allows, each going
    to a place (k-means of all polygons) near to it. A class of one polygon is trained in every
    fold and not evaluated. The guard is that of :func:`by_polygon`.
    """
    from sklearn.cluster import KMeans

    groups, unit = np.unique(labels.groups, return_inverse=True)
    middle = _middles(labels, unit)
    folds = min(folds, len(groups))
    places = KMeans(folds, n_init=4, random_state=seed).fit(middle).cluster_centers_
    fold = np.full(len(groups), -1)
    for info in labels.classes:
        members = np.unique(unit[labels.values == info.value])
        if len(members) < 2:
            continue
        slots = np.tile(np.arange(folds), -(-len(members) // folds))
        rows, chosen = linear_sum_assignment(cdist(middle[members], places[slots]))
        fold[members[rows]] = slots[chosen]
    parts = [_with_guard(labels, unit, fold == f, guard) for f in np.unique(fold[fold >= 0])]
    tested = [(train, test) for train, test in parts if test.any()]
    sentence = (
        f"Spatial cross-validation: whole polygons in {len(tested)} folds of neighbours, each "
        f"tested once{_told_guard(guard)} (seed {seed})."
    )
    return [_split(labels, train, test, sentence) for train, test in tested]


def spatial_blocks(
    labels: Labels, block: int, guard: float, train_fraction: float, seed: int
) -> Split:
    """Part the scene into square blocks and give whole blocks to training or testing.

    Blocks are taken in random order; each goes to the side where its classes are shortest of
    what ``train_fraction`` promises. The guard is that of :func:`by_polygon`.

    Raises
    ------
    InputError
        If the block is smaller than a pixel, or the share is not between 0 and 1.
    """
    _check_share(train_fraction, "training")
    if block < 1:
        raise InputError(f"A block cannot be {block} pixels wide.")
    rng = np.random.default_rng(seed)
    across = int(labels.cols.max()) // block + 1
    place = labels.rows.astype(np.int64) // block * across + labels.cols // block
    blocks, unit = np.unique(place, return_inverse=True)
    columns = np.searchsorted([info.value for info in labels.classes], labels.values)
    counts = np.zeros((len(blocks), len(labels.classes)))
    np.add.at(counts, (unit, columns), 1)
    share = counts / np.maximum(counts.sum(axis=0), 1)
    given = np.zeros((2, len(labels.classes)))  # shares so far: training, testing
    test = np.zeros(len(blocks), bool)
    for i in rng.permutation(len(blocks)):
        wants = (share[i] * (train_fraction - given[0])).sum() / train_fraction
        wants_test = (share[i] * (1 - train_fraction - given[1])).sum() / (1 - train_fraction)
        test[i] = wants_test > wants
        given[int(test[i])] += share[i]
    train, tested = _with_guard(labels, unit, test, guard)
    return _split(
        labels,
        train,
        tested,
        f"Spatial blocks of {block}×{block} pixels: about {_percent(train_fraction)} for "
        f"training{_told_guard(guard)} (seed {seed}).",
    )


def positions(part: Labels, whole: Labels) -> np.ndarray:
    """Return where the pixels of ``part`` stand in ``whole``, int64 (n_part,)."""
    place = {pixel: i for i, pixel in enumerate(zip(whole.rows, whole.cols, strict=True))}
    return np.array([place[p] for p in zip(part.rows, part.cols, strict=True)], dtype=np.int64)


def nearest_distance(
    rows: np.ndarray, cols: np.ndarray, to_rows: np.ndarray, to_cols: np.ndarray
) -> np.ndarray:
    """Return the Chebyshev distance, in pixels, of each pixel to the nearest other one."""
    if not len(to_rows):
        return np.full(len(rows), np.inf)
    tree = KDTree(np.column_stack((to_rows, to_cols)))
    return tree.query(np.column_stack((rows, cols)), p=np.inf)[0]


def _middles(labels: Labels, unit: np.ndarray) -> np.ndarray:
    """Return the mean row and column of each unit, float64 (units, 2)."""
    sums = np.column_stack((np.bincount(unit, labels.rows), np.bincount(unit, labels.cols)))
    return sums / np.bincount(unit)[:, None]


def _with_guard(
    labels: Labels, unit: np.ndarray, test: np.ndarray, guard: float
) -> tuple[np.ndarray, np.ndarray]:
    """Drop training pixels near test pixels; give test units back where a class lost too many.

    ``unit`` numbers the unit (polygon or block) of each pixel, ``test`` says which are tested.
    """
    test = test.copy()
    while True:
        tested = test[unit]
        train = ~tested
        if guard > 0 and tested.any() and train.any():
            away = nearest_distance(
                labels.rows[train], labels.cols[train], labels.rows[tested], labels.cols[tested]
            )
            train[np.flatnonzero(train)[away < guard]] = False
        lost = _short_of(labels, train)
        if not lost:
            return train, tested
        # Each round gives a unit back to training: it comes to an end.
        members = labels.values == lost[0]
        kept = members & ~tested
        near = unit[tested][_closest(labels, kept, tested)] if kept.any() else unit[members]
        test[np.bincount(near).argmax()] = False


def _short_of(labels: Labels, train: np.ndarray) -> list[int]:
    """Return the classes that keep fewer training pixels than ``FEWEST``, though they have some."""
    kept = labels.subset(train).counts()
    return [v for v, count in labels.counts().items() if kept[v] < min(FEWEST, count)]


def _closest(labels: Labels, members: np.ndarray, tested: np.ndarray) -> np.ndarray:
    """Return, for each pixel of a class, the index of the test pixel nearest to it."""
    tree = KDTree(np.column_stack((labels.rows[tested], labels.cols[tested])))
    return tree.query(np.column_stack((labels.rows[members], labels.cols[members])), p=np.inf)[1]


def _split(labels: Labels, train: np.ndarray, test: np.ndarray, description: str) -> Split:
    tested = set(np.unique(labels.values[test]).tolist())
    missing = tuple(info for info in labels.classes if info.value not in tested)
    return Split(labels.subset(train), labels.subset(test), missing, description)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _told_guard(guard: float) -> str:
    return f", training pixels nearer to them than {guard:g} pixels left out" if guard else ""


def _check_share(share: float, what: str) -> None:
    if not 0 < share < 1:
        raise InputError(
            f"The share of {what} pixels cannot be {share:g}; it lies between 0 and 1."
        )
