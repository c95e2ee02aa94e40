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
    tables = (file["location/glt_x"], file["location/glt_y"])
    height, width = tables[0].shape
    geotransform = [float(v) for v in np.asarray(file.attrs["geotransform"]).ravel()]
    reference = file.attrs["spatial_ref"]
    text = reference.decode() if isinstance(reference, bytes) else str(reference)
    grid = (height, width, Affine.from_gdal(*geotransform), CRS.from_wkt(text))
    cubes = [Cube(file[cube], "rcb", np.arange(len(centres)))]
    return HdfSource(file, "EMIT", cubes, metadata, grid, nodata=EMIT_FILL, lookup=tables)
