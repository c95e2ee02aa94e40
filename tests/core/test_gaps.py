"""Fill values that nobody declared, and bands that would cost many pixels: weighed, and said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mtmsd.cli.main import main
from mtmsd.scene.raster import Scene
from mtmsd.scene.resample import match_bands
from small_files import cube, rectangle, write_polygons, write_raster


def told(path: Path) -> tuple[np.ndarray, tuple[int, ...], str, float]:
    """Where there is data, the used bands, what is said, the share without data."""
    with Scene.open(path) as scene:
        valid = scene.read(0, 0, scene.height, scene.width)[1]
        summary = scene.summary()
        return valid, scene.used, " ".join(scene.warnings), summary["nodata_share"]


@pytest.mark.parametrize(
    ("dtype", "fill"),
    [
        ("float32", -9999), ("int16", -9999), ("int16", -32768), ("float32", -999), ("int32", -1),
        ("uint16", 65535), ("int16", 32767), ("uint16", 0), ("float32", 0), ("uint8", 255),
        ("float64", 9999), ("float32", 65535),
    ],
)  # fmt: skip
def test_a_border_that_nobody_declared_is_no_data_and_said(
    tmp_path: Path, dtype: str, fill: int
) -> None:
    data = cube(bands=9, dtype=dtype)
    data[:, :, :3] = fill
    valid, used, said, share = told(write_raster(tmp_path / "s.tif", data))
    expected = np.ones((12, 15), bool)
    expected[:, :3] = False
    assert np.array_equal(valid, expected)
    assert (len(used), share) == (9, 0.2)
    assert f"{fill} fills all bands of 20.0% of the pixels and is not declared" in said


def test_another_fill_than_the_declared_one_is_found_too(tmp_path: Path) -> None:
    data = cube()
    data[:, 0] = -9999
    valid, _, said, _ = told(write_raster(tmp_path / "s.tif", data, nodata=0))
    assert not valid[0].any()
    assert valid[1:].all()
    assert "-9999 fills all bands of 8.3% of the pixels" in said


def test_zeros_beside_a_declared_value_are_data_and_said(tmp_path: Path) -> None:
    data = cube()
    data[:, :, :3] = 0
    valid, _, said, _ = told(write_raster(tmp_path / "s.tif", data, nodata=-9999))
    assert valid.all()
    assert "20.0% of the pixels are 0 in all bands; they are taken as data" in said


def test_a_fill_in_a_part_of_the_bands_is_no_data_there(tmp_path: Path) -> None:
    data = cube(bands=8)
    data[2:6, 3, 3:6] = -9999
    valid, _, said, _ = told(write_raster(tmp_path / "s.tif", data))
    expected = np.ones((12, 15), bool)
    expected[3, 3:6] = False
    assert np.array_equal(valid, expected)
    assert "-9999 fills 0.8% of the values and is not declared; taken as no data" in said


@pytest.mark.parametrize(("dtype", "value"), [("int16", -120), ("float32", -1.5), ("uint8", 255)])
def test_values_that_may_be_measured_are_data(tmp_path: Path, dtype: str, value: float) -> None:
    data = cube(bands=6, dtype=dtype)
    data[3, 0] = value
    valid, _, said, _ = told(write_raster(tmp_path / "s.tif", data))
    assert valid.all()
    assert said == ""


def test_a_lake_that_is_dark_in_a_few_bands_is_kept_without_these(tmp_path: Path) -> None:
    data = cube(bands=24)
    data[-6:, :, :5] = 0  # clamped water
    valid, used, said, share = told(write_raster(tmp_path / "s.tif", data, nodata=0))
    assert valid.all()
    assert used == tuple(range(1, 19))
    assert share == 0
    assert "6 of 24 bands lack data in parts of the scene" in said
    assert "19–24" in said


def test_a_patchy_band_is_left_out_and_a_patchy_corner_is_not(tmp_path: Path) -> None:
    data = cube(bands=20)
    data[7, :, :7] = -9999
    data[10:, :1, :1] = -9999  # a corner that half of the bands lack
    valid, used, said, _ = told(write_raster(tmp_path / "s.tif", data, nodata=-9999))
    assert valid.sum() == 12 * 15 - 1
    assert set(range(1, 21)) - set(used) == {8}
    assert "1 of 20 bands lack data in parts of the scene; left out to keep these: 8." in said
    assert "have data in a part of the used bands only, and count as no data" in said


def test_a_model_that_knows_a_patchy_band_still_gets_it(tmp_path: Path) -> None:
    data = cube(bands=20)
    data[7, :, :7] = -9999
    nm = [float(w) for w in range(400, 2400, 100)]
    path = write_raster(tmp_path / "s.tif", data, nodata=-9999, wavelengths=nm)
    with Scene.open(path) as scene:
        assert match_bands(scene, range(1, 21), nm, count=20).used == tuple(range(1, 21))


def test_bands_of_one_wavelength_stay_themselves(tmp_path: Path) -> None:
    nm = [450.0, 900.0, 920.0, 940.0, 900.0, 920.0, 940.0, 1200.0]
    path = write_raster(tmp_path / "s.tif", cube(bands=8), wavelengths=nm)
    with Scene.open(path) as scene:
        assert match_bands(scene, range(1, 9), nm, count=8).used == tuple(range(1, 9))
        assert match_bands(scene, [2, 5, 6], [900, 900, 920], count=8).used == (2, 5, 6)
        assert "6 of 8" not in " ".join(scene.warnings)
        assert "3 of 8 bands have the wavelength of another band" in scene.warnings[0]
    cut = write_raster(tmp_path / "cut.tif", cube(bands=8)[1:], wavelengths=nm[1:])
    with Scene.open(cut) as scene:
        assert match_bands(scene, range(2, 9), nm[1:], count=8).used == tuple(range(1, 8))


@pytest.mark.slow
def test_the_report_says_what_was_left_out(tmp_path: Path) -> None:
    data = cube(bands=24, height=20, width=20)
    data[:, :, 10:] += 4000
    data[-6:, :, :5] = 0
    scene = write_raster(tmp_path / "s.tif", data, nodata=0)
    boxes = [rectangle(r, c, 4, 4) for c in (1, 13) for r in (1, 7, 13)]
    labels = write_polygons(tmp_path / "l.gpkg", boxes, class_id=np.repeat([1, 2], 3))
    line = ["map", scene, labels, "-o", tmp_path / "m.tif", "--classifier", "svm"]
    assert main([str(word) for word in [*line, "--report", tmp_path / "r.html"]]) == 0
    assert "6 of 24 bands lack data in parts" in (tmp_path / "r.html").read_text()
