"""Satellite products as their users get them, written here to their public descriptions."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
from affine import Affine
from mtmsd.classes import ClassInfo
from mtmsd.errors import InputError
from mtmsd.scene.output import class_map
from mtmsd.scene.raster import Scene
from small_files import cube, write_raster

ENMAP = "ENMAP01-____L2A-DT0000001280_20220724T102548Z_001_V010111_20230223T140304Z"
DESIS = "DESIS-HSI-L2A-DT0483531728_001-20200826T100437-V0210"
CENTRES = [418.4, 550.1, 650.2, 850.3, 1400.4, 2200.5]
WIDTHS = [6.9, 7.0, 7.1, 7.2, 10.1, 8.9]


def write_enmap(folder: Path, *, bands: int = 6) -> Path:
    folder.mkdir()
    data = cube()
    data[4] = -32768  # between the detectors
    write_raster(folder / f"{ENMAP}-SPECTRAL_IMAGE.TIF", data, nodata=-32768)
    write_raster(folder / f"{ENMAP}-QL_QUALITY_CLOUD.TIF", np.ones((12, 15), "uint8"))
    entries = "".join(
        f'<bandID number="{i + 1}"><wavelengthCenterOfBand>{CENTRES[i]}</wavelengthCenterOfBand>'
        f"<FWHMOfBand>{WIDTHS[i]}</FWHMOfBand><GainOfBand>0.0001</GainOfBand>"
        "<OffsetOfBand>0</OffsetOfBand></bandID>"
        for i in range(bands)
    )
    (folder / f"{ENMAP}-METADATA.XML").write_text(
        '<?xml version="1.0" encoding="UTF-8"?><level_X><specific>'
        '<deadPixels><bandID number="1">7</bandID></deadPixels>'
        f"<bandCharacterisation>{entries}</bandCharacterisation></specific></level_X>"
    )
    return folder


@pytest.mark.parametrize("given", ["", f"{ENMAP}-METADATA.XML", f"{ENMAP}-SPECTRAL_IMAGE.TIF"])
def test_enmap_by_folder_metadata_or_image(tmp_path: Path, given: str) -> None:
    folder = write_enmap(tmp_path / ENMAP)
    with Scene.open(folder / given) as scene:
        assert scene.used == (1, 2, 3, 4, 6)
        assert scene.wavelengths.tolist() == [418.4, 550.1, 650.2, 850.3, 2200.5]
        assert [band.fwhm for band in scene.bands] == WIDTHS
        values, valid = scene.read(0, 0, 12, 15)
    assert valid.all()
    assert np.allclose(values, cube()[[0, 1, 2, 3, 5]] * 1e-4, rtol=1e-6)


def test_metadata_of_other_bands_is_not_believed(tmp_path: Path) -> None:
    folder = write_enmap(tmp_path / ENMAP, bands=5)
    with Scene.open(folder) as scene:
        assert np.isnan(scene.wavelengths).all()
        assert scene.warnings[0] == (
            f"'{ENMAP}-METADATA.XML' describes 5 bands and the image has 6; "
            "its wavelengths were not used."
        )


def test_damaged_metadata_are_named(tmp_path: Path) -> None:
    folder = write_enmap(tmp_path / ENMAP)
    (folder / f"{ENMAP}-METADATA.XML").write_text("<level_X><specific>")
    with pytest.raises(InputError, match=r"metadata beside '.*IMAGE\.TIF' cannot be read"):
        Scene.open(folder)


def test_a_folder_without_a_product_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not hold exactly one product image"):
        Scene.open(tmp_path)


def test_a_zip_is_unpacked_beside_itself_once_and_opened(tmp_path: Path) -> None:
    folder = write_enmap(tmp_path / ENMAP)
    archive = Path(shutil.make_archive(str(tmp_path / "download"), "zip", tmp_path, ENMAP))
    shutil.rmtree(folder)
    for _ in range(2):
        with Scene.open(archive) as scene:
            assert scene.wavelengths.tolist() == [418.4, 550.1, 650.2, 850.3, 2200.5]
            assert scene.path == tmp_path / "download" / ENMAP / f"{ENMAP}-SPECTRAL_IMAGE.TIF"
            assert any("unpacked in the folder 'download'" in note for note in scene.warnings)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["download", "download.zip"]


def test_a_folder_of_the_user_that_has_the_zips_name_stays_as_it_is(tmp_path: Path) -> None:
    folder = write_enmap(tmp_path / ENMAP)
    archive = Path(shutil.make_archive(str(tmp_path / "download"), "zip", folder))
    (tmp_path / "download").mkdir()
    (tmp_path / "download/mine.txt").write_text("mine")
    with Scene.open(archive) as scene:
        assert scene.path.parent == tmp_path / "download_unpacked"
    assert [p.name for p in (tmp_path / "download").iterdir()] == ["mine.txt"]


def test_a_damaged_zip_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "product.zip"
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputError, match=r"'product\.zip' cannot be unpacked: .*\. Download it"):
        Scene.open(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no image")
    with pytest.raises(InputError, match="does not hold exactly one product image"):
        Scene.open(path)
    assert not list(tmp_path.glob(".unpacking*"))


@pytest.mark.parametrize("given", ["scene.met", "scene.xml", "scene.bsq.met", "scene.hdr", ""])
def test_what_describes_a_scene_opens_it(tmp_path: Path, given: str) -> None:
    folder = tmp_path / "product"
    folder.mkdir()
    write_raster(folder / "scene.bsq", cube(), driver="ENVI")
    write_raster(folder / "scene_QUALITY.tif", np.ones((12, 15), "uint8"))
    if given and not given.endswith(".hdr"):
        (folder / given).write_text("<granule/>")
    with Scene.open(folder / given) as scene:
        assert scene.path.name == "scene.bsq"
        assert len(scene.bands) == 6


def test_a_description_without_its_image_and_a_folder_of_two_are_named(tmp_path: Path) -> None:
    (tmp_path / "lost.met").write_text("GROUP = INVENTORYMETADATA")
    with pytest.raises(InputError, match=r"'lost\.met' describes a product, and its image is not"):
        Scene.open(tmp_path / "lost.met")
    for name in ("one.tif", "two.tif"):
        write_raster(tmp_path / name, cube())
    with pytest.raises(InputError, match=r"exactly one product image \(one\.tif, two\.tif\)"):
        Scene.open(tmp_path)


def write_desis(folder: Path) -> Path:
    """TIFF interleaved by pixel, xml and hdr in lower case, band entries of their own form."""
    folder.mkdir()
    image = folder / f"{DESIS}-SPECTRAL_IMAGE.tif"
    write_raster(image, cube(), nodata=-32768, interleave="pixel", compress="lzw")
    return image


def test_desis_by_its_xml(tmp_path: Path) -> None:
    image = write_desis(tmp_path / DESIS)
    entries = "".join(
        f"<band><bandNumber>{i}</bandNumber><wavelengthWidthOfBand>{width}</wavelengthWidthOfBand>"
        f"<wavelengthCenterOfBand>{centre}</wavelengthCenterOfBand><response>0.1,1.0</response>"
        "<gainOfBand>0.0001</gainOfBand><offsetOfBand>0.0</offsetOfBand></band>"
        for i, (centre, width) in enumerate(zip(CENTRES, WIDTHS, strict=True))
    )
    xml = image.with_name(f"{DESIS}-METADATA.xml")
    xml.write_text(
        '<hsi_doc xmlns="http://desis.example/doc"><specific><bandCharacterisation>'
        f"{entries}</bandCharacterisation></specific></hsi_doc>"
    )
    for given in (image, xml, image.parent):
        with Scene.open(given) as scene:
            assert scene.wavelengths.tolist() == CENTRES
            assert [band.fwhm for band in scene.bands] == WIDTHS
            assert np.allclose(scene.read(0, 0, 12, 15)[0], cube() * 1e-4, rtol=1e-6)


def test_desis_by_the_envi_header_beside_it(tmp_path: Path) -> None:
    image = write_desis(tmp_path / DESIS)
    image.with_suffix(".hdr").write_text(
        "ENVI\nsamples = 15\nbands = 6\nwavelength units = nanometers\n"
        f"wavelength  =  {{\n{',  '.join(map(str, CENTRES))}}}\nfwhm = {{{WIDTHS}}}\n"
    )
    with Scene.open(image) as scene:
        assert scene.wavelengths.tolist() == CENTRES


def write_prisma(path: Path, *, level: str = "L2D", extra_edge: float = 0.0) -> np.ndarray:
    """HDF-EOS5: rows × bands × columns, bands from long to short, dummies of wavelength 0."""
    rng = np.random.default_rng(3)
    cubes = {
        "VNIR": rng.integers(1000, 30000, (9, 5, 7)),
        "SWIR": rng.integers(900, 9000, (9, 4, 7)),
    }
    for data in cubes.values():
        data[:, :, 6] = 0  # beside the swath
    with h5py.File(path, "w") as file:
        for name, data in cubes.items():
            place = f"HDFEOS/SWATHS/PRS_{level}_HCO/Data Fields/{name}_Cube"
            file.create_dataset(place, data=data.astype("uint16"), chunks=(9, 1, 7))
        file[f"HDFEOS/SWATHS/PRS_{level}_PCO/Data Fields/Cube"] = np.ones((54, 42), "uint16")
        file.attrs["List_Cw_Vnir"] = np.float32([979.5, 800.25, 600.5, 0, 0])
        file.attrs["List_Fwhm_Vnir"] = np.float32([11, 12, 13, 0, 0])
        file.attrs["List_Cw_Swir"] = np.float32([2497.0, 1500.5, 943.0, 0])
        file.attrs["List_Fwhm_Swir"] = np.float32([9, 10, 10.5, 0])
        file.attrs["L2ScaleVnirMin"], file.attrs["L2ScaleVnirMax"] = 0.0, 1.31
        file.attrs["L2ScaleSwirMin"], file.attrs["L2ScaleSwirMax"] = 0.01, 0.9
        file.attrs["Epsg_Code"] = np.int64(32633)
        left, right, top = 600_015.0, 600_015.0 + 6 * 30 + extra_edge, 5_000_085.0
        for corner, x in (("UL", left), ("LL", left), ("UR", right), ("LR", right)):
            file.attrs[f"Product_{corner}corner_easting"] = x
            file.attrs[f"Product_{corner}corner_northing"] = top - 240 * (corner[0] == "L")
    vnir = cubes["VNIR"][:, [2, 1, 0]].transpose(1, 0, 2) * (1.31 / 65535)
    swir = cubes["SWIR"][:, [2, 1, 0]].transpose(1, 0, 2) * (0.89 / 65535) + 0.01
    return np.concatenate((vnir, swir))


def test_prisma_l2d_is_one_cube_on_its_grid(tmp_path: Path) -> None:
    path = tmp_path / "PRS_L2D_STD_20201107101404_20201107101408_0001.he5"
    expected = write_prisma(path)
    for given in (path, f'HDF5:"{path}"://HDFEOS/SWATHS/PRS_L2D_HCO/Data_Fields/VNIR_Cube'):
        with Scene.open(given) as scene:
            assert scene.wavelengths.tolist() == [600.5, 800.25, 979.5, 943.0, 1500.5, 2497.0]
            assert [band.fwhm for band in scene.bands] == [13, 12, 11, 10.5, 10, 9]
            assert scene.transform == Affine(30, 0, 600_000, 0, -30, 5_000_100)
            assert scene.crs.to_epsg() == 32633
            values, valid = scene.read(0, 0, 9, 7)
            part, _ = scene.read(4, 3, 2, 2)
    assert valid[:, :6].all()
    assert not valid[:, 6].any()
    assert np.allclose(values[:, valid], expected[:, valid], rtol=1e-5)
    assert np.array_equal(part, values[:, 4:6, 3:5])


def test_prisma_corners_that_are_outer_edges(tmp_path: Path) -> None:
    path = tmp_path / "PRS_L2D.he5"
    write_prisma(path, extra_edge=30.0)
    with Scene.open(path) as scene:
        assert scene.transform == Affine(30, 0, 600_015, 0, -30, 5_000_085)


def test_prisma_in_instrument_geometry_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "PRS_L2C.he5"
    write_prisma(path, level="L2C")
    with pytest.raises(InputError, match=r"PRISMA product without map grid.*level L2D"):
        Scene.open(path)


def write_emit(path: Path, *, leave_out: str = "") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """NASA LP DAAC: a swath rows × columns × bands, and a table of 1-based columns and rows."""
    rng = np.random.default_rng(4)
    swath = rng.uniform(0.1, 0.5, (20, 12, 5)).astype("float32")
    swath[2, 3] = -9999
    rows, cols = np.mgrid[0:16, 0:18]
    glt_x, glt_y = (cols * 0.6 + rows * 0.2).astype(int), (rows * 0.9 + cols * 0.3).astype(int)
    glt_x[(glt_x > 12) | (rows < 2)] = 0
    glt_y[glt_x == 0] = 0
    glt_x[glt_y == 0] = 0
    with h5py.File(path, "w") as file:
        file.create_dataset("reflectance", data=swath, chunks=(10, 6, 5), compression="gzip")
        file["location/glt_x"], file["location/glt_y"] = glt_x.astype("i4"), glt_y.astype("i4")
        bands = file.create_group("sensor_band_parameters")
        bands["wavelengths"] = np.float32([400, 700, 1380, 1700, 2300])
        bands["fwhm"] = np.float32([8.4, 8.4, 8.7, 8.7, 8.8])
        bands["good_wavelengths"] = np.float32([1, 1, 0, 1, 1])
        file.attrs["geotransform"] = np.array([13.0, 0.0005422, 0, 52.5, 0, -0.0005422])
        file.attrs["spatial_ref"] = rasterio.CRS.from_epsg(4326).to_wkt()
        if leave_out:
            del file[leave_out]
    return swath, glt_x, glt_y


def test_emit_is_laid_onto_its_map_grid(tmp_path: Path) -> None:
    path = tmp_path / "EMIT_L2A_RFL_001_20220815T042838_2222703_003.nc"
    swath, glt_x, glt_y = write_emit(path)
    used = [0, 1, 3, 4]
    expected = swath[glt_y - 1, glt_x - 1][..., used].transpose(2, 0, 1)
    there = (glt_x > 0) & (expected[0] != -9999)
    for given in (path, f'NETCDF:"{path}":reflectance'):
        with Scene.open(given) as scene:
            assert scene.used == (1, 2, 4, 5)
            assert scene.wavelengths.tolist() == [400, 700, 1700, 2300]
            assert scene.transform == Affine(0.0005422, 0, 13.0, 0, -0.0005422, 52.5)
            assert scene.crs.to_epsg() == 4326
            values, valid = scene.read(0, 0, 16, 18)
            part, inside = scene.read(5, 4, 7, 9)
    assert np.array_equal(valid, there)
    assert np.array_equal(values[:, there], expected[:, there])
    assert np.array_equal(part, values[:, 5:12, 4:13])
    assert np.array_equal(inside, valid[5:12, 4:13])


def test_a_map_of_an_emit_scene_lies_on_its_grid(tmp_path: Path) -> None:
    path = tmp_path / "EMIT_L2A_RFL.nc"
    write_emit(path)
    classes = (ClassInfo(1, "a", "#ff0000"), ClassInfo(2, "b", "#00ff00"))
    with Scene.open(path) as scene, class_map(tmp_path / "m.tif", scene, classes, {}) as out:
        out.write(np.ones((16, 18), "uint8"), 0, 0)
    with rasterio.open(tmp_path / "m.tif") as result:
        assert result.transform == Affine(0.0005422, 0, 13.0, 0, -0.0005422, 52.5)
        assert result.crs.to_epsg() == 4326


def test_a_product_that_lacks_a_part_is_named(tmp_path: Path) -> None:
    path = tmp_path / "EMIT_L2A_RFL.nc"
    write_emit(path, leave_out="sensor_band_parameters/fwhm")
    with pytest.raises(
        InputError, match=r"'EMIT_L2A_RFL\.nc' looks like data of EMIT, but lacks a part"
    ):
        Scene.open(path)


def test_a_truncated_product_is_named(tmp_path: Path) -> None:
    path = tmp_path / "EMIT_L2A_RFL.nc"
    write_emit(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"'EMIT_L2A_RFL\.nc' cannot be opened as HDF5"):
        Scene.open(path)
