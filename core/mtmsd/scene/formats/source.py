"""Where pixels come from: one small interface over GDAL, and over what GDAL cannot read."""

from __future__ import annotations

import tempfile
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np
import rasterio
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from mtmsd.errors import InputError
from mtmsd.scene.formats.remote import options_for, patiently, unreachable
from mtmsd.scene.wavelengths import BandMetadata, read_band_metadata

T = TypeVar("T")
CACHE_BYTES = 64 * 2**20
"""Decoded blocks that GDAL may keep, in bytes (rasterio passes the number on as it is)."""
GDAL_ERRORS = (RasterioError, CPLE_BaseError)
"""rasterio lets some of GDAL's own errors through, outside its family, and names them nowhere
else: without this private name a broken file would end a job with a traceback."""
GROUND_NAMES = (
    "projection_x_coordinate", "projection_y_coordinate", "longitude", "latitude",
)  # fmt: skip
GROUND_AXES = (
    "x", "y", "lon", "lat", "longitude", "latitude", "row", "rows", "line", "lines", "col", "cols",
    "column", "columns", "sample", "samples", "northing", "easting", "number_of_lines",
    "pixels_per_line", "scan", "scans", "ny", "nx", "height", "width", "downtrack", "crosstrack",
    "along_track", "across_track",
)  # fmt: skip
"""What NetCDF files call the axes on the ground."""
WARP_HINT = "Warp it first, in QGIS by Raster > Projections > Warp (Reproject), or with gdalwarp."


