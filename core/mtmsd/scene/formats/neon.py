"""NEON AOP reflectance: a cube of lines × samples × bands, and its Map_Info.

Source: NEON.DP3.30006 (spectrometer orthorectified surface directional reflectance).
"""

from __future__ import annotations

import h5py
import numpy as np
from affine import Affine
from rasterio.crs import CRS

from mtmsd.errors import InputError
from mtmsd.scene.formats.hdf_source import Cube, HdfSource
from mtmsd.scene.wavelengths import BandMetadata, metadata_of

CUBE = "Reflectance/Reflectance_Data"


def is_neon(file: h5py.File) -> bool:
    """Whether the file has a site with NEON's reflectance."""
    return any(isinstance(file[site], h5py.Group) and CUBE in file[site] for site in file)


def open_neon(file: h5py.File, name: str) -> HdfSource:
    """Open the one site of a file."""
    site = next(s for s in file if isinstance(file[s], h5py.Group) and CUBE in file[s])
    cube, about = file[site][CUBE], file[site]["Reflectance/Metadata"]
    rows, cols, bands = cube.shape
    metadata = _bands(file[site]["Reflectance"], about["Spectral_Data"])
    if len(metadata.wavelengths) != bands:
        raise InputError(
            f"'{name}' lists {len(metadata.wavelengths)} wavelengths for the {bands} bands of "
            f"{rows} × {cols} pixels.",
            hint="The file is damaged; download it again.",
        )
    place = about["Coordinate_System"]
    code = text_of(place["EPSG Code"][()]) if "EPSG Code" in place else ""
    crs = CRS.from_epsg(int(code)) if code.strip().isdigit() else None
    ignore = cube.attrs.get("Data_Ignore_Value")
    factor = float(np.ravel(cube.attrs.get("Scale_Factor", 1.0))[0]) or 1.0
    return HdfSource(
        file,
        "NEON AOP",
        [Cube(cube, "rcb", np.arange(bands))],
        metadata,
        (rows, cols, _grid(text_of(place["Map_Info"][()])), crs),
        nodata=None if ignore is None else float(np.ravel(ignore)[0]),
        scales=(1 / factor,) * bands,
    )


def text_of(value: object) -> str:
    """Return HDF5's text, whether it came as bytes, as an array or as str."""
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _bands(reflectance: h5py.Group, spectral: h5py.Group) -> BandMetadata:
    """Read wavelengths and widths; the windows of water vapour that NEON names are bad bands."""
    centres = spectral["Wavelength"]
    widths = np.asarray(spectral["FWHM"], float).tolist() if "FWHM" in spectral else None
    units = centres.attrs.get("Units", centres.attrs.get("units", "nanometers"))
    metadata = metadata_of(np.asarray(centres, float).tolist(), widths, text_of(units))
    windows = [
        np.ravel(reflectance.attrs[key]).astype(float)
        for key in reflectance.attrs
        if key.startswith("Band_Window_") and key.endswith("Nanometers")
    ]
    good = tuple(
        not any(low <= (w or 0) <= high for low, high in windows) for w in metadata.wavelengths
    )
    return BandMetadata(metadata.wavelengths, metadata.fwhm, good, metadata.notes)


def _grid(map_info: str) -> Affine:
    """Read ENVI's map info: the reference pixel counts from 1, at its upper left corner."""
    parts = [part.strip() for part in map_info.strip("{} ").split(",")]
    col, row, x, y, width, height = (float(part) for part in parts[1:7])
    return Affine(width, 0, x - (col - 1) * width, 0, -height, y + (row - 1) * height)
