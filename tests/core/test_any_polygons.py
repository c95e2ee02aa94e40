"""Polygons of any shape, drawn at random, onto the scene's grid."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from mtmsd.errors import InputError
from small_files import GRID, cube, write_polygons, write_raster
from test_labels import read

shapes = st.tuples(
    st.sampled_from(["box", "sliver", "point", "line", "ring", "bow tie"]),
    st.floats(-5, 20), st.floats(-5, 17), st.floats(0.01, 9), st.floats(0.01, 9),
    st.integers(1, 5),
)  # fmt: skip


def draw(kind: str, x: float, y: float, width: float, height: float) -> shapely.Geometry:
    box = shapely.box(x, y, x + width, y + height)
    return {
        "box": box,
        "sliver": shapely.box(x, y, x + width, y + 0.05),
        "point": shapely.Point(x, y),
        "line": shapely.LineString([(x, y), (x + width, y + height)]),
        "ring": box.difference(shapely.box(x + width / 4, y + height / 4, x + width / 2, y + 9)),
        "bow tie": shapely.Polygon(
            [(x, y), (x + width, y + height), (x + width, y), (x, y + height)]
        ),
    }[kind]


@settings(max_examples=60, deadline=None)
@given(drawn=st.lists(shapes, min_size=1, max_size=12), seed=st.integers(0, 99))
def test_any_polygons_become_labels_of_their_classes_inside_the_scene(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("any")
    data = cube(seed=seed)
    holes = np.random.default_rng(seed).random((12, 15)) < 0.3
    data[:, holes] = -9999
    raster = write_raster(folder / "s.tif", data, nodata=-9999)
    geometries = [draw(*shape[:5]) for shape in drawn]
    values = [shape[5] for shape in drawn]
    placed = shapely.transform(geometries, lambda xy: np.column_stack(GRID * xy.T))
    path = write_polygons(folder / "p.fgb", placed, class_id=values)
    try:
        labels = read(path, raster, minimum=0, class_field="class_id")
    except InputError as error:
        reason = str(error)
    else:
        reason = ""
    if reason:
        assert any(word in reason for word in ("outside", "touches", "no data"))
        return
    assert {info.value for info in labels.classes} == set(values)
    assert set(labels.values.tolist()) <= set(values)
    assert len(set(zip(labels.rows.tolist(), labels.cols.tolist(), strict=True))) == len(labels)
    assert not holes[labels.rows, labels.cols].any()
    union = shapely.union_all(shapely.make_valid(geometries))
    for row, col in zip(labels.rows.tolist(), labels.cols.tolist(), strict=True):
        assert union.distance(shapely.box(col, row, col + 1, row + 1)) < 1e-9
