"""Maps lie on the scene's grid to the last bit, whatever that grid is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from mtmsd.classes import ClassInfo
from mtmsd.errors import InputError
from mtmsd.labels.read import read_labels
from mtmsd.scene.output import class_map
from mtmsd.scene.raster import Scene
from rasterio.control import GroundControlPoint
from small_files import UTM, cube, rectangle, write_polygons, write_raster

CLASSES = (ClassInfo(1, "a", "#ff0000"), ClassInfo(2, "b", "#00ff00"))

GRIDS = {
    "north up": Affine(10, 0, 400_000, 0, -10, 5_800_000),
    "south up": Affine(10, 0, 400_000, 0, 10, 5_800_000),
    "east to west": Affine(-10, 0, 400_000, 0, -10, 5_800_000),
    "rotated by 71 degrees": Affine(4.850965501411636, 14.08822677642982, 716737.401375353,
                                    14.08822677642982, -4.850965501411636, 4322229.096619),
    "sheared": Affine(10, 3.3, 400_000, -1.7, -9, 5_800_000),
    "not square": Affine(22.629992464204975, 0, 352512.53, 0, -23.406079501169135, 5987272.5),
    "degrees": Affine(1 / 3600, 0, 13.1, 0, -1 / 3600, 52.4),
    "none": Affine.identity(),
}  # fmt: skip


def crs_of(name: str) -> str | None:
    return {"degrees": "EPSG:4326", "none": None}.get(name, UTM)


def checkered(height: int, width: int) -> np.ndarray:
    """A pattern that no shift, flip or turn maps onto itself."""
    rng = np.random.default_rng(height * 1000 + width)
    return rng.integers(1, 3, (height, width)).astype("uint8")


@pytest.mark.parametrize("name", GRIDS)
def test_the_map_has_the_scenes_grid_to_the_last_bit(tmp_path: Path, name: str) -> None:
    path = write_raster(tmp_path / "s.tif", cube(), transform=GRIDS[name], crs=crs_of(name))
    target = tmp_path / "map.tif"
    with Scene.open(path) as scene, class_map(target, scene, CLASSES, {}) as out:
        for row, col, height, width in scene.blocks(5):
            out.write(checkered(12, 15)[row : row + height, col : col + width], row, col)
    with rasterio.open(path) as source, rasterio.open(target) as result:
        assert [v.hex() for v in result.transform[:6]] == [v.hex() for v in source.transform[:6]]
        assert result.crs == source.crs
        assert result.shape == source.shape
        assert np.array_equal(result.read(1), checkered(12, 15))


@pytest.mark.parametrize("name", GRIDS)
def test_polygons_fall_on_the_pixels_they_were_drawn_on(tmp_path: Path, name: str) -> None:
    grid = GRIDS[name]
    path = write_raster(tmp_path / "s.tif", cube(), transform=grid, crs=crs_of(name))
    truth = checkered(12, 15)
    cells = [(r, c) for r in range(12) for c in range(15)]
    polygons = write_polygons(
        tmp_path / "p.gpkg",
        [rectangle(r + 0.2, c + 0.2, 0.6, 0.6, grid) for r, c in cells],
        crs=crs_of(name),
        class_id=[truth[cell] for cell in cells],
    )
    with Scene.open(path) as scene:
        labels = read_labels(polygons, scene)
    found = np.zeros((12, 15), "uint8")
    found[labels.rows, labels.cols] = labels.values
    assert np.array_equal(found, truth)


def test_control_points_alone_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "swath.tif"
    points = [
        GroundControlPoint(row=r, col=c, x=13 + c / 100, y=52 - r / 100)
        for r in (0, 12) for c in (0, 15)
    ]  # fmt: skip
    write_raster(path, cube(), transform=None, crs="EPSG:4326", gcps=points)
    with pytest.raises(InputError, match=r"'swath\.tif' is placed by 4 ground control points"):
        Scene.open(path)


def test_a_class_at_each_edge_keeps_its_edge(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", cube())
    edges = [rectangle(0, 0, 1, 15), rectangle(11, 0, 1, 15), rectangle(1, 0, 10, 1),
             rectangle(1, 14, 10, 1)]  # fmt: skip
    polygons = write_polygons(tmp_path / "p.gpkg", edges, class_id=[1, 2, 3, 4])
    with Scene.open(path) as scene:
        labels = read_labels(polygons, scene)
    found = np.zeros((12, 15), int)
    found[labels.rows, labels.cols] = labels.values
    assert (found[0] == 1).all()
    assert (found[11] == 2).all()
    assert (found[1:11, 0] == 3).all()
    assert (found[1:11, 14] == 4).all()
    assert not found[1:11, 1:14].any()


def test_polygons_elsewhere_are_counted(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", cube())
    shapes = [rectangle(0, 0, 2, 2), rectangle(5, 5, 2, 2), rectangle(50, 5, 2, 2)]
    polygons = write_polygons(tmp_path / "p.gpkg", shapes, class_id=[1, 2, 2])
    with Scene.open(path) as scene:
        labels = read_labels(polygons, scene)
    assert labels.counts() == {1: 4, 2: 4}
    assert labels.warnings == ("1 of 3 features of 'p.gpkg' lie outside 's'.",)


def test_polygons_reaching_over_the_edge_are_cut(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", cube())
    shapes = [rectangle(-5, -5, 7, 7), rectangle(10, 13, 50, 50)]
    polygons = write_polygons(tmp_path / "p.gpkg", shapes, class_id=[1, 2])
    with Scene.open(path) as scene:
        assert read_labels(polygons, scene).counts() == {1: 4, 2: 4}


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 47), (47, 1), (2, 2), (47, 47), (3, 31)])
def test_rasters_smaller_than_a_tile_are_whole_scenes(
    tmp_path: Path, height: int, width: int
) -> None:
    data = cube(5, height, width)
    path = write_raster(tmp_path / "s.tif", data)
    target = tmp_path / "map.tif"
    with Scene.open(path) as scene:
        assert len(scene.used) == 5
        values, valid = scene.read(-24, -24, height + 47, width + 47)
        with class_map(target, scene, CLASSES, {}) as out:
            out.write(checkered(height, width), 0, 0)
    assert valid.sum() == height * width
    assert np.array_equal(values[:, 24 : 24 + height, 24 : 24 + width], data)
    with rasterio.open(target) as result:
        assert np.array_equal(result.read(1), checkered(height, width))


@settings(max_examples=40, deadline=None)
@given(
    angle=st.floats(0, 360),
    shear=st.floats(-20, 20),
    scale=st.tuples(st.floats(0.1, 1000), st.floats(0.1, 1000)),
    corner=st.tuples(st.floats(-1e7, 1e7), st.floats(-1e7, 1e7)),
    window=st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 6), st.integers(1, 6)),
)
def test_any_grid_and_part_of_it_stay_where_they_are(
    tmp_path_factory: pytest.TempPathFactory,
    angle: float, shear: float, scale: tuple[float, float], corner: tuple[float, float],
    window: tuple[int, int, int, int],
) -> None:  # fmt: skip
    grid = (
        Affine.translation(*corner) * Affine.rotation(angle) * Affine.shear(shear)
        * Affine.scale(scale[0], -scale[1])
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("grid")
    path = write_raster(folder / "s.tif", cube(3, 11, 11), transform=grid)
    row, col, height, width = window
    pattern = checkered(11, 11)
    with Scene.open(path) as scene:
        with class_map(folder / "map.tif", scene, CLASSES, {}) as out:
            out.write(pattern, 0, 0)
        with class_map(folder / "part.tif", scene, CLASSES, {}, window=window) as out:
            out.write(pattern[row : row + height, col : col + width], 0, 0)
        labels = read_labels(folder / "map.tif", scene, minimum=0)
    assert np.array_equal(pattern[labels.rows, labels.cols], labels.values)
    assert len(labels) == 121
    with rasterio.open(path) as source, rasterio.open(folder / "part.tif") as part:
        assert part.shape == (height, width)
        step = max(scale)
        for corner_row, corner_col in ((0, 0), (0, width), (height, 0), (height, width)):
            here = part.transform * (corner_col, corner_row)
            there = source.transform * (col + corner_col, row + corner_row)
            assert np.allclose(here, there, rtol=0, atol=1e-6 * step + 1e-8)
