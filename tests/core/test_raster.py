"""A scene as it is read: windows, formats, what is refused, and what it costs."""

from __future__ import annotations

import concurrent.futures
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from mtmsd.errors import InputError
from mtmsd.scene.raster import Scene
from small_files import GRID, cube, write_envi, write_raster

REAL = {
    "enmap_potsdam/enmap_potsdam.tif": (160, 192, 224, 218, 418.24, 2445.53),
    "berlin_hymap/HyMap02_Berlin_Urban_Gradient_2009.bsq": (67, 100, 111, 111, 455.4, 2446.5),
    "houston2018_crop/houston2018_crop.tif": (128, 128, 48, 48, None, None),
    "salinas_a/salinas_a.tif": (86, 83, 204, 204, None, None),
    "edge_cases/AV_mastercal_testdata.bsq": (50, 50, 194, 194, 394.935486, 2496.236084),
    "edge_cases/ang20160910t185702_2rdn_img": (30, 25, 425, 425, 376.44, 2500.12),
    "edge_cases/emit20250324t221005_jpl_unmix_ex": (10, 10, 285, 244, 381.005593, 2492.923881),
    "edge_cases/hyspex_bavaria_232.bsq": (50, 50, 232, 232, 424.709991, 2316.679932),
    "edge_cases/neon_sjer_no_crs.tif": (40, 40, 426, 426, None, None),
}


@pytest.mark.parametrize("name", REAL)
def test_real_scenes_say_what_they_are(scenes: Path, name: str) -> None:
    with Scene.open(scenes / name) as scene:
        summary = json.loads(json.dumps(scene.summary()))
        values, valid = scene.read(-2, -2, 9, 9)
    low, high = summary["wavelength_range"] or (None, None)
    assert (summary["width"], summary["height"], summary["bands"], summary["used"], low, high) == (
        REAL[name]
    )
    assert not valid[:2].any()
    assert not valid[:, :2].any()
    assert valid[2:, 2:].all()
    assert (values[:, 2:, 2:] != 0).any(axis=0).all()


def test_a_window_that_reaches_outside_is_filled_and_invalid(raster: Path) -> None:
    data = cube()
    with Scene.open(raster) as scene:
        values, valid = scene.read(-2, 10, 20, 8)
    assert values.dtype == np.float32
    assert np.array_equal(values[:, 2:14, :5], data[:, :, 10:])
    expected = np.zeros((20, 8), bool)
    expected[2:14, :5] = True
    assert np.array_equal(valid, expected)
    assert not values[:, ~expected].any()


def test_a_window_wholly_outside_is_empty(raster: Path) -> None:
    with Scene.open(raster) as scene:
        values, valid = scene.read(100, -50, 3, 4)
    assert values.shape == (6, 3, 4)
    assert not valid.any()


@pytest.mark.parametrize("size", [1, 4, 7, 64])
def test_blocks_cover_each_pixel_once(raster: Path, size: int) -> None:
    covered = np.zeros((12, 15), int)
    with Scene.open(raster) as scene:
        for row, col, height, width in scene.blocks(size):
            covered[row : row + height, col : col + width] += 1
    assert (covered == 1).all()


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="counts bytes as Linux does")
def test_blocks_that_were_read_are_kept(tmp_path: Path) -> None:
    path = write_raster(
        tmp_path / "tiled.tif", cube(30, 128, 128), tiled=True, blockxsize=64, blockysize=64
    )

    def bytes_read() -> int:
        return int(Path("/proc/self/io").read_text().split("rchar:")[1].split()[0])

    with Scene.open(path) as scene:
        scene.read(0, 0, 128, 128)
        before = bytes_read()
        for row in range(40, 50):
            scene.read(row, 50, 30, 30)
        assert bytes_read() - before < path.stat().st_size


def test_threads_read_the_same_as_one(raster: Path) -> None:
    data = cube().astype(np.float32)
    with Scene.open(raster) as scene, concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda i: scene.read(i % 9, i % 11, 3, 4)[0], range(200)))
    for i, values in enumerate(results):
        assert np.array_equal(values, data[:, i % 9 : i % 9 + 3, i % 11 : i % 11 + 4])


def test_the_fingerprint_is_the_pixels_not_the_path(raster: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.tif"
    moved.write_bytes(raster.read_bytes())
    other = write_raster(tmp_path / "other.tif", cube(seed=1), nodata=-9999)
    with Scene.open(raster) as a, Scene.open(moved, exclude="1") as b, Scene.open(other) as c:
        assert a.fingerprint() == b.fingerprint()
        assert a.fingerprint()["pixels"] != c.fingerprint()["pixels"]
        assert json.loads(json.dumps(a.fingerprint())) == a.fingerprint()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no raster '.*gone\.tif'"):
        Scene.open(tmp_path / "gone.tif")


def test_a_file_that_is_no_raster_is_named(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no raster at all")
    with pytest.raises(InputError, match=r"'notes\.txt' is not a raster that can be read"):
        Scene.open(text)


def test_one_band_is_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "grey.tif", cube(bands=1))
    with pytest.raises(InputError, match=r"'grey\.tif' has one band"):
        Scene.open(path)


def test_complex_values_are_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "radar.tif", cube(dtype="float32").astype("complex64"))
    with pytest.raises(InputError, match=r"'radar\.tif' holds complex numbers"):
        Scene.open(path)


