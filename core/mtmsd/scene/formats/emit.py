"""EMIT L2A and L1B: a swath and the table that places it."""

from __future__ import annotations

import h5py
import numpy as np
from affine import Affine
from rasterio.crs import CRS

from mtmsd.errors import InputError
from mtmsd.scene.formats.hdf_source import Cube, HdfSource
from mtmsd.scene.wavelengths import BandMetadata

EMIT_CUBES = ("reflectance", "radiance")
EMIT_FILL = -9999.0
EMIT_MASK = "EMIT mask"


def is_emit(file: h5py.File) -> bool:
    """Whether there is EMIT's geometry lookup table."""
    return "location/glt_x" in file and "sensor_band_parameters" in file


def open_emit(file: h5py.File, name: str) -> HdfSource:
    """EMIT L2A or L1B (NASA LP DAAC): a swath, rows × columns × bands, and its lookup table."""
    cube = next((key for key in EMIT_CUBES if key in file), None)
    if cube is None:
        raise InputError(
            f"'{name}' is an EMIT product without spectra.",
            hint="Give the reflectance file (EMIT_L2A_RFL_….nc).",
        )
    bands = file["sensor_band_parameters"]
    centres = np.asarray(bands["wavelengths"], float)
    good = np.asarray(bands["good_wavelengths"]) if "good_wavelengths" in bands else None
    metadata = BandMetadata(
        tuple(centres.tolist()),
        tuple(np.asarray(bands["fwhm"], float).tolist()),
        tuple((good != 0).tolist()) if good is not None else (True,) * len(centres),
    )
    cubes = [Cube(file[cube], "rcb", np.arange(len(centres)))]
    tables = _tables(file)
    grid = _grid(file, tables[0])
    return HdfSource(file, "EMIT", cubes, metadata, grid, nodata=EMIT_FILL, lookup=tables)


def open_emit_mask(file: h5py.File) -> HdfSource:
    """EMIT L2A mask: flags of clouds, cirrus, water and more, in the swath of the reflectance."""
    names = [_text(name) for name in file["sensor_band_parameters/mask_bands"]]
    tables = _tables(file)
    source = HdfSource(
        file,
        EMIT_MASK,
        [Cube(file["mask"], "rcb", np.arange(len(names)))],
        BandMetadata.unknown(len(names)),
        _grid(file, tables[0]),
        nodata=EMIT_FILL,
        lookup=tables,
    )
    source.descriptions = tuple(names)
    return source


def _tables(file: h5py.File) -> tuple[h5py.Dataset, h5py.Dataset]:
    return file["location/glt_x"], file["location/glt_y"]


def _grid(file: h5py.File, table: h5py.Dataset) -> tuple[int, int, Affine, CRS]:
    height, width = table.shape
    geotransform = [float(v) for v in np.asarray(file.attrs["geotransform"]).ravel()]
    return (
        height,
        width,
        Affine.from_gdal(*geotransform),
        CRS.from_wkt(_text(file.attrs["spatial_ref"])),
    )


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
