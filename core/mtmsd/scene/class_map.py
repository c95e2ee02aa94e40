"""A class map on disk, read in windows: what the assessment and the steps after it look at."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from mtmsd.classes import ClassInfo, distinct_names, with_colors
from mtmsd.errors import InputError
from mtmsd.scene.categories import read_categories
from mtmsd.scene.formats.remote import as_gdal, file_name, is_remote, unreachable
from mtmsd.scene.formats.source import one_line
from mtmsd.scene.pixels import by_block

UNKNOWN = "unknown"
"""Usual name of the class of pixels whose confidence was too low."""


class ClassMap:
    """A single-band raster of class values, 0 = nodata, open for reading.

    Use :meth:`open`. It has the grid of a scene (``width``, ``height``, ``transform``, ``crs``,
    ``read``), so labels can be read onto it.

    Attributes
    ----------
    classes : tuple of ClassInfo
        As the map's own metadata names them, or its category names; else empty.
    metadata : dict
        What the engine wrote into the map; else empty.
    unknown : int or None
        Value of the pixels whose confidence was too low, where the map has such a class. It is
        told by the metadata: a class that a user calls "unknown" is one like any other.
    """

    def __init__(self, dataset: rasterio.DatasetReader, path: Path) -> None:
        self.dataset = dataset
        self.path = path
        self.name = path.name
        self.width, self.height = dataset.width, dataset.height
        self.transform: Affine = dataset.transform
        self.crs: CRS | None = dataset.crs
        self.nodata = {0} if dataset.nodata is None else {0, dataset.nodata}
        self.metadata: dict[str, Any] = _metadata(dataset)
        self.classes = _classes(dataset, self.metadata)
        self.unknown = _unknown(self.metadata)

    @classmethod
    def open(cls, path: str | Path) -> ClassMap:
        """Open a class map.

        Raises
        ------
        InputError
            If it is not a raster, or not a single band of whole numbers.
        """
        address = as_gdal(os.fspath(path))
        path = Path(file_name(address) if is_remote(address) else address)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                dataset = rasterio.open(address)
        except RasterioError as error:
            if is_remote(address):
                raise unreachable(address, one_line(error)) from error
            raise InputError(
                f"The class map {path} cannot be read as a raster.",
                hint="Choose a GeoTIFF that mtmsd classify has written.",
            ) from error
        kind = np.dtype(dataset.dtypes[0]) if dataset.count == 1 else None
        if kind is None or kind.kind not in "ui":
            bands = f"{dataset.count} bands" if kind is None else f"values of type {kind}"
            dataset.close()
            raise InputError(
                f"{path} is not a class map: it has {bands}, not one band of whole numbers.",
                hint="Choose the map, not the scene or the confidence.",
            )
        return cls(dataset, path)

    def __enter__(self) -> ClassMap:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.dataset.close()

    def values(self, row: int, col: int, height: int, width: int) -> NDArray[np.int32]:
        """Read a window, which may reach outside the map; 0 there and where nodata."""
        values = np.zeros((height, width), np.int32)
        top, left = max(row, 0), max(col, 0)
        bottom, right = min(row + height, self.height), min(col + width, self.width)
        if top < bottom and left < right:
            window = Window(left, top, right - left, bottom - top)
            part = self._classes_only(self.dataset.read(1, window=window))
            values[top - row : bottom - row, left - col : right - col] = part
        return values

    def _classes_only(self, raw: NDArray) -> NDArray[np.int32]:
        values = raw.astype(np.int32)
        values[np.isin(values, list(self.nodata)) | (values < 0)] = 0
        return values

    def read(
        self, row: int, col: int, height: int, width: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read a window as a scene does: values of shape (1, h, w), and where they are valid."""
        values = self.values(row, col, height, width)
        return values[None].astype(np.float32), values > 0

    def blocks(self, size: int = 1024) -> Iterator[tuple[int, int, int, int]]:
        """Yield (row, col, height, width) of blocks that cover the map, row by row."""
        for row in range(0, self.height, size):
            for col in range(0, self.width, size):
                yield row, col, min(size, self.height - row), min(size, self.width - col)

    @cached_property
    def present(self) -> set[int]:
        """Class values that occur."""
        found: set[int] = set()
        for block in self.blocks():
            found.update(np.unique(self.values(*block)).tolist())
        return found - {0}

    def at(self, rows: NDArray[np.int32], cols: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the values of single pixels, shape (n,)."""
        return self._classes_only(sample(self.dataset, rows, cols))

    def thinned(self, longest: int) -> tuple[NDArray[np.int32], float]:
        """Return the whole map with at most ``longest`` pixels a side, and the step taken."""
        step = max(1.0, max(self.width, self.height) / longest)
        shape = (max(1, round(self.height / step)), max(1, round(self.width / step)))
        values = self.dataset.read(1, out_shape=shape, resampling=Resampling.nearest)
        return self._classes_only(values), step


def open_confidence(path: str | Path, class_map: ClassMap) -> rasterio.DatasetReader:
    """Open the confidence raster of a map; a context manager.

    Raises
    ------
    InputError
        If it cannot be read or has another size than the map.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(path)
    except RasterioError as error:
        raise InputError(
            f"The confidence {path} cannot be read as a raster.",
            hint="Choose the GeoTIFF that was written with the map.",
        ) from error
    if (dataset.width, dataset.height) == (class_map.width, class_map.height):
        return dataset
    size = f"{dataset.width}×{dataset.height}"
    dataset.close()
    raise InputError(
        f"The confidence {path} has {size} pixels, the map '{class_map.name}' "
        f"{class_map.width}×{class_map.height}.",
        hint="Choose the confidence that was written with this map.",
    )


def read_window(
    dataset: rasterio.DatasetReader, row: int, col: int, height: int, width: int
) -> NDArray[Any]:
    """Read a window of a raster's first band, shape (height, width)."""
    return dataset.read(1, window=Window(col, row, width, height))


def sample(dataset: rasterio.DatasetReader, rows: NDArray, cols: NDArray) -> NDArray[Any]:
    """Read single pixels of a raster's first band, block by block, shape (n,)."""
    result = np.zeros(len(rows), dataset.dtypes[0])
    for members in by_block(rows, cols, 512):
        r, c = rows[members], cols[members]
        top, left = int(r.min()), int(c.min())
        height, width = int(r.max()) - top + 1, int(c.max()) - left + 1
        block = read_window(dataset, top, left, height, width)
        result[members] = block[r - top, c - left]
    return result


def _metadata(dataset: rasterio.DatasetReader) -> dict[str, Any]:
    try:
        found = json.loads(dataset.tags().get("MTMSD", "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _classes(dataset: rasterio.DatasetReader, metadata: dict[str, Any]) -> tuple[ClassInfo, ...]:
    """Return the classes that the engine wrote into a map, or those that another program did."""
    if "classes" in metadata:
        return distinct_names(
            ClassInfo(int(c["value"]), str(c["name"]), str(c["color"])) for c in metadata["classes"]
        )
    named = {v: entry for v, entry in read_categories(dataset).items() if v > 0 and entry[0]}
    return with_colors(named, ())


def _unknown(metadata: dict[str, Any]) -> int | None:
    """Return the value of the unknown class; older maps tell only that there is one, the last."""
    if "unknown" in metadata:
        return int(metadata["unknown"])
    if any("unknown_below" in change for change in metadata.get("after", ())):
        return max(int(c["value"]) for c in metadata["classes"])
    return None