def test_a_scene_without_a_valid_pixel_is_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "empty.tif", np.full((4, 5, 6), -1, "int16"), nodata=-1)
    with pytest.raises(InputError, match=r"'empty\.tif' has no valid pixel: all 6×5 are nodata"):
        Scene.open(path)


def test_a_truncated_file_is_one_sentence(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "cut.tif", cube(20, 64, 64), tiled=False)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(InputError, match=r"'cut\.tif' cannot be read to its end"):
        Scene.open(path)


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
def test_a_truncated_envi_image_is_one_sentence(tmp_path: Path, interleave: str) -> None:
    path = write_envi(tmp_path / "cut.img", cube(20, 64, 64), interleave=interleave)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size * 3 // 4)
    with pytest.raises(InputError, match=r"'cut\.img' cannot be read to its end"):
        Scene.open(path)


def test_a_file_replaced_while_it_is_read_is_noticed(raster: Path) -> None:
    with Scene.open(raster) as scene:
        scene.read(0, 0, 2, 2)
        other = write_raster(raster.with_name("new.tif"), cube(seed=5, height=13), nodata=-9999)
        os.replace(other, raster)
        with pytest.raises(InputError, match=r"'scene\.tif' was replaced, changed or removed"):
            scene.read(0, 0, 2, 2)


def write_vrt(path: Path, source: Path, bands: int, place: tuple[int, int, int, int]) -> Path:
    """20,000 × 20,000 pixels, nodata -1 but where ``source`` is stretched to ``place``."""
    left, top, width, height = place
    entries = "".join(
        f'<VRTRasterBand dataType="Int16" band="{i}"><NoDataValue>-1</NoDataValue><SimpleSource>'
        f'<SourceFilename relativeToVRT="1">{source.name}</SourceFilename>'
        f'<SourceBand>{i}</SourceBand><SrcRect xOff="0" yOff="0" xSize="32" ySize="32"/>'
        f'<DstRect xOff="{left}" yOff="{top}" xSize="{width}" ySize="{height}"/>'
        "</SimpleSource></VRTRasterBand>"
        for i in range(1, bands + 1)
    )
    path.write_text(f'<VRTDataset rasterXSize="20000" rasterYSize="20000">{entries}</VRTDataset>')
    return path


def test_a_virtual_scene_of_192_gigabytes_opens_in_a_second(tmp_path: Path) -> None:
    small = write_raster(
        tmp_path / "small.tif", cube(240, 32, 32), tiled=True, blockxsize=16, blockysize=16
    )
    vrt = write_vrt(tmp_path / "huge.vrt", small, 240, (0, 0, 20000, 20000))
    started = time.process_time()
    with Scene.open(vrt) as scene:
        assert (scene.width, scene.height, len(scene.used)) == (20000, 20000, 240)
        values, valid = scene.read(19990, 19990, 20, 20)
    assert time.process_time() - started < 5  # of processor time; about 1 on an idle core
    assert valid.sum() == 100
    assert values[:, 0, 0].tolist() == cube(240, 32, 32)[:, 31, 31].tolist()


def test_bands_are_judged_where_a_large_scene_has_data(tmp_path: Path) -> None:
    data = cube(60, 32, 32)
    data[7] = -1
    data[9] = 5
    small = write_raster(tmp_path / "small.tif", data)
    vrt = write_vrt(tmp_path / "huge.vrt", small, 60, (9000, 11000, 5000, 6000))
    with Scene.open(vrt) as scene:
        assert [(b.index, b.reason) for b in scene.bands if not b.used] == [
            (8, "no data at all"), (10, "constant (5 everywhere)"),
        ]  # fmt: skip
        summary = scene.summary()
    assert 0.5 < summary["nodata_share"] < 1
    assert not summary["nodata_exact"]


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
def test_an_envi_cube_of_192_gigabytes_opens_in_a_second(tmp_path: Path, interleave: str) -> None:
    path = write_envi(tmp_path / "huge.img", cube(240, 1, 1), interleave=interleave)
    header = path.with_suffix(".hdr")
    text = header.read_text()
    header.write_text(text.replace("s = 1\n", "s = 20000\n"))
    with path.open("r+b") as file:
        file.truncate(20000 * 20000 * 240 * 2)  # a hole, but for the first pixel's values
    started = time.process_time()
    with Scene.open(path) as scene:
        assert (scene.width, scene.height, len(scene.bands)) == (20000, 20000, 240)
        _, valid = scene.read(19_950, 19_950, 60, 60)
    assert time.process_time() - started < 5  # about 1 on an idle core
    assert not valid.any()


def test_scale_and_offset_are_applied_after_nodata(tmp_path: Path) -> None:
    data = cube()
    data[:, 3, 4] = -9999
    path = write_raster(tmp_path / "scaled.tif", data, nodata=-9999)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales = [1e-4] * 6
        dataset.offsets = [0.5] * 5 + [-1.0]
    with Scene.open(path) as scene:
        values, valid = scene.read(0, 0, 12, 15)
    assert np.argwhere(~valid).tolist() == [[3, 4]]
    expected = data * np.float32(1e-4) + np.array([0.5] * 5 + [-1], "float32")[:, None, None]
    assert np.allclose(values[:, valid], expected[:, valid], rtol=1e-6)
    assert not values[:, 3, 4].any()


def test_the_grid_is_the_files_to_the_last_bit(raster: Path) -> None:
    with Scene.open(raster) as scene:
        assert tuple(scene.transform) == tuple(GRID)
        assert scene.crs.to_epsg() == 32633
