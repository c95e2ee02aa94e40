"""The same numbers from every format that analysts keep their scenes in."""

from __future__ import annotations

import gzip
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
import rasterio.shutil
from mtmsd.errors import InputError
from mtmsd.scene.raster import Scene
from small_files import GRID, UTM, cube, write_envi, write_raster

NANOMETRES = [450.0, 550.0, 650.0, 850.0, 1400.0, 2200.0]


def check(path: Path | str, *, wavelengths: bool = False, data: np.ndarray | None = None) -> None:
    expected = cube() if data is None else data
    with Scene.open(path) as scene:
        values, valid = scene.read(0, 0, 12, 15)
        corner, _ = scene.read(7, 9, 2, 3)
        assert scene.transform.almost_equals(GRID)
        assert scene.crs.to_epsg() == 32633
        if wavelengths:
            assert scene.wavelengths.tolist() == pytest.approx(NANOMETRES)
    assert valid.all()
    assert np.array_equal(values, expected.astype("float32"))
    assert np.array_equal(corner, expected[:, 7:9, 9:12].astype("float32"))


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("offset", [0, 321])
def test_envi(tmp_path: Path, interleave: str, big_endian: bool, offset: int) -> None:
    path = tmp_path / f"scene.{interleave}"
    write_envi(path, cube(), interleave=interleave, big_endian=big_endian, offset=offset)
    check(path)
    check(path.with_suffix(".hdr"))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "uint16", "float32", "float64"])
def test_envi_number_formats(tmp_path: Path, dtype: str) -> None:
    data = cube(dtype=dtype)
    check(write_envi(tmp_path / "scene.img", data, big_endian=True), data=data)


@pytest.mark.parametrize("header", ["scene.hdr", "scene.bsq.hdr", "scene.bsq.gz.hdr"])
@pytest.mark.parametrize("says_so", [False, True])
def test_gzipped_envi_is_inflated_wherever_its_header_lies(
    tmp_path: Path, header: str, says_so: bool
) -> None:
    image = write_envi(tmp_path / "scene.bsq", cube())
    text = image.with_suffix(".hdr").read_text() + ("file compression = 1\n" if says_so else "")
    image.with_suffix(".hdr").unlink()
    packed = tmp_path / "scene.bsq.gz"
    packed.write_bytes(gzip.compress(image.read_bytes()))
    image.unlink()
    (tmp_path / header).write_text(text)
    check(packed)
    check(tmp_path / header)
    with Scene.open(packed) as scene:
        assert "compressed as one stream" in scene.warnings[-1]
        assert scene.summary()["path"] == str(packed)


def test_a_gzipped_geotiff(tmp_path: Path, raster: Path) -> None:
    packed = tmp_path / "packed.tif.gz"
    packed.write_bytes(gzip.compress(raster.read_bytes()))
    check(packed, wavelengths=True)


def test_a_header_without_its_image_is_named(tmp_path: Path) -> None:
    path = write_envi(tmp_path / "scene.bsq", cube())
    path.unlink()
    with pytest.raises(InputError, match=r"'scene\.hdr' is a header, and its image is not beside"):
        Scene.open(tmp_path / "scene.hdr")


@pytest.mark.parametrize(
    ("suffix", "driver", "options"),
    [
        (".tif", "GTiff", {"compress": "lzw", "predictor": 2, "interleave": "pixel"}),
        (".tif", "GTiff", {"compress": "zstd", "tiled": True, "blockxsize": 16, "blockysize": 16}),
        (".tif", "GTiff", {"bigtiff": "yes", "endianness": "big"}),
        (".img", "HFA", {"compressed": "yes"}),
        (".kea.tif", "GTiff", {"photometric": "minisblack"}),
    ],
)
def test_geotiff_and_erdas(
    tmp_path: Path, suffix: str, driver: str, options: dict[str, str]
) -> None:
    path = tmp_path / f"scene{suffix}"
    check(write_raster(path, cube(), driver=driver, wavelengths=NANOMETRES, **options),
          wavelengths=True)  # fmt: skip


def test_cloud_optimised_geotiff_and_vrt(tmp_path: Path, raster: Path) -> None:
    rasterio.shutil.copy(raster, tmp_path / "cog.tif", driver="COG", blocksize=16)
    check(tmp_path / "cog.tif", wavelengths=True)
    rasterio.shutil.copy(raster, tmp_path / "scene.vrt", driver="VRT")
    check(tmp_path / "scene.vrt", wavelengths=True)


