"""Training and test pixels are apart, the guard is kept, and no class is lost silently."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mtmsd.classes import ClassInfo
from mtmsd.errors import InputError
from mtmsd.labels.labels import Labels
from mtmsd.labels.splits import (
    Split,
    by_polygon,
    random_stratified,
    spatial_blocks,
    spatial_folds,
)


def make_labels(seed: int, side: int = 40, classes: int = 4, polygons: int = 30) -> Labels:
    """Squares of 1 to 5 pixels at random places."""
    rng = np.random.default_rng(seed)
    values = np.zeros((side, side), int)
    groups = np.zeros((side, side), int)
    for polygon in range(polygons):
        row, col, size = [*rng.integers(0, side, 2).tolist(), int(rng.integers(1, 6))]
        values[row : row + size, col : col + size] = polygon % classes * 7 + 1
        groups[row : row + size, col : col + size] = polygon
    rows, cols = np.nonzero(values)
    present = np.unique(values[rows, cols])
    return Labels(
        rows.astype(np.int32), cols.astype(np.int32), values[rows, cols].astype(np.uint16),
        groups[rows, cols].astype(np.int32),
        tuple(ClassInfo(int(v), f"class {v}", "#000000") for v in present),
    )  # fmt: skip


def check(split: Split, labels: Labels, guard: float) -> None:
    train = np.column_stack((split.train.rows, split.train.cols))
    test = np.column_stack((split.test.rows, split.test.cols))
    assert not {tuple(p) for p in train.tolist()} & {tuple(p) for p in test.tolist()}
    if len(train) and len(test):
        distance = np.abs(train[:, None].astype(int) - test[None].astype(int)).max(axis=2)
        assert distance.min() >= guard
    trained, tested = split.train.counts(), split.test.counts()
    assert all(trained[info.value] for info in labels.classes)
    assert {i.value for i in split.not_evaluated} == {v for v, n in tested.items() if n == 0}
    assert split.description


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 12), st.sampled_from([0.2, 0.5, 0.8]))
def test_promises_hold_on_random_labels(seed: int, guard: int, share: float) -> None:
    labels = make_labels(seed % 50, polygons=5 + seed % 30)
    check(by_polygon(labels, share, guard, seed), labels, guard)
    check(spatial_blocks(labels, 8, guard, share, seed), labels, guard)
    check(random_stratified(labels, train_fraction=share, seed=seed), labels, 0)
    for fold in spatial_folds(labels, 3, guard, seed):
        check(fold, labels, guard)


def test_every_polygon_of_a_fold_is_tested_once_and_its_neighbours_with_it() -> None:
    # Three classes of 3, 2 and 1 polygons, in three clusters far apart.
    corners = [(0, 0), (50, 0), (0, 50), (5, 0), (55, 0), (5, 50)]
    values = np.repeat([1, 1, 1, 2, 2, 3], 4)
    rows, cols = (
        np.concatenate([[c[i], c[i], c[i] + 1, c[i] + 1] for c in corners]) for i in (0, 1)
    )
    groups = np.repeat(np.arange(6), 4)
    classes = tuple(ClassInfo(v, str(v), "#000000") for v in (1, 2, 3))
    labels = Labels(rows, cols, values.astype(np.uint16), groups.astype(np.int32), classes)
    folds = spatial_folds(labels, 3, 0, 1)
    tested = [sorted(set(fold.test.groups.tolist())) for fold in folds]
    assert sorted(tested) == [[0, 3], [1, 4], [2]], "the class of one polygon is only trained"
    assert all(5 in fold.train.groups for fold in folds)
    assert "3 folds" in folds[0].description


def test_no_polygon_is_on_both_sides() -> None:
    labels = make_labels(1)
    split = by_polygon(labels, 0.3, 0, 0)
    assert not set(split.train.groups.tolist()) & set(split.test.groups.tolist())
    assert len(split.train) + len(split.test) == len(labels)
    assert 0.15 < len(split.test) / len(labels) < 0.5


def test_no_block_is_on_both_sides() -> None:
    labels = make_labels(2)
    split = spatial_blocks(labels, 10, 0, 0.5, 0)

    def blocks(part: Labels) -> set[tuple[int, int]]:
        return set(zip((part.rows // 10).tolist(), (part.cols // 10).tolist(), strict=True))

    assert not blocks(split.train) & blocks(split.test)
    assert 0.3 < len(split.train) / len(labels) < 0.7


def test_the_random_split_takes_its_share_of_each_class() -> None:
    labels = make_labels(3, side=100, polygons=80)
    split = random_stratified(labels, train_fraction=0.1, seed=0)
    for value, count in labels.counts().items():
        assert split.train.counts()[value] == round(0.1 * count)
    assert "optimistic" in split.description
    assert random_stratified(labels, train_count=5, seed=0).train.counts() == dict.fromkeys(
        labels.counts(), 5
    )


def test_a_class_of_one_polygon_is_trained_and_named_as_not_evaluated() -> None:
    labels = make_labels(4, classes=3, polygons=7)
    single = labels.subset(
        (labels.values != 1) | (labels.groups == labels.groups[labels.values == 1][0])
    )
    split = by_polygon(single, 0.3, 0, 0)
    assert [info.name for info in split.not_evaluated] == ["class 1"]
    assert split.train.counts()[1] == single.counts()[1]


def test_the_same_seed_gives_the_same_split_and_another_another() -> None:
    labels = make_labels(5)
    for draw in (
        lambda seed: by_polygon(labels, 0.3, 2, seed),
        lambda seed: spatial_blocks(labels, 8, 2, 0.5, seed),
        lambda seed: random_stratified(labels, train_fraction=0.3, seed=seed),
    ):
        one, again, other = draw(7).test, draw(7).test, draw(8).test
        assert np.array_equal(one.rows, again.rows)
        assert np.array_equal(one.cols, again.cols)
        assert not np.array_equal(one.rows, other.rows)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 2.0])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    labels = make_labels(6)
    for draw in (
        lambda: by_polygon(labels, share, 0, 0),
        lambda: spatial_blocks(labels, 8, 0, share, 0),
        lambda: random_stratified(labels, train_fraction=share, seed=0),
    ):
        with pytest.raises(InputError, match="share of"):
            draw()
