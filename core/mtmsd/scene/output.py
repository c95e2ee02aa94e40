"""Maps back to files: GeoTIFFs on the scene's grid that are whole or not there."""

from __future__ import annotations

import json
import threading
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from mtmsd.classes import ClassInfo
from mtmsd.errors import InputError
from mtmsd.files.atomic import atomic_path, write_errors
from mtmsd.scene.formats.source import CACHE_BYTES, GDAL_ERRORS
from mtmsd.scene.mask import Grid
from mtmsd.scene.raster import Scene
from mtmsd.scene.transforms import chained

Extent = tuple[int, int, int, int]
"""Row, column, height and width of a part of a scene."""
BLOCK = 256
METADATA_TAG = "MTMSD"


class MapWriter:
    """An open map; blocks may come in any order and from any thread."""

    def __init__(self, dataset: DatasetWriter, target: Path) -> None:
        self._dataset = dataset
        self._target = target
        self._lock = threading.Lock()

    def write(self, array: np.ndarray, row: int, col: int) -> None:
        """Write a block.

        Parameters
        ----------
        array : array (h, w) or (bands, h, w)
        row, col : int
            Of its first pixel, counted from the map's own corner.

        Raises
        ------
        MachineError
            If the disk is full or fails.
        """
        block = array if array.ndim == 3 else array[None]
        window = Window(col, row, block.shape[2], block.shape[1])
        with self._lock, write_errors(self._target, GDAL_ERRORS):
            self._dataset.write(block.astype(self._dataset.dtypes[0], copy=False), window=window)


@contextmanager
def class_map(
    path: str | Path,
    scene: Scene | Grid,
    classes: Sequence[ClassInfo],
    metadata: Mapping[str, Any],
    window: Extent | None = None,
) -> Iterator[MapWriter]:
    """Write a class map: uint8, or uint16 with values above 255; 0 is nodata.

    Colour table and the ``MTMSD`` tag (metadata and classes as JSON) are in the file; category
    names, for which GeoTIFF has no place, lie in ``path + ".aux.xml"``, where GDAL and QGIS look.

    Parameters
    ----------
    window : (row, col, height, width), optional
        The part of the scene that the map covers; all of it if not given.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    MachineError
        If the disk is full or fails. Nothing is then left under the final name.
    """
    largest = max(info.value for info in classes)
    dtype = "uint8" if largest <= 255 else "uint16"
    content = {**metadata, "classes": [vars(info) for info in classes]}
    path = Path(path)
    profile = _profile(scene, window, dtype=dtype, nodata=0)
    with whole_file(path, profile, beside=_categories(classes)) as dataset:
        table = {info.value: (*bytes.fromhex(info.color[1:]), 255) for info in classes}
        dataset.write_colormap(1, {0: (0, 0, 0, 0), **table})
        dataset.update_tags(**{METADATA_TAG: json.dumps(content)})
        dataset.set_band_description(1, "class")
        yield MapWriter(dataset, path)


@contextmanager
def uncertainty(
    path: str | Path, scene: Scene | Grid, window: Extent | None = None, name: str = "confidence"
) -> Iterator[MapWriter]:
    """Write confidence, entropy or disagreement: float32 in 0…1, nodata NaN.

    Raises as :func:`class_map` does.
    """
    with layers(path, scene, (name,), window) as writer:
        yield writer


@contextmanager
def layers(
    path: str | Path,
    scene: Scene | Grid,
    names: Sequence[str],
    window: Extent | None = None,
    tags: Sequence[Mapping[str, Any]] = (),
) -> Iterator[MapWriter]:
    """Write a float32 band a name, nodata NaN, with tags if given. Raises as :func:`class_map`."""
    path = Path(path)
    options = {"dtype": "float32", "nodata": np.nan, "count": len(names), "interleave": "band"}
    with whole_file(path, _profile(scene, window, **options)) as dataset:
        for band, name in enumerate(names, 1):
            dataset.set_band_description(band, name)
        for band, own in enumerate(tags, 1):
            dataset.update_tags(band, **own)
        yield MapWriter(dataset, path)


@contextmanager
def probabilities(
    path: str | Path, scene: Scene, classes: Sequence[ClassInfo], window: Extent | None = None
) -> Iterator[MapWriter]:
    """Write one float32 band per class, nodata NaN. Raises as :func:`class_map` does."""
    tags = [{"class_value": info.value, "class_color": info.color} for info in classes]
    with layers(path, scene, [info.name for info in classes], window, tags) as writer:
        yield writer


@contextmanager
def whole_file(
    path: Path, profile: Mapping[str, Any], *, beside: bytes | None = None
) -> Iterator[DatasetWriter]:
    """Open a temporary GeoTIFF beside ``path``; give it that name when it is complete.

    ``profile`` goes to rasterio; ``beside`` is the content of ``path + ".aux.xml"``. Write
    through :class:`MapWriter`. Raises as :func:`class_map` does.
    """
    with (
        atomic_path(path) as partial,
        _quiet(),
        rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES),
    ):
        with write_errors(path, GDAL_ERRORS):
            file = rasterio.open(partial, "w", driver="GTiff", bigtiff="if_safer", **profile)
        try:
            yield file
        except BaseException:
            with suppress(*GDAL_ERRORS):
                file.close()
            raise
        with write_errors(path, GDAL_ERRORS):
            file.close()
            _check_whole(partial)
        sidecar = Path(f"{path}.aux.xml")
        if beside is None:
            sidecar.unlink(missing_ok=True)  # of an older file
        else:
            with atomic_path(sidecar) as part:
                part.write_bytes(beside)


def _profile(scene: Scene | Grid, window: Extent | None, **options: Any) -> dict[str, Any]:
    row, col, height, width = window or (0, 0, scene.height, scene.width)
    if row < 0 or col < 0 or height < 1 or width < 1:
        raise InputError(f"A map of {width}×{height} pixels cannot be written.")
    grid = scene.transform
    if (row, col) != (0, 0):
        grid = chained(grid, Affine.translation(col, row))
    profile = {
        "width": width, "height": height, "count": 1, "crs": scene.crs,
        "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "deflate",
        "predictor": 3 if options["dtype"] == "float32" else 1, **options,
    }  # fmt: skip
    if grid != Affine.identity():
        profile["transform"] = grid
    return profile


def _check_whole(path: Path) -> None:
    """Read a written file back: GDAL does not report every failed write."""
    with rasterio.open(path) as dataset:
        for _, window in dataset.block_windows(1):
            dataset.read(window=window)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def _categories(classes: Sequence[ClassInfo]) -> bytes:
    """Category names as GDAL keeps them (PAM)."""
    names = {info.value: info.name for info in classes}
    root = ElementTree.Element("PAMDataset")
    band = ElementTree.SubElement(root, "PAMRasterBand", band="1")
    listing = ElementTree.SubElement(band, "CategoryNames")
    for value in range(max(names) + 1):
        ElementTree.SubElement(listing, "Category").text = names.get(value, "")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8")