def write_netcdf(
    path: Path, axes: tuple[str, ...] = ("wavelength", "y", "x"), **more: np.ndarray
) -> Path:
    """A CF file as climate tools write it: variable(wavelength, y, x), y downwards, metres."""
    with h5py.File(path, "w") as file:
        file["wavelength"] = np.array(NANOMETRES)
        file["wavelength"].attrs["units"] = np.bytes_("nm")
        file["y"] = GRID.f + GRID.e * (np.arange(12) + 0.5)
        file["x"] = GRID.c + GRID.a * (np.arange(15) + 0.5)
        for axis, name in (("y", "projection_y_coordinate"), ("x", "projection_x_coordinate")):
            file[axis].attrs["standard_name"] = np.bytes_(name)
            file[axis].attrs["units"] = np.bytes_("m")
        file["crs"] = np.int32(0)
        file["crs"].attrs["spatial_ref"] = np.bytes_(rasterio.CRS.from_string(UTM).to_wkt())
        file["crs"].attrs["grid_mapping_name"] = np.bytes_("transverse_mercator")
        for axis in ("wavelength", "y", "x"):
            file[axis].make_scale(axis)
        order = [("wavelength", "y", "x").index(axis) for axis in axes]
        for name, data in {"reflectance": cube().transpose(order), **more}.items():
            file[name] = data
            file[name].attrs["grid_mapping"] = np.bytes_("crs")
            for i, axis in enumerate(axes[-data.ndim :]):
                file[name].dims[i].attach_scale(file[axis])
        file.attrs["Conventions"] = np.bytes_("CF-1.7")
    return path


def test_netcdf_with_its_wavelength_axis(tmp_path: Path) -> None:
    path = write_netcdf(tmp_path / "scene.nc")
    check(path, wavelengths=True)
    check(f'NETCDF:"{path}":reflectance', wavelengths=True)


@pytest.mark.parametrize("axes", [("y", "x", "wavelength"), ("y", "wavelength", "x")])
def test_netcdf_with_its_bands_elsewhere_is_not_read_sideways(
    tmp_path: Path, axes: tuple[str, ...]
) -> None:
    path = write_netcdf(tmp_path / "last.nc", axes=axes)
    for name in (str(path), f'NETCDF:"{path}":reflectance'):
        check(name, wavelengths=True)
        with Scene.open(name) as scene:
            assert "read as 12 lines × 15 samples × 6 bands" in " ".join(scene.warnings)


def test_netcdf_with_its_bands_last_and_no_wavelengths_is_refused(tmp_path: Path) -> None:
    path = write_netcdf(tmp_path / "last.nc", axes=("y", "x", "wavelength"))
    with h5py.File(path, "r+") as file:
        file.move("wavelength", "number")
    with pytest.raises(InputError, match=r"'last\.nc' has its bands last, so that 'y'"):
        Scene.open(path)


def test_netcdf_with_a_mask_beside_the_cube(tmp_path: Path) -> None:
    path = write_netcdf(tmp_path / "scene.nc", cloud=np.ones((12, 15), "uint8"))
    check(path, wavelengths=True)


def test_two_cubes_in_one_file_have_to_be_named(tmp_path: Path) -> None:
    path = write_netcdf(tmp_path / "scene.nc", radiance=cube(seed=2))
    with pytest.raises(InputError, match=r"'scene\.nc' holds 2 rasters of 6 bands") as error:
        Scene.open(path)
    assert "radiance" in error.value.hint
    check(f'NETCDF:"{path}":radiance', wavelengths=True, data=cube(seed=2))


def test_hdf5_without_a_grid_is_read_by_its_sub_dataset(tmp_path: Path) -> None:
    path = tmp_path / "scene.h5"
    with h5py.File(path, "w") as file:
        file["group/cube"] = cube()
    for name in (str(path), f'HDF5:"{path}"://group/cube'):
        with Scene.open(name) as scene:
            assert np.array_equal(scene.read(0, 0, 12, 15)[0], cube())
            assert not scene.summary()["georeferenced"]


def test_a_container_without_a_cube_is_named(tmp_path: Path) -> None:
    path = tmp_path / "flat.h5"
    with h5py.File(path, "w") as file:
        file["a"] = np.ones((4, 4))
        file["b"] = np.ones((4, 4))
    with pytest.raises(InputError, match=r"'flat\.h5' holds 2 variables or pages of one band each"):
        Scene.open(path)


@pytest.mark.parametrize("name", ["product.7z", "product.tar.gz"])
def test_an_archive_is_to_be_unpacked(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"PK")
    with pytest.raises(InputError, match=r"is an archive\. Unpack it"):
        Scene.open(path)


@pytest.mark.parametrize(
    "name", ["with space", "quote'and\"double", "ümläut 漢字", "new\nline", "semi;colon", "x" * 200]
)
def test_strange_file_names(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    check(write_raster(folder / f"{name}.tif", cube(), wavelengths=NANOMETRES), wavelengths=True)
    check(write_envi(folder / f"{name}.bsq", cube()))
