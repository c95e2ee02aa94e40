"""The number of wavelengths tells which axis has the bands; what was taken is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import rasterio
import scipy.io
from affine import Affine
from mtmsd.cli.main import main
from mtmsd.errors import InputError
from mtmsd.reporting import Reporter
from mtmsd.scene.convert import import_mat
from mtmsd.scene.raster import Scene
from small_files import cube

NM = [450.0, 550.0, 650.0, 850.0, 1400.0, 2200.0]
ORDERS = {"bands first": (0, 1, 2), "bands last": (1, 2, 0), "bands between": (1, 0, 2)}


class Listener(Reporter):
    """Keeps the warnings."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warning(self, message: str) -> None:
        self.said.append(message)


def write_neon(path: Path, **map_info: Any) -> Path:
    """NEON AOP reflectance, as DP3.30006 describes it."""
    data = cube()
    data[:, 0, 0] = -9999
    with h5py.File(path, "w") as file:
        site = file.create_group("SITE/Reflectance")
        site.attrs["Band_Window_1_Nanometers"] = [1340, 1445]
        values = site.create_dataset("Reflectance_Data", data=data.transpose(1, 2, 0))
        values.attrs["Data_Ignore_Value"] = -9999.0
        values.attrs["Scale_Factor"] = 10000.0
        about = site.create_group("Metadata")
        about["Spectral_Data/Wavelength"] = NM
        about["Spectral_Data/Wavelength"].attrs["Units"] = "nanometers"
        about["Spectral_Data/FWHM"] = [5.0] * 6
        about["Coordinate_System/EPSG Code"] = np.bytes_("32633")
        about["Coordinate_System/Map_Info"] = np.bytes_(
            "UTM, 1.000, 1.000, 400000.000, 5800000.000, 1.0, 1.0, 33, North, WGS-84, units=Meters"
        )
        about["Ancillary_Imagery/Slope"] = np.zeros((12, 15), "f4")
    return path


def test_neon_reflectance_is_read_with_grid_scale_and_gaps(tmp_path: Path) -> None:
    with Scene.open(write_neon(tmp_path / "neon.h5")) as scene:
        assert (scene.width, scene.height, len(scene.bands)) == (15, 12, 6)
        assert scene.transform == Affine(1, 0, 400_000, 0, -1, 5_800_000)
        assert scene.crs.to_epsg() == 32633
        assert [band.wavelength for band in scene.bands] == NM
        assert scene.used == (1, 2, 3, 4, 6)  # the fifth lies in a window of water vapour
        assert scene.bands[0].fwhm == 5
        values, valid = scene.read(0, 0, 12, 15)
    assert valid.sum() == 12 * 15 - 1
    assert not valid[0, 0]
    expected = cube()[[0, 1, 2, 3, 5]] / 1e4
    assert np.allclose(values[:, valid], expected[:, valid])


def test_neon_with_other_wavelengths_is_refused_with_both_numbers(tmp_path: Path) -> None:
    path = write_neon(tmp_path / "neon.h5")
    with h5py.File(path, "r+") as file:
        spectral = file["SITE/Reflectance/Metadata/Spectral_Data"]
        del spectral["Wavelength"]
        spectral["Wavelength"] = NM[:4]
    with pytest.raises(InputError, match=r"'neon\.h5' lists 4 wavelengths for the 6 bands"):
        Scene.open(path)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("place", ["attribute", "beside", "elsewhere"])
def test_a_cube_of_hdf5_is_read_in_any_order(tmp_path: Path, order: str, place: str) -> None:
    path = tmp_path / "scene.h5"
    with h5py.File(path, "w") as file:
        values = file.create_dataset("products/Lt", data=cube().transpose(ORDERS[order]))
        if place == "attribute":
            values.attrs["wavelengths"] = np.array(NM)
        else:
            file["products/wavelength" if place == "beside" else "sensor/wavelengths"] = NM
        file["products/Lt_uncertainty"] = cube().transpose(ORDERS[order])
        file["navigation/longitude"] = np.zeros((12, 15))
    with Scene.open(path) as scene:
        assert scene.wavelengths.tolist() == NM
        assert np.array_equal(scene.read(0, 0, 12, 15)[0], cube())
        said = " ".join(scene.warnings)
        assert "'/products/Lt' was read as 12 lines × 15 samples × 6 bands" in said
        assert "without georeference" in said


def test_another_companys_swath_is_no_prisma_product(tmp_path: Path) -> None:
    path = tmp_path / "tanager.h5"
    with h5py.File(path, "w") as file:
        values = file.create_dataset("HDFEOS/SWATHS/HYP/Data Fields/toa_radiance", data=cube())
        values.attrs["wavelengths"] = np.array(NM)
        values.attrs["good_wavelengths"] = np.array([1, 1, 1, 1, 0, 1])
        values.attrs["fwhm"] = np.array([5.0] * 6)
    with Scene.open(path) as scene:
        assert (scene.width, scene.height) == (15, 12)
        assert scene.used == (1, 2, 3, 4, 6)
        assert scene.bands[0].fwhm == 5


def test_two_axes_as_long_as_the_wavelengths_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "square.h5"
    with h5py.File(path, "w") as file:
        file["cube"] = np.ones((6, 9, 6))
        file["wavelength"] = NM
    with pytest.raises(InputError, match="6×9×6 and has 6 wavelengths, so it is not clear which"):
        Scene.open(path)


