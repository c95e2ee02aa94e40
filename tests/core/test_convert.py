"""Benchmark cubes from MATLAB files, and products, as GeoTIFFs."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
import scipy.io
from mtmsd.errors import Canceled, InputError
from mtmsd.labels.read import read_labels
from mtmsd.reporting import Reporter
from mtmsd.scene.convert import import_mat, import_scene
from mtmsd.scene.raster import Scene
from small_files import cube, write_raster

NANOMETRES = [450.0, 550.0, 650.0, 850.0, 1400.0, 2200.0]


def as_matlab(data: np.ndarray) -> np.ndarray:
    return np.moveaxis(data, 0, -1)


def write_mat(path: Path, version: str, **variables: np.ndarray) -> Path:
    if version == "7.3":
        with h5py.File(path, "w", userblock_size=512) as file:
            for name, data in variables.items():
                file[name] = data.T  # MATLAB stores columns first
    else:
        scipy.io.savemat(path, variables, format=version, do_compression=version == "5")
    return path


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_a_cube_and_its_truth_become_scene_and_labels(tmp_path: Path, version: str) -> None:
    truth = np.zeros((12, 15))
    truth[1:4, 1:5], truth[7:9, 6:11] = 1, 2
    path = write_mat(
        tmp_path / "Scene.mat", version, scene=as_matlab(cube(dtype="uint16")), truth=truth
    )
    result = import_mat(path, None, tmp_path / "s.tif", wavelengths=NANOMETRES)
    assert (result["variable"], result["bands"], result["dtype"]) == ("scene", 6, "uint16")
    import_mat(path, "truth", tmp_path / "t.tif")
    with Scene.open(tmp_path / "s.tif") as scene:
        assert scene.wavelengths.tolist() == NANOMETRES
        assert np.array_equal(scene.read(0, 0, 12, 15)[0], cube())
        labels = read_labels(tmp_path / "t.tif", scene)
    assert labels.counts() == {1: 12, 2: 10}
    with rasterio.open(tmp_path / "t.tif") as dataset:
        assert dataset.dtypes == ("uint8",)


def test_doubles_keep_their_fractions(tmp_path: Path) -> None:
    data = cube(dtype="float64") / 7
    path = write_mat(tmp_path / "s.mat", "5", data=as_matlab(data))
    import_mat(path, "data", tmp_path / "s.tif")
    with rasterio.open(tmp_path / "s.tif") as dataset:
        assert np.array_equal(dataset.read(), data)


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_what_is_no_cube_is_named(tmp_path: Path, version: str) -> None:
    cubes = {"a": as_matlab(cube()), "b": as_matlab(cube(seed=1)), "v": np.ones((1, 4))}
    path = write_mat(tmp_path / "two.mat", version, **cubes)
    with pytest.raises(InputError, match=r"which variable of 'two\.mat'.*a \(12×15×6\)"):
        import_mat(path, None, tmp_path / "s.tif")
    with pytest.raises(InputError, match=r"'two\.mat' has no cube or image 'c'"):
        import_mat(path, "c", tmp_path / "s.tif")
    with pytest.raises(InputError, match="There are 2 wavelengths for the 6 bands of 'a'"):
        import_mat(path, "a", tmp_path / "s.tif", wavelengths=[1, 2])
    assert not (tmp_path / "s.tif").exists()


@pytest.mark.parametrize("content", [b"", b"no matlab file", b"MATLAB 5.0 MAT-file" + b"\0" * 200])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.mat"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.mat"):
        import_mat(path, None, tmp_path / "s.tif")


def test_complex_cubes_are_refused(tmp_path: Path) -> None:
    path = write_mat(tmp_path / "s.mat", "5", data=as_matlab(cube(dtype="float32")) * 1j)
    with pytest.raises(InputError, match=r"'data' of 's\.mat' does not hold real numbers"):
        import_mat(path, None, tmp_path / "s.tif")


def test_any_scene_can_be_copied_with_its_mask_and_wavelengths(tmp_path: Path) -> None:
    data = cube()
    data[3, 4, 5] = -7
    path = write_raster(tmp_path / "s.tif", data, nodata=-7, wavelengths=NANOMETRES)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales = [0.5] * 6
    import_scene(path, tmp_path / "copy.tif", exclude="water")
    with Scene.open(tmp_path / "copy.tif") as copy, Scene.open(path, exclude="water") as scene:
        assert copy.wavelengths.tolist() == scene.wavelengths.tolist()
        assert copy.transform == scene.transform
        for ours, theirs in zip(copy.read(0, 0, 12, 15), scene.read(0, 0, 12, 15), strict=True):
            assert np.array_equal(ours, theirs)


def test_cancel_leaves_nothing(tmp_path: Path, raster: Path) -> None:
    class Impatient(Reporter):
        cancel_requested = True

    with pytest.raises(Canceled):
        import_scene(raster, tmp_path / "copy.tif", reporter=Impatient())
    assert [p.name for p in tmp_path.iterdir()] == [raster.name]
