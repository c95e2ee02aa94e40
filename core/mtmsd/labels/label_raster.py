"""Labels from a raster on the scene's grid."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, Union

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import array_bounds
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from mtmsd.classes import (
    LARGEST_VALUE,
    ClassInfo,
    check_names,
    name_key,
    values_of_names,
    with_colors,
)
from mtmsd.errors import InputError
from mtmsd.labels.groups import TOUCHING, connected
from mtmsd.labels.labels import Labels
from mtmsd.labels.unlabelled import Meaning, meaning_of
from mtmsd.scene.categories import read_categories
from mtmsd.scene.formats.source import GDAL_ERRORS, Source, one_line
from mtmsd.scene.mask import Grid
from mtmsd.scene.raster import Scene
from mtmsd.scene.transforms import at, chained

GRID_TOLERANCE = 0.01
"""How far, in pixels, the corners of two grids may lie apart and still be one grid."""
GRID_HINT = "Warp it to the scene's grid with nearest neighbour, or give polygons."
STRIP = 1024
"""Rows read at a time."""
Raster = Union[rasterio.DatasetReader, Source]


class OnGrid(Protocol):
    """Any raster, open or planned."""

    @property
    def width(self) -> int:
        """Columns."""

    @property
    def height(self) -> int:
        """Rows."""

    @property
    def transform(self) -> Affine:
        """From pixels to coordinates."""

    @property
    def crs(self) -> CRS | None:
        """Of the coordinates."""


def is_raster(path: str) -> bool:
    """Whether GDAL opens the file as a raster with bands."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as dataset:
                return dataset.count > 0
    except GDAL_ERRORS:
        return False


def read_label_raster(path: str, scene: Scene, known: Sequence[ClassInfo]) -> Labels:
    """Read a raster of class values; see :func:`mtmsd.labels.read.read_labels`.

    Raises
    ------
    InputError
        If it lies on another grid, has several bands, or its values are no classes.
    """
    name = Path(path).name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as dataset:
                if dataset.count > 1:
                    raise InputError(
                        f"The label raster '{name}' has {dataset.count} bands; it must have one.",
                        hint="Give a raster of class values.",
                    )
                check_grid(dataset, scene, f"The label raster '{name}'", GRID_HINT)
                found = read_categories(dataset)
                name_of_zero = found.get(0, ("", None))[0]
                meaning = meaning_of(dataset, name, _strips(dataset), name_of_zero)
                meaning = _as_known(meaning, found, known, name)
                rows, cols, values = _labelled(dataset, name, meaning)
    except GDAL_ERRORS as error:
        raise InputError(f"'{name}' cannot be read to its end: {one_line(error)}") from error
    if meaning.zero:
        found[meaning.zero] = _zero_class(found)
    present = np.unique(values)
    entries = {int(v): found.get(int(v), (str(v), None)) for v in present}
    entries = {v: (text or str(v), color) for v, (text, color) in entries.items()}
    check_names({v: text for v, (text, _) in entries.items() if v in found}, known, name)
    return Labels(
        rows.astype(np.int32),
        cols.astype(np.int32),
        values.astype(np.uint16),
        connected(rows, cols, values, np.arange(len(rows)), TOUCHING),
        with_colors(entries, known),
        meaning.warnings,
    )


def _zero_class(found: Mapping[int, tuple[str, str | None]]) -> tuple[str, str | None]:
    """Return the name, "0" if there is none, and the colour of the class 0."""
    name, color = found.get(0, ("", None))
    return name or "0", color


def _as_known(
    meaning: Meaning,
    found: Mapping[int, tuple[str, str | None]],
    known: Sequence[ClassInfo],
    name: str,
) -> Meaning:
    """Give the class 0 the value that it has among the known classes."""
    if not (meaning.zero and known):
        return meaning
    label = _zero_class(found)[0]
    values = values_of_names(known).get(name_key(label), set())
    if not values or values & meaning.present:
        raise InputError(
            f"It is not clear which class of the map the class 0 of the label raster '{name}' is.",
            hint="Give its pixels the number that the class has in the map.",
        )
    value = min(values)
    told = meaning.warnings[-1].replace(f"the value {meaning.zero} ", f"the value {value} ")
    return replace(meaning, zero=value, warnings=(*meaning.warnings[:-1], told))


def check_grid(raster: Raster, scene: Scene | Grid, what: str, hint: str) -> None:
    """Refuse a raster that does not lie on a scene's grid; ``what`` begins the sentence.

    Raises
    ------
    InputError
        With both grids.
    """
    same = (raster.width, raster.height) == (scene.width, scene.height)
    if same and raster.transform != scene.transform:
        corners = [(0, 0), (scene.width, 0), (0, scene.height), (scene.width, scene.height)]
        there = chained(~scene.transform, raster.transform)
        same = all(
            max(abs(np.subtract(at(there, *corner), corner))) <= GRID_TOLERANCE
            for corner in corners
        )
    if not (same and _same_crs(raster, scene)):
        raise InputError(
            f"{what} ({grid_text(raster)}) is not on the grid of '{scene.name}' "
            f"({grid_text(scene)}).",
            hint=hint,
        )


def grid_text(raster: OnGrid) -> str:
    """Write size, pixel, corner and coordinate system of a raster for a sentence."""
    crs = raster.crs.to_string() if raster.crs else "no coordinate system"
    size = f"{raster.width}×{raster.height} px"
    if raster.transform == Affine.identity():
        return f"{size}, not georeferenced"
    a, b, c, d, e, f = list(raster.transform)[:6]
    rotated = f", rotated ({b:g}, {d:g})" if b or d else ""
    return f"{size} of {a:g}×{e:g} from ({c:.10g}, {f:.10g}){rotated}, {crs}"


def _strips(dataset: rasterio.DatasetReader) -> list[Window]:
    return [
        Window(0, top, dataset.width, min(STRIP, dataset.height - top))
        for top in range(0, dataset.height, STRIP)
    ]


def _labelled(
    dataset: rasterio.DatasetReader, name: str, meaning: Meaning
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, columns and values of the pixels with a class."""
    rows, cols, values = [], [], []
    for window in _strips(dataset):
        strip = dataset.read(1, window=window)
        classes = meaning.classes(strip, dataset.read_masks(1, window=window))
        r, c = np.nonzero(classes)
        found = classes[r, c]
        wrong = found[(found < 1) | (found > LARGEST_VALUE) | (found % 1 != 0)]
        if len(wrong):
            raise InputError(
                f"The label raster '{name}' holds the value {wrong[0]:g}; classes are whole "
                f"numbers from 1 to {LARGEST_VALUE}, and 0 is unlabelled."
            )
        rows.append(r + window.row_off)
        cols.append(c)
        values.append(found.astype(np.int64))
    result = np.concatenate(rows), np.concatenate(cols), np.concatenate(values)
    if not len(result[0]):
        raise InputError(f"The label raster '{name}' has no labelled pixel.")
    return result


def _same_crs(raster: Raster, scene: Scene | Grid) -> bool:
    """Whether the corners lie at one place in both systems, however these are written."""
    if not raster.crs or not scene.crs or raster.crs == scene.crs:
        return True
    bounds = array_bounds(raster.height, raster.width, raster.transform)
    try:
        there = transform_bounds(raster.crs, scene.crs, *bounds, densify_pts=2)
    except GDAL_ERRORS:
        return False
    pixel = np.hypot(raster.transform.a, raster.transform.d)
    return np.allclose(there, bounds, rtol=0, atol=1e-3 * pixel)
