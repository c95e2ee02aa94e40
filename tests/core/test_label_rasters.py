"""Label rasters onto the scene's grid: classes, regions, and grids that do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
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


def numbered(path: Path, background: float, shift: int = 0, **options: object) -> Path:
    """Three classes of 12 pixels each from ``1 + shift``, the rest ``background``."""
    truth = np.full((12, 15), background, options.pop("dtype", "uint8"))
    for i in range(3):
        truth[1 : 1 + 3, 1 + 5 * i : 5 + 5 * i] = i + 1 + shift
    return write_raster(path, truth, **options)


@pytest.mark.parametrize(
    ("fill", "dtype"),
    [(255, "uint8"), (65535, "uint16"), (-9999, "int16"), (-1, "int32"), (-32768, "int16"),
     (127, "int8"), (-3.4e38, "float32"), (1e20, "float64"), (4294967295, "uint32"),
     (9999, "int32")],
)  # fmt: skip
def test_a_value_that_fills_the_raster_undeclared_is_said_and_unlabelled(
    raster: Path, tmp_path: Path, fill: float, dtype: str
) -> None:
    labels = read(numbered(tmp_path / "truth.tif", fill, dtype=dtype), raster)
    assert labels.counts() == {1: 12, 2: 12, 3: 12}
    (said,) = labels.warnings
    assert f"The value {np.array(fill, dtype):g}, 80.0% of the label raster 'truth.tif'" in said
    assert "as unlabelled" in said


def test_a_class_255_beside_unlabelled_0_stays_a_class_and_is_said(
    raster: Path, tmp_path: Path
) -> None:
    path = numbered(tmp_path / "truth.tif", 0)
    with rasterio.open(path, "r+") as dataset:
        values = dataset.read(1)
        values[8:10, :5] = 255
        dataset.write(values, 1)
    labels = read(path, raster)
    assert labels.counts() == {1: 12, 2: 12, 3: 12, 255: 10}
    assert (
        "The value 255, 5.6% of the label raster 'truth.tif', was taken as a" in labels.warnings[0]
    )


def test_classes_up_to_255_are_classes(raster: Path, tmp_path: Path) -> None:
    truth = np.zeros((12, 15), "uint8")
    truth[:3], truth[3:6], truth[6:] = 253, 254, 255
    labels = read(write_raster(tmp_path / "truth.tif", truth), raster)
    assert labels.counts() == {253: 45, 254: 45, 255: 90}
    assert labels.warnings == ()


@pytest.mark.parametrize("nodata", [255, None])
def test_a_class_0_beside_nodata_gets_a_number_that_it_can_have(
    raster: Path, tmp_path: Path, nodata: int | None
) -> None:
    path = numbered(tmp_path / "truth.tif", 255, -1, nodata=nodata)
    labels = read(path, raster)
    assert labels.counts() == {1: 12, 2: 12, 3: 12}
    assert pixels(labels, 3) == block(1, 1, 3, 4)
    assert [info.name for info in labels.classes] == ["1", "2", "0"]
    said = labels.warnings[-1]
    assert "The value 0, 6.7% of the label raster 'truth.tif', was taken as a class" in said
    assert "has the value 3 in maps" in said
    again = read(path, raster, classes=labels.classes, minimum=0)
    assert again.classes == labels.classes
    assert again.counts() == labels.counts()


def test_a_class_0_that_the_map_cannot_tell_is_refused(raster: Path, tmp_path: Path) -> None:
    trained = read(numbered(tmp_path / "a.tif", 255, -1, nodata=255), raster)
    more = numbered(tmp_path / "b.tif", 255, -1, nodata=255)
    with rasterio.open(more, "r+") as dataset:
        values = dataset.read(1)
        values[8:10, :5] = 3
        dataset.write(values, 1)
    with pytest.raises(InputError, match=r"which class of the map the class 0 of .*'b\.tif' is"):
        read(more, raster, classes=trained.classes, minimum=0)


@pytest.mark.parametrize("said", [True, False])
def test_0_stays_unlabelled_where_it_is_the_background_or_called_so(
    raster: Path, tmp_path: Path, said: bool
) -> None:
    path = numbered(tmp_path / "truth.tif", 0, nodata=255)
    with rasterio.open(path, "r+") as dataset:
        values = dataset.read(1)
        values[4:, : 12 if said else 5] = 255
        dataset.write(values, 1)
    if said:  # nodata covers more than 0, but 0 has a name
        Path(f"{path}.aux.xml").write_text(
            "<PAMDataset><PAMRasterBand band='1'><CategoryNames><Category>Unclassified</Category>"
            "</CategoryNames></PAMRasterBand></PAMDataset>"
        )
    labels = read(path, raster)
    assert labels.counts() == {1: 12, 2: 12, 3: 12}
    assert "was taken as unlabelled, like its nodata" in labels.warnings[-1]


def test_a_raster_of_several_impossible_values_is_refused(raster: Path, tmp_path: Path) -> None:
    truth = np.full((12, 15), -5, "int16")
    truth[:3], truth[3:5] = 1, -7
    with pytest.raises(InputError, match=r"'truth\.tif' holds the values -7 and -5|-5 and -7"):
        read(write_raster(tmp_path / "truth.tif", truth), raster)
