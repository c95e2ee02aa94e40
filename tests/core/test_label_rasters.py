"""Label rasters onto the scene's grid: classes, regions, and grids that do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from mtmsd.errors import InputError
from small_files import GRID, UTM, cube, write_raster
from test_labels import block, pixels, read


def write_label_raster(path: Path, transform: Affine = GRID, **options: object) -> Path:
    truth = np.zeros((12, 15), options.pop("dtype", "uint8"))
    truth[1:4, 1:5] = 1
    truth[7:9, 6:11] = 2
    truth[0, 14] = 2
    return write_raster(path, truth, transform=transform, **options)


def test_a_label_raster_gives_classes_regions_and_colours(raster: Path, tmp_path: Path) -> None:
    path = write_label_raster(tmp_path / "truth.tif")
    labels = read(path, raster)
    assert pixels(labels, 1) == block(1, 1, 3, 4)
    assert labels.counts() == {1: 12, 2: 11}
    assert len(set(labels.groups.tolist())) == 3


@pytest.mark.parametrize(
    ("transform", "crs", "sentence"),
    [
        (GRID * Affine.translation(0.5, 0), UTM, "from (400005, 5800000)"),
        (GRID * Affine.scale(1.01), UTM, "of 10.1×-10.1 from"),
        (GRID, "EPSG:32632", "EPSG:32632"),
        (None, None, "not georeferenced"),
    ],
)
def test_a_label_raster_on_another_grid_is_refused_with_both_grids(
    raster: Path, tmp_path: Path, transform: Affine | None, crs: str | None, sentence: str
) -> None:
    path = write_label_raster(tmp_path / "truth.tif", transform, crs=crs)
    with pytest.raises(InputError) as error:
        read(path, raster)
    assert "'truth.tif' (15×12 px" in error.value.message
    assert "'scene' (15×12 px of 10×-10 from (400000, 5800000), EPSG:32633)" in error.value.message
    assert sentence in error.value.message


def test_a_label_raster_of_fractions_is_refused(raster: Path, tmp_path: Path) -> None:
    truth = np.full((12, 15), 0.5, "float32")
    path = write_raster(tmp_path / "truth.tif", truth)
    with pytest.raises(InputError, match=r"'truth\.tif' holds the value 0\.5"):
        read(path, raster)


def test_a_grid_written_in_other_words_is_the_same_grid(raster: Path, tmp_path: Path) -> None:
    esri = (
        'PROJCS["WGS_1984_UTM_Zone_33N",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID['
        '"WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",'
        '0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",'
        '500000.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",15.0],PARAMETER['
        '"Scale_Factor",0.9996],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'
    )
    assert len(read(write_label_raster(tmp_path / "truth.tif", crs=esri), raster)) == 23


def test_regions_touch_at_corners_and_end_where_the_class_does(tmp_path: Path) -> None:
    truth = np.array([[1, 0, 2, 2, 0], [0, 1, 2, 0, 3], [1, 0, 0, 3, 0], [3, 0, 0, 0, 1]], "uint8")
    raster = write_raster(tmp_path / "s.tif", cube(3, 4, 5))
    labels = read(write_raster(tmp_path / "t.tif", truth), raster, minimum=1)
    regions = np.full(truth.shape, -1)
    regions[labels.rows, labels.cols] = labels.groups
    expected = [[(0, 0), (1, 1), (2, 0)], [(0, 2), (0, 3), (1, 2)], [(1, 4), (2, 3)], [(3, 0)],
                [(3, 4)]]  # fmt: skip
    found = [sorted(map(tuple, np.argwhere(regions == g).tolist())) for g in range(5)]
    assert sorted(found) == sorted(expected)