def test_several_cubes_with_wavelengths_have_to_be_named(tmp_path: Path) -> None:
    path = tmp_path / "pace.nc"
    with h5py.File(path, "w") as file:
        for name in ("rhot_blue", "rhot_red"):
            file[f"observation_data/{name}"] = cube(seed=len(name)).transpose(1, 2, 0)
        file["sensor_band_parameters/wavelength"] = NM
    with pytest.raises(InputError, match=r"'pace\.nc' holds 2 cubes with wavelengths") as error:
        Scene.open(path)
    assert "rhot_red" in error.value.hint
    with Scene.open(f'HDF5:"{path}"://observation_data/rhot_red') as scene:
        assert np.array_equal(scene.read(0, 0, 12, 15)[0], cube(seed=8))


def test_a_cube_without_wavelengths_says_which_axis_was_taken(tmp_path: Path) -> None:
    path = tmp_path / "scene.h5"
    with h5py.File(path, "w") as file:
        file["cube"] = cube()
    with Scene.open(path) as scene:
        assert "the first was taken: 6 bands of 12 lines × 15 samples" in scene.warnings[0]


def test_a_variable_or_a_page_a_band_is_refused_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "scene.nc"
    with h5py.File(path, "w") as file:
        for axis, length in (("y", 12), ("x", 15)):
            file[axis] = np.arange(length, dtype="f8")
            file[axis].make_scale(axis)
        for wavelength, band in zip(NM, cube(), strict=True):
            values = file.create_dataset(f"rhos_{wavelength:.0f}", data=band)
            for i, axis in enumerate(("y", "x")):
                values.dims[i].attach_scale(file[axis])
    with pytest.raises(InputError, match=r"'scene\.nc' holds 6 variables or pages") as error:
        Scene.open(path)
    assert "gdalbuildvrt -separate" in error.value.hint
    pages = tmp_path / "pages.tif"
    for band in cube():
        with rasterio.open(
            pages, "w", driver="GTiff", width=15, height=12, count=1, dtype="int16",
            APPEND_SUBDATASET="YES" if pages.exists() else "NO",
        ) as dataset:  # fmt: skip
            dataset.write(band, 1)
    with pytest.raises(InputError, match=r"'pages\.tif' holds 6 variables or pages"):
        Scene.open(pages)


@pytest.mark.parametrize("version", ["5", "7.3"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("known", ["given", "in the file"])
def test_the_wavelengths_tell_the_axis_of_a_mat_cube(
    tmp_path: Path, version: str, order: str, known: str
) -> None:
    data, path = cube().transpose(ORDERS[order]), tmp_path / "cube.mat"
    variables = {"data": data} | ({} if known == "given" else {"wavelength": np.array([NM])})
    if version == "5":
        scipy.io.savemat(path, variables)
    else:
        with h5py.File(path, "w", userblock_size=512) as file:
            for name, values in variables.items():
                file[name] = values.T
    listener = Listener()
    given = NM if known == "given" else None
    result = import_mat(path, "data", tmp_path / "s.tif", wavelengths=given, reporter=listener)
    assert (result["height"], result["width"], result["bands"]) == (12, 15, 6)
    assert "'data' was taken as 12 lines × 15 columns × 6 bands" in listener.said[0]
    with Scene.open(tmp_path / "s.tif") as scene:
        assert scene.wavelengths.tolist() == NM
        assert np.array_equal(scene.read(0, 0, 12, 15)[0], cube())


def test_a_mat_cube_without_wavelengths_says_what_was_taken(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "cube.mat", {"data": cube()})
    listener = Listener()
    result = import_mat(tmp_path / "cube.mat", None, tmp_path / "s.tif", reporter=listener)
    assert "6 lines × 12 columns × 15 bands (the last axis; " in listener.said[0]
    assert result["warnings"] == listener.said


@pytest.mark.parametrize("text", ["{:.5f}\n", "{:.5f},", "{:.5f} µm\n"])
def test_a_list_in_micrometres_is_read_as_such(tmp_path: Path, text: str) -> None:
    scipy.io.savemat(tmp_path / "cube.mat", {"cube": cube().transpose(1, 2, 0)})
    listed = tmp_path / "wavelengths.txt"
    listed.write_text("".join(text.format(w / 1e3) for w in NM), encoding="latin-1")
    line = ["import", tmp_path / "cube.mat", "-o", tmp_path / "s.tif", "--wavelengths", listed]
    assert main([str(word) for word in line]) == 0
    with Scene.open(tmp_path / "s.tif") as scene:
        assert scene.wavelengths.tolist() == pytest.approx(NM)


def test_a_mat_file_is_imported_first_and_a_list_for_another_file_is_said(
    tmp_path: Path, raster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with h5py.File(tmp_path / "cube.mat", "w") as file:
        file["data"] = cube()
    with pytest.raises(InputError, match=r"'cube\.mat' is a MATLAB file.*mtmsd import cube\.mat"):
        Scene.open(tmp_path / "cube.mat")
    (tmp_path / "list.txt").write_text("1 2 3")
    line = ["import", raster, "-o", tmp_path / "c.tif", "--wavelengths", tmp_path / "list.txt"]
    assert main([str(word) for word in line]) == 0
    assert "are for .mat files; not used" in capsys.readouterr().err
