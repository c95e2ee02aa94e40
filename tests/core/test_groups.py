"""Labels that lie together count as one, whatever they were drawn as."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from mtmsd.classes import ClassInfo
from mtmsd.labels.groups import FAR, NEAR, TOUCHING, connected, with_groups_joined
from mtmsd.labels.labels import Labels
from mtmsd.labels.read import read_labels
from mtmsd.labels.splits import by_polygon
from mtmsd.scene.raster import Scene
from scipy import ndimage
from small_files import cube, rectangle, write_polygons, write_raster


@pytest.fixture(scope="module")
def scene_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_raster(tmp_path_factory.mktemp("groups") / "scene.tif", cube(3, 120, 200))


def read(folder: Path, scene_path: Path, shapes: list, classes: list[int]) -> Labels:
    labels = write_polygons(folder / "labels.gpkg", shapes, class_id=np.array(classes))
    with Scene.open(scene_path) as scene:
        return read_labels(labels, scene, minimum=0)


def count(labels: Labels) -> int:
    return len(np.unique(labels.groups))


@pytest.mark.parametrize(
    ("second", "class_of_second", "groups"),
    [
        (rectangle(10, 16, 6, 6), 1, 1),  # a common edge
        (rectangle(16, 16, 6, 6), 1, 1),  # a common corner
        (rectangle(13, 13, 6, 6), 1, 1),  # overlapping
        (rectangle(10, 17, 6, 6), 1, 2),  # a row of pixels between them
        (rectangle(10, 16, 6, 6), 2, 2),  # another class
    ],
)
def test_touching_polygons_of_a_class_are_one(
    tmp_path: Path, scene_path: Path, second, class_of_second: int, groups: int
) -> None:
    found = read(
        tmp_path, scene_path, [rectangle(10, 10, 6, 6), second, rectangle(60, 60, 4, 4)],
        [1, class_of_second, 2],
    )  # fmt: skip
    assert count(found) == groups + 1
    assert found.warnings == ()


def test_parts_of_one_feature_that_touch_are_one_and_others_are_not(
    tmp_path: Path, scene_path: Path
) -> None:
    parts = [rectangle(5, 5, 4, 4), rectangle(9, 9, 4, 4), rectangle(60, 100, 4, 4)]
    found = read(tmp_path, scene_path, [shapely.union_all(parts), rectangle(90, 20, 4, 4)], [1, 2])
    assert count(found) == 3


def blobs(seed: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """600 different pixels in six blobs far apart, two of each class, in random order."""
    rng = np.random.default_rng(seed)
    middles = [(25, 30), (25, 100), (25, 170), (95, 30), (95, 100), (95, 170)]
    pixels: set[tuple[int, int, int]] = set()
    for number, middle in enumerate(middles):
        while sum(1 for *_, blob in pixels if blob == number) < 100:
            row, col = (rng.normal(middle, spread)).astype(int).tolist()
            pixels.add((row, col, number))
    found = rng.permutation(np.array(sorted(pixels)))
    return found[:, :2], found[:, 2]


@pytest.mark.parametrize("spread", [3.0, 6.0])
def test_600_points_in_6_blobs_are_6_groups(
    tmp_path: Path, scene_path: Path, spread: float
) -> None:
    pixels, blob = blobs(0, spread)
    # the shapes are given in rows and columns, as those of the polygons above
    points = [shapely.centroid(rectangle(row, col, 1, 1)) for row, col in pixels.tolist()]
    found = read(tmp_path, scene_path, points, (blob % 3 + 1).tolist())
    assert (len(found), count(found)) == (600, 6)
    assert "600 polygons or points of 'labels.gpkg' count as 6" in " ".join(found.warnings)
    split = by_polygon(found, 0.25, 0, 0)
    assert len(np.unique(split.test.groups)) == 3, "a whole blob of each class"
    far = np.abs(split.train.rows[:, None] - split.test.rows).astype(float)
    across = np.abs(split.train.cols[:, None] - split.test.cols)
    assert np.maximum(far, across).min() > NEAR


def labels_of(pixels: list[tuple[int, int]], values: list[int] | None = None) -> Labels:
    """Make every pixel a feature of its own."""
    rows, cols = np.array(pixels, np.int32).T
    given = np.array(values or [1] * len(pixels), np.uint16)
    classes = tuple(ClassInfo(int(v), str(v), "#000000") for v in np.unique(given))
    return Labels(rows, cols, given, np.arange(len(rows), dtype=np.int32), classes)


@pytest.mark.parametrize(("away", "groups"), [(NEAR - 1, 1), (NEAR, 2)])
def test_points_nearer_than_a_few_pixels_are_of_one_place(away: int, groups: int) -> None:
    assert count(with_groups_joined(labels_of([(10, 10), (10, 10 + away)]), "x")) == groups
    assert count(with_groups_joined(labels_of([(10, 10), (10, 10 + away)], [1, 2]), "x")) == 2


def test_a_straggler_belongs_to_its_blob_and_a_lonely_point_to_itself() -> None:
    blob = [(10, 10 + 2 * i) for i in range(10)]
    straggler, lonely = (10, 28 + FAR - 1), (10, 80)
    groups = with_groups_joined(labels_of([*blob, straggler, lonely]), "x").groups
    assert len(np.unique(groups[:11])) == 1
    assert groups[11] != groups[0]
    few = with_groups_joined(labels_of([*blob[:9], (10, 26 + FAR - 1)]), "x").groups
    assert len(np.unique(few)) == 2, "nine points are no blob"


def test_large_polygons_near_to_each_other_stay_apart() -> None:
    found = labels_of([(r, c) for r in range(4) for c in (*range(4), *range(6, 10))])
    two = with_groups_joined(
        Labels(found.rows, found.cols, found.values, found.cols // 5, found.classes), "x"
    )
    assert count(two) == 2
    assert two.warnings == ()


def test_connected_pixels_are_those_that_scipy_labels() -> None:
    image = np.random.default_rng(5).integers(0, 3, (60, 70))
    rows, cols = np.nonzero(image)
    values = image[rows, cols]
    shuffled = np.random.default_rng(6).permutation(len(rows))
    found = np.empty(len(rows), int)
    found[shuffled] = connected(
        rows[shuffled], cols[shuffled], values[shuffled], np.arange(len(rows)), TOUCHING
    )
    for value in (1, 2):
        expected = ndimage.label(image == value, np.ones((3, 3)))[0][rows, cols]
        pairs = {(a, b) for a, b, v in zip(found, expected, values) if v == value}
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_a_label_raster_of_points_in_blobs_has_one_group_a_blob(
    tmp_path: Path, scene_path: Path
) -> None:
    pixels, blob = blobs(1, 5.0)
    values = np.zeros((120, 200), np.uint8)
    values[tuple(pixels.T)] = blob % 3 + 1
    raster = write_raster(tmp_path / "labels.tif", values)
    with Scene.open(scene_path) as scene:
        found = read_labels(raster, scene)
    assert (len(found), count(found)) == (600, 6)
