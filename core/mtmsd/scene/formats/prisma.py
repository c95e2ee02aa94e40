"""PRISMA L2D: two cubes that GDAL would turn on their side."""

from __future__ import annotations

import h5py
import numpy as np
from affine import Affine
from rasterio.crs import CRS

from mtmsd.errors import InputError
from mtmsd.scene.formats.hdf_source import Cube, HdfSource
from mtmsd.scene.wavelengths import BandMetadata

PRISMA_SWATHS = "HDFEOS/SWATHS"
PRISMA_FIELDS = f"{PRISMA_SWATHS}/PRS_L2D_HCO/Data Fields"
PRISMA_MASK = "PRISMA L2D mask"
PRISMA_PIXEL = 30.0
"""Metres."""


def is_prisma(file: h5py.File) -> bool:
    """Whether the swaths are PRISMA's; other satellites use HDF-EOS5 too."""
    return PRISMA_SWATHS in file and any(key.startswith("PRS") for key in file[PRISMA_SWATHS])


def open_prisma(file: h5py.File, name: str) -> HdfSource:
    """PRISMA L2D (ASI product specification): VNIR and SWIR cubes, rows × bands × columns.

    Bands run from long to short wavelengths, with dummy bands of wavelength 0 at the end;
    reflectance = min + DN·(max − min)/65535.
    """
    if PRISMA_FIELDS not in file:
        levels = ", ".join(sorted(file[PRISMA_SWATHS]))
        raise InputError(
            f"'{name}' is a PRISMA product without map grid ({levels}).",
            hint="Order or download the level L2D of the scene.",
        )
    attributes = file.attrs
    cubes, centres, widths, scales, offsets = [], [], [], [], []
    for region in ("Vnir", "Swir"):
        centre = np.asarray(attributes[f"List_Cw_{region}"], float)
        width = np.asarray(attributes[f"List_Fwhm_{region}"], float)
        bands = np.argsort(centre, kind="stable")
        bands = bands[centre[bands] > 0]
        cubes.append(Cube(file[f"{PRISMA_FIELDS}/{region.upper()}_Cube"], "rbc", bands))
        low, high = (float(attributes[f"L2Scale{region}{end}"]) for end in ("Min", "Max"))
        centres += centre[bands].tolist()
        widths += width[bands].tolist()
        scales += [(high - low) / 65535] * len(bands)
        offsets += [low] * len(bands)
    rows, _, cols = cubes[0].data.shape
    metadata = BandMetadata(tuple(centres), tuple(widths), (True,) * len(centres))
    grid = (rows, cols, _prisma_grid(file, rows, cols), _prisma_crs(file))
    return HdfSource(file, "PRISMA L2D", cubes, metadata, grid, scales=scales, offsets=offsets)


def open_prisma_mask(file: h5py.File) -> HdfSource:
    """PRISMA L2D error matrices: for each pixel and band 0, or the number of an error."""
    names = [f"{PRISMA_FIELDS}/{region}_PIXEL_L2_ERR_MATRIX" for region in ("VNIR", "SWIR")]
    cubes = [Cube(file[name], "rbc", np.arange(file[name].shape[1])) for name in names]
    rows, _, cols = cubes[0].data.shape
    grid = (rows, cols, _prisma_grid(file, rows, cols), _prisma_crs(file))
    metadata = BandMetadata.unknown(sum(len(cube.bands) for cube in cubes))
    return HdfSource(file, PRISMA_MASK, cubes, metadata, grid)


def _prisma_grid(file: h5py.File, rows: int, cols: int) -> Affine:
    """Return the grid; the corners that the product names are centres of its corner pixels."""
    edges = {
        side: [float(file.attrs[f"Product_{corner}corner_{way}"]) for corner in corners]
        for side, way, corners in (
            ("left", "easting", ("UL", "LL")),
            ("right", "easting", ("UR", "LR")),
            ("top", "northing", ("UL", "UR")),
        )
    }
    left, right, top = min(edges["left"]), max(edges["right"]), max(edges["top"])
    half = 0.0 if round((right - left) / PRISMA_PIXEL) == cols else PRISMA_PIXEL / 2
    return Affine(PRISMA_PIXEL, 0, left - half, 0, -PRISMA_PIXEL, top + half)


def _prisma_crs(file: h5py.File) -> CRS:
    return CRS.from_epsg(int(file.attrs["Epsg_Code"]))
