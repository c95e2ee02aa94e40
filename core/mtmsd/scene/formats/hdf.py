"""PRISMA and EMIT products: HDF5 cubes that GDAL would turn on their side."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.windows import Window

from mtmsd.errors import InputError
from mtmsd.scene.wavelengths import BandMetadata

PRISMA_SWATHS = "HDFEOS/SWATHS"
PRISMA_FIELDS = f"{PRISMA_SWATHS}/PRS_L2D_HCO/Data Fields"
PRISMA_PIXEL = 30.0
"""Metres."""
EMIT_CUBES = ("reflectance", "radiance")
EMIT_FILL = -9999.0
SLAB_BYTES = 64 * 2**20
"""Largest piece of an EMIT swath that is read at once."""


@dataclass(frozen=True)
class _Cube:
    """A dataset with its axes in the order of ``axes`` (r, c, b), and the bands taken from it."""

    data: h5py.Dataset
    axes: str
    bands: np.ndarray

    def read(self, rows: slice, cols: slice) -> np.ndarray:
        """Return all its bands in a window, shape (bands, rows, cols)."""
        place = {"r": rows, "c": cols, "b": slice(None)}
        block = self.data[tuple(place[axis] for axis in self.axes)]
        return block.transpose([self.axes.index(axis) for axis in "brc"])[self.bands]


class HdfSource:
    """Cubes of an HDF5 product side by side, as one raster; see :class:`.source.Source`.

    With a geometry lookup table the cubes are in the instrument's own order, and the raster is
    the table's grid: each of its pixels names a row and a column of the cube, or none.

    Notes
    -----
    h5py's global lock makes reading thread-safe; ours keeps a file from closing under a reader.
    """

    alpha: int | None = None
    notes: tuple[str, ...] = ()

    def __init__(
        self,
        file: h5py.File,
        driver: str,
        cubes: Sequence[_Cube],
        metadata: BandMetadata,
        grid: tuple[int, int, Affine, CRS | None],
        *,
        nodata: float | None = None,
        scales: Sequence[float] = (),
        offsets: Sequence[float] = (),
        lookup: tuple[h5py.Dataset, h5py.Dataset] | None = None,
    ) -> None:
        self._file, self._cubes, self._lookup = file, tuple(cubes), lookup
        self._lock = threading.Lock()
        self.driver = driver
        self.height, self.width, self.transform, self.crs = grid
        self.count = sum(len(cube.bands) for cube in cubes)
        self.dtype = np.result_type(*(cube.data.dtype for cube in cubes))
        self.nodata = (nodata,) * self.count
        self.scales = tuple(scales) or (1.0,) * self.count
        self.offsets = tuple(offsets) or (0.0,) * self.count
        self.descriptions = ("",) * self.count
        self.metadata = metadata
        self.block_shape = (min(64, self.height), min(64, self.width))
        self.block_bytes = self.block_shape[0] * self.block_shape[1] * self.dtype.itemsize

    def read(self, indexes: Sequence[int], window: Window) -> np.ndarray:
        """Return raw values, shape (len(indexes), h, w), of a window inside the grid."""
        rows = slice(window.row_off, window.row_off + window.height)
        cols = slice(window.col_off, window.col_off + window.width)
        chosen = np.asarray(indexes) - 1
        with self._lock:
            if self._lookup is not None:
                glt_x, glt_y = (table[rows, cols].astype(np.int64) for table in self._lookup)
                return self._looked_up(chosen, np.abs(glt_x), np.abs(glt_y))
            bands = np.concatenate([cube.read(rows, cols) for cube in self._cubes])
        return np.ascontiguousarray(bands[chosen])

    def _looked_up(self, chosen: np.ndarray, glt_x: np.ndarray, glt_y: np.ndarray) -> np.ndarray:
        """Take pixels from where the lookup table says: column and row from 1, 0 for none."""
        there = (glt_x > 0) & (glt_y > 0)
        out = np.full((len(chosen), *there.shape), EMIT_FILL, self.dtype)
        if not there.any():
            return out
        across, along = glt_x[there] - 1, glt_y[there] - 1
        values = np.empty((len(chosen), len(along)), self.dtype)
        first, last = int(across.min()), int(across.max()) + 1
        step = max(1, SLAB_BYTES // ((last - first) * self.count * self.dtype.itemsize))
        for top in range(int(along.min()), int(along.max()) + 1, step):
            here = np.flatnonzero((along >= top) & (along < top + step))
            if len(here):
                slab = self._cubes[0].read(slice(top, top + step), slice(first, last))
                values[:, here] = slab[chosen][:, along[here] - top, across[here] - first]
        out[:, there] = values
        return out

    def outside(self, indexes: Sequence[int], window: Window) -> np.ndarray | None:
        """Return None: these products have no mask bands."""
        return None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()


def open_hdf(path: Path) -> HdfSource | None:
    """Open a PRISMA or EMIT product; return None if the HDF5 file is something else.

    Raises
    ------
    InputError
        If it is such a product, but of a level that has no map grid, or is damaged.
    """
    try:
        # 32 MB of decoded chunks: windows of neighbours share them
        file = h5py.File(path, "r", rdcc_nbytes=2**25)
    except OSError as error:
        raise InputError(
            f"'{path.name}' cannot be opened as HDF5: {error}.",
            hint="The file is damaged or not complete; download it again.",
        ) from error
    try:
        source = None
        if PRISMA_SWATHS in file:
            source = _open_prisma(file, path.name)
        elif "location/glt_x" in file and "sensor_band_parameters" in file:
            source = _open_emit(file, path.name)
    except (KeyError, ValueError, TypeError, CRSError) as error:
        file.close()
        raise InputError(
            f"'{path.name}' looks like a PRISMA or EMIT product, but lacks a part: {error}.",
            hint="The file is damaged or not complete; download it again.",
        ) from error
    except BaseException:
        file.close()
        raise
    if source is None:
        file.close()
    return source


def _open_prisma(file: h5py.File, name: str) -> HdfSource:
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
        cubes.append(_Cube(file[f"{PRISMA_FIELDS}/{region.upper()}_Cube"], "rbc", bands))
        low, high = (float(attributes[f"L2Scale{region}{end}"]) for end in ("Min", "Max"))
        centres += centre[bands].tolist()
        widths += width[bands].tolist()
        scales += [(high - low) / 65535] * len(bands)
        offsets += [low] * len(bands)
    rows, _, cols = cubes[0].data.shape
    metadata = BandMetadata(tuple(centres), tuple(widths), (True,) * len(centres))
    grid = (rows, cols, _prisma_grid(file, rows, cols), _prisma_crs(file))
    return HdfSource(file, "PRISMA L2D", cubes, metadata, grid, scales=scales, offsets=offsets)


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


def _open_emit(file: h5py.File, name: str) -> HdfSource:
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
    cubes = [_Cube(file[cube], "rcb", np.arange(len(centres)))]
    return HdfSource(file, "EMIT", cubes, metadata, grid, nodata=EMIT_FILL, lookup=tables)
