"""Cubes of HDF5 files as one raster, whatever the order of their axes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import h5py
import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from mtmsd.scene.wavelengths import BandMetadata

SLAB_BYTES = 64 * 2**20
"""Largest piece of a swath that is read at once."""


@dataclass(frozen=True)
class Cube:
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

    def __init__(
        self,
        file: h5py.File,
        driver: str,
        cubes: Sequence[Cube],
        metadata: BandMetadata,
        grid: tuple[int, int, Affine, CRS | None],
        *,
        nodata: float | None = None,
        scales: Sequence[float] = (),
        offsets: Sequence[float] = (),
        lookup: tuple[h5py.Dataset, h5py.Dataset] | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        self._file, self._cubes, self._lookup = file, tuple(cubes), lookup
        self._lock = threading.Lock()
        self.driver, self.notes = driver, notes
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
        out = np.full((len(chosen), *there.shape), self.nodata[0] or 0, self.dtype)
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