class Source(Protocol):
    """Raw pixels on a grid."""

    driver: str
    width: int
    height: int
    count: int
    dtype: np.dtype
    transform: Affine
    crs: CRS | None
    nodata: tuple[float | None, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    descriptions: tuple[str, ...]
    alpha: int | None
    block_shape: tuple[int, int]
    block_bytes: int
    metadata: BandMetadata
    notes: tuple[str, ...]
    """Sentences that the user should read."""

    def read(self, indexes: Sequence[int], window: Window) -> np.ndarray:
        """Return raw values, shape (len(indexes), h, w), of a window inside the grid."""

    def outside(self, indexes: Sequence[int], window: Window) -> np.ndarray | None:
        """Return where mask bands say that there is no data, shape (h, w), or None."""

    def close(self) -> None:
        """Close the file."""


class GdalSource:
    """A raster that GDAL opens.

    Notes
    -----
    GDAL datasets are not thread-safe; a lock lets one thread in at a time.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, uri: str, name: str) -> None:
        self._lock = threading.Lock()
        self._uri, self._options = uri, options_for(uri)
        self._kept: tempfile.TemporaryDirectory[str] | None = None
        try:
            with self._environment(), warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                self._dataset = rasterio.open(uri)
                try:
                    self._inspect(name)
                except BaseException:
                    self._dataset.close()
                    raise
        except GDAL_ERRORS as error:
            if self._options:
                raise unreachable(uri, one_line(error)) from error
            raise InputError(
                f"'{name}' is not a raster that can be read: {one_line(error)}",
                hint="Give a raster file, such as a GeoTIFF or an ENVI image.",
            ) from error

    def _environment(self) -> rasterio.Env:
        return rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES, **self._options)

    def _inspect(self, name: str) -> None:
        dataset = self._dataset
        self.driver = dataset.driver
        self.width, self.height, self.count = dataset.width, dataset.height, dataset.count
        self.transform, self.crs = dataset.transform, dataset.crs
        placed_by = _placed_by(dataset) if self.transform == Affine.identity() else ""
        if placed_by:
            raise InputError(
                f"'{name}' is placed by {placed_by} only, so it has no grid.", hint=WARP_HINT
            )
        sideways = _sideways(dataset)
        if sideways:
            raise InputError(
                f"'{name}' has its bands last, so that '{sideways}' would be taken for them.",
                hint=f"Put the bands first: ncpdq -a BANDS,{sideways} in.nc out.nc, or "
                "xarray's transpose.",
            )
        self.dtype = np.result_type(*(np.dtype(d) for d in dataset.dtypes or ("uint8",)))
        if self.dtype.kind == "c" or "complex" in "".join(dataset.dtypes):
            raise InputError(
                f"'{name}' holds complex numbers ({dataset.dtypes[0]}), which have no spectrum.",
                hint="Give reflectance or radiance as real numbers.",
            )
        self.nodata, self.scales, self.offsets = dataset.nodatavals, dataset.scales, dataset.offsets
        self.descriptions = _texts(dataset)
        interpretations = list(dataset.colorinterp) if self.count else []
        has_alpha = self.count > 1 and ColorInterp.alpha in interpretations
        self.alpha = interpretations.index(ColorInterp.alpha) + 1 if has_alpha else None
        self._masks = _mask_kind(dataset)
        rows, columns = dataset.block_shapes[0] if self.count else (1, 1)
        self.block_shape = (min(rows, self.height), min(columns, self.width))
        self.block_bytes = self.block_shape[0] * self.block_shape[1] * self.dtype.itemsize
        self.metadata = read_band_metadata(dataset) if self.count else BandMetadata.unknown(0)

    @property
    def subdatasets(self) -> list[str]:
        """Names of the rasters inside this container."""
        return list(self._dataset.subdatasets)

    def read(self, indexes: Sequence[int], window: Window) -> np.ndarray:
        """Return raw values, shape (len(indexes), h, w), of a window inside the grid."""
        with self._lock, self._environment():
            return self._asked(
                lambda: self._dataset.read(list(indexes), window=window, out_dtype=self.dtype)
            )

    def outside(self, indexes: Sequence[int], window: Window) -> np.ndarray | None:
        """Return where mask bands say that there is no data, shape (h, w), or None."""
        with self._lock, self._environment():
            return self._asked(lambda: self._outside(indexes, window))

    def _outside(self, indexes: Sequence[int], window: Window) -> np.ndarray | None:
        if self.alpha is not None:
            return self._dataset.read(self.alpha, window=window) == 0
        if self._masks == "dataset":
            return self._dataset.read_masks(1, window=window) == 0
        if self._masks == "bands":
            return (self._dataset.read_masks(list(indexes), window=window) == 0).any(axis=0)
        return None

    def _asked(self, read: Callable[[], T]) -> T:
        """Read; from a server, again where the connection broke."""
        if not self._options:
            return read()
        try:
            return patiently(read, GDAL_ERRORS)
        except GDAL_ERRORS as error:
            raise unreachable(self._uri, one_line(error.__cause__ or error)) from error

    def keep(self, folder: tempfile.TemporaryDirectory[str]) -> None:
        """Keep a folder for as long as the file is open."""
        self._kept = folder

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._dataset.close()
            if self._kept is not None:
                self._kept.cleanup()


def _texts(dataset: rasterio.DatasetReader) -> tuple[str, ...]:
    """Return the band names; empty if they are in an encoding that is not known."""
    try:
        return tuple(d or "" for d in dataset.descriptions)
    except UnicodeDecodeError:
        return ("",) * dataset.count


def one_line(error: BaseException) -> str:
    """GDAL's words as one line."""
    return " ".join(str(error).split()).rstrip(".") + "."


def _placed_by(dataset: rasterio.DatasetReader) -> str:
    """Name what places a raster on the earth if it is no grid."""
    points, crs = dataset.gcps
    if points:
        return f"{len(points)} ground control points{f' in {crs.to_string()}' if crs else ''}"
    if dataset.tags(ns="GEOLOCATION"):
        return "arrays of longitude and latitude"
    return "rational polynomial coefficients" if dataset.rpcs else ""


def _sideways(dataset: rasterio.DatasetReader) -> str:
    """Name the axis of the ground that GDAL takes for bands, if a NetCDF cube has them last."""
    if dataset.driver != "netCDF":
        return ""
    tags = dataset.tags()
    extra = tags.get("NETCDF_DIM_EXTRA", "").strip("{}")
    ground = tags.get(f"{extra}#standard_name", "").lower() in GROUND_NAMES
    return extra if extra and (ground or extra.lower() in GROUND_AXES) else ""


def _mask_kind(dataset: rasterio.DatasetReader) -> str:
    """Which mask bands have to be read beside the nodata values."""
    flags = dataset.mask_flag_enums
    if any(MaskFlags.per_dataset in f for f in flags):
        return "dataset"
    return "bands" if any(not f for f in flags) else "none"
