"""Training and validation labels on a scene's grid: sparse, whatever file they come from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from mtmsd.errors import InputError
from mtmsd.scene.raster import Scene

Overlap = Literal["last", "refuse"]

TILE = 64
"""Side of the windows in which the scene is asked where it has data."""
LARGEST_VALUE = 65535
"""Class values are kept as uint16; 0 means no class."""
PALETTE = (
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#edc948", "#76b7b2", "#9c755f",
    "#ff9da7", "#bab0ac", "#1f5f8b", "#8cd17d", "#d37295", "#b6992d", "#499894", "#86bcb6",
    "#fabfd2", "#79706e", "#d4a6c8", "#f1ce63",
)  # fmt: skip


@dataclass(frozen=True, order=True)
class ClassInfo:
    """A class: its value in maps, its name, its colour as ``#rrggbb``."""

    value: int
    name: str
    color: str


@dataclass(frozen=True)
class Labels:
    """Labelled pixels of a scene.

    Attributes
    ----------
    rows, cols : int32 arrays (n,)
    values : uint16 array (n,)
        Class of each pixel, 1 to 65535.
    groups : int32 array (n,)
        Number of the polygon (each part of a multipolygon counts), or of the connected region
        of a label raster.
    classes : tuple of ClassInfo
        Sorted by value.
    warnings : tuple of str
        Sentences that the user should read.
    """

    rows: np.ndarray
    cols: np.ndarray
    values: np.ndarray
    groups: np.ndarray
    classes: tuple[ClassInfo, ...]
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def subset(self, index: np.ndarray) -> Labels:
        """Return the pixels that a mask or an index array chooses; all classes are kept."""
        return replace(
            self,
            rows=self.rows[index],
            cols=self.cols[index],
            values=self.values[index],
            groups=self.groups[index],
        )

    def counts(self) -> dict[int, int]:
        """Return the number of pixels of each class, 0 included."""
        values, counts = np.unique(self.values, return_counts=True)
        found = dict(zip(values.tolist(), counts.tolist(), strict=True))
        return {info.value: found.get(info.value, 0) for info in self.classes}


def read_labels(
    path: str | Path,
    scene: Scene,
    *,
    class_field: str | None = None,
    layer: str | None = None,
    minimum: int = 3,
    classes: Sequence[ClassInfo] | None = None,
    overlap: Overlap = "last",
) -> Labels:
    """Read polygons or a label raster onto a scene's grid.

    Parameters
    ----------
    path : str or Path
        Any vector that GDAL reads, also as ``file.gpkg|layername=x``; or a raster on the scene's
        grid with 0 where there is no label.
    class_field : str, optional
        The field with the class; guessed if not given.
    layer : str, optional
        Layer of a file that has several.
    minimum : int
        Pixels that each class must have, of two classes at least; 0 asks nothing of the classes,
        as is right for validation labels.
    classes : sequence of ClassInfo, optional
        Classes that are known already: text fields take their values from them.
    overlap : "last" or "refuse"
        What becomes of a pixel in polygons of two classes.

    Raises
    ------
    InputError
        If the labels do not fit the scene, or there are too few.

    Notes
    -----
    Memory grows with the number of labelled pixels, not with the scene. Pixels without data in
    the scene are dropped.
    """
    from mtmsd.labels.label_raster import is_raster, read_label_raster
    from mtmsd.labels.polygons import read_polygons

    name = os.fspath(path)
    file = name.split("|")[0]
    if not Path(file).exists() and ":" not in file:
        raise InputError(f"There are no labels '{file}'.", hint="Check the path.")
    if layer is None and "|" not in name and is_raster(file):
        labels = read_label_raster(file, scene, classes or ())
    else:
        labels = read_polygons(name, scene, class_field, layer, classes or (), overlap)
    labels = _where_scene_has_data(labels, scene, Path(file).name)
    if minimum > 0:
        _check_classes(labels, minimum, Path(file).name)
    return labels


def with_colors(
    found: dict[int, tuple[str, str | None]], known: Sequence[ClassInfo]
) -> tuple[ClassInfo, ...]:
    """Join found classes (value: name, colour) to known ones; fill in missing colours."""
    merged = {info.value: info for info in known}
    taken = {info.color.lower() for info in known} | {c.lower() for _, c in found.values() if c}
    free = [color for color in PALETTE if color not in taken] or list(PALETTE)
    for i, value in enumerate(sorted(set(found) - set(merged))):
        name, color = found[value]
        merged[value] = ClassInfo(value, name, color or free[i % len(free)])
    return tuple(merged[value] for value in sorted(merged))


def _where_scene_has_data(labels: Labels, scene: Scene, name: str) -> Labels:
    """Drop the labelled pixels at which the scene has no data."""
    keep = np.zeros(len(labels), bool)
    for window, members in _tiles(labels):
        row, col, height, width = window
        _, valid = scene.read(row, col, height, width)
        keep[members] = valid[labels.rows[members] - row, labels.cols[members] - col]
    if not keep.any():
        raise InputError(
            f"All {len(labels)} labelled pixels of '{name}' lie where '{scene.name}' has no data.",
            hint="Draw them where the scene shows something.",
        )
    lost = int((~keep).sum())
    if not lost:
        return labels
    warning = (
        f"{lost} of {len(labels)} labelled pixels of '{name}' lie where '{scene.name}' has no "
        "data; they were left out."
    )
    return replace(labels.subset(keep), warnings=(*labels.warnings, warning))


def _tiles(labels: Labels) -> Iterator[tuple[tuple[int, int, int, int], np.ndarray]]:
    """Yield the windows that hold labels, each with the indices of its labels."""
    across = int(labels.cols.max()) // TILE + 1
    tile = labels.rows.astype(np.int64) // TILE * across + labels.cols // TILE
    order = np.argsort(tile, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(tile[order])) + 1):
        rows, cols = labels.rows[members], labels.cols[members]
        row, col = int(rows.min()), int(cols.min())
        yield (row, col, int(rows.max()) - row + 1, int(cols.max()) - col + 1), members


def _check_classes(labels: Labels, minimum: int, name: str) -> None:
    counts = labels.counts()
    if len(counts) < 2:
        raise InputError(
            f"'{name}' has one class only ('{labels.classes[0].name}'); a map needs two or more.",
            hint="Draw polygons of another class.",
        )
    names = {info.value: info.name for info in labels.classes}
    few = [f"'{names[v]}' has {n}" for v, n in counts.items() if n < minimum]
    if few:
        raise InputError(
            f"Too few labelled pixels in '{name}': class {', '.join(few)}, and {minimum} "
            "are needed.",
            hint="Draw more or larger polygons of it, or leave the class out.",
        )
