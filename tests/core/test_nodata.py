"""A pixel is out when any used band is out; statistics, patches and maps read the same mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from mtmsd.errors import InputError
from mtmsd.scene.raster import Scene
from rasterio.enums import ColorInterp
from small_files import cube, write_raster


def valid_of(path: Path, **options: str) -> np.ndarray:
    with Scene.open(path, **options) as scene:
        values, valid = scene.read(0, 0, scene.height, scene.width)
    assert np.isfinite(values).all()
    assert not values[:, ~valid].any()
    return valid


def only(*pixels: tuple[int, int]) -> np.ndarray:
    """All valid but these."""
    expected = np.ones((12, 15), bool)
    for pixel in pixels:
        expected[pixel] = False
    return expected


def test_declared_nodata_in_one_band_takes_the_pixel_out(tmp_path: Path) -> None:
    data = cube()
    data[5, 2, 3] = -9999
    data[0, 4, 4] = -9999
    path = write_raster(tmp_path / "s.tif", data, nodata=-9999)
    assert np.array_equal(valid_of(path), only((2, 3), (4, 4)))
    assert np.array_equal(valid_of(path, exclude="6"), only((4, 4)))


def test_each_band_may_have_its_own_nodata(tmp_path: Path) -> None:
    data = cube()
    data[:] = np.clip(data, 100, 2000)
    data[0, 1, 1] = 7
    data[1, 2, 2] = 8
    data[2, 3, 3] = 7  # a value like any other in this band
    small = write_raster(tmp_path / "s.tif", data)
    bands = "".join(
        f'<VRTRasterBand dataType="Int16" band="{i}"><NoDataValue>{nodata}</NoDataValue>'
        f'<SimpleSource><SourceFilename relativeToVRT="1">{small.name}</SourceFilename>'
        f"<SourceBand>{i}</SourceBand></SimpleSource></VRTRasterBand>"
        for i, nodata in enumerate([7, 8, 9, 9, 9, 9], 1)
    )
    path = tmp_path / "s.vrt"
    path.write_text(f'<VRTDataset rasterXSize="15" rasterYSize="12">{bands}</VRTDataset>')
    assert np.array_equal(valid_of(path), only((1, 1), (2, 2)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -3.4028234663852886e38, 1e34])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_that_are_no_reflectance_are_out_undeclared(
    tmp_path: Path, value: float, dtype: str
) -> None:
    data = cube(dtype=dtype)
    data[3, 5, 6] = value
    assert np.array_equal(valid_of(write_raster(tmp_path / "s.tif", data)), only((5, 6)))


def test_a_float_nodata_written_with_few_digits_is_found(tmp_path: Path) -> None:
    data = cube(dtype="float32")
    data[3, 5, 6] = np.float32(-1.2345679e20)
    path = write_raster(tmp_path / "s.tif", data, nodata=-1.2345679e20)
    assert np.array_equal(valid_of(path), only((5, 6)))


def test_nodata_outside_the_number_format_harms_nothing(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.bsq", cube(dtype="uint8"), driver="ENVI")
    header = path.with_suffix(".hdr")
    header.write_text(header.read_text() + "data ignore value = -9999\n")
    assert valid_of(path).all()


def test_a_pixel_of_zeros_is_the_filling_of_a_border(tmp_path: Path) -> None:
    data = cube()
    data[:, 0, :] = 0
    data[0, 5, 5] = 0  # one band may well be zero
    expected = only(*[(0, c) for c in range(15)])
    assert np.array_equal(valid_of(write_raster(tmp_path / "s.tif", data)), expected)


def test_a_pixel_of_zeros_is_dark_where_another_nodata_is_declared(tmp_path: Path) -> None:
    data = cube()
    data[:, 0, 0] = 0
    assert valid_of(write_raster(tmp_path / "s.tif", data, nodata=-1)).all()


def test_a_mask_band_is_obeyed(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", cube())
    mask = np.full((12, 15), 255, "uint8")
    mask[7, 8] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(mask)
    assert np.array_equal(valid_of(path), only((7, 8)))


def test_an_alpha_band_is_a_mask_and_no_spectrum(tmp_path: Path) -> None:
    data = cube(bands=4, dtype="uint8")
    data[3] = 255
    data[3, 9, 1] = 0
    path = write_raster(tmp_path / "s.tif", data, photometric="RGB", alpha="YES")
    with rasterio.open(path) as dataset:
        assert dataset.colorinterp[3] == ColorInterp.alpha
    with Scene.open(path) as scene:
        assert scene.used == (1, 2, 3)
        assert scene.bands[3].reason == "alpha band"
    assert np.array_equal(valid_of(path), only((9, 1)))


def test_the_summary_says_the_share(tmp_path: Path) -> None:
    data = cube()
    data[2:5, :3] = -9999
    with Scene.open(write_raster(tmp_path / "s.tif", data, nodata=-9999)) as scene:
        summary = scene.summary()
    assert (summary["nodata_share"], summary["nodata_exact"]) == (0.25, True)


def test_the_real_scene_has_40_percent_gaps_and_reads_them_as_invalid(scenes: Path) -> None:
    path = scenes / "enmap_potsdam" / "enmap_potsdam.tif"
    with Scene.open(path) as scene, rasterio.open(path) as dataset:
        raw = dataset.read(list(scene.used))
        values, valid = scene.read(0, 0, scene.height, scene.width)
        assert scene.summary()["nodata_share"] == 0.4
    assert np.array_equal(valid, (raw != -32768).all(axis=0))
    assert np.array_equal(values[:, valid], raw[:, valid])


def test_windows_agree_with_the_whole(scenes: Path) -> None:
    with Scene.open(scenes / "enmap_potsdam" / "enmap_potsdam.tif") as scene:
        values, valid = scene.read(0, 0, scene.height, scene.width)
        for row, col, height, width in scene.blocks(50):
            part, inside = scene.read(row, col, height, width)
            assert np.array_equal(part, values[:, row : row + height, col : col + width])
            assert np.array_equal(inside, valid[row : row + height, col : col + width])


DTYPES = ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64"]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(DTYPES),
    bands=st.integers(2, 9),
    height=st.integers(1, 47),
    width=st.integers(1, 47),
    gaps=st.floats(0, 0.9),
    interleave=st.sampled_from(["band", "pixel"]),
    tiled=st.booleans(),
)
def test_any_raster_reads_as_its_numbers_where_valid(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int, dtype: str, bands: int, height: int, width: int, gaps: float, interleave: str,
    tiled: bool,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    data = cube(bands, height, width, dtype=dtype, seed=seed)
    nodata = 0 if dtype == "uint8" else 113
    data[data == nodata] += 1
    holes = rng.random(data.shape) < gaps * rng.random((bands, 1, 1))
    data[holes] = nodata
    path = tmp_path_factory.mktemp("any") / "s.tif"
    # GDAL takes the fourth band of four bytes for alpha if it is not told otherwise
    options = {"photometric": "minisblack", "interleave": interleave}
    if tiled:
        options |= {"tiled": True, "blockxsize": 16, "blockysize": 16}
    write_raster(path, data, nodata=nodata, **options)
    try:
        scene = Scene.open(path)
    except InputError as error:
        assert "no valid pixel" in error.message or "left to use" in error.message  # noqa: PT017
        return
    with scene:
        used = [i - 1 for i in scene.used]
        values, valid = scene.read(-1, -2, height + 3, width + 4)
    inner = np.s_[1 : height + 1, 2 : width + 2]
    expected = ~holes[used].any(axis=0)
    assert np.array_equal(valid[inner], expected)
    assert valid.sum() == expected.sum()
    read = values[:, inner[0], inner[1]]
    assert np.array_equal(read[:, expected], data[used][:, expected].astype("float32"))
    assert not values[:, ~valid].any()
