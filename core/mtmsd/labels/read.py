"""Reading labels: polygons or a label raster onto a scene's grid."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mtmsd.classes import ClassInfo
from mtmsd.errors import InputError
from mtmsd.labels.groups import BLOB, with_groups_joined
from mtmsd.labels.label_raster import is_raster, read_label_raster
from mtmsd.labels.labels import Labels, Overlap
from mtmsd.labels.layer import has_shapes
from mtmsd.labels.polygons import read_polygons
from mtmsd.scene.raster import Scene

TILE = 64
"""Side of the windows in which the scene is asked where it has data."""


def read_labels(
    path: str | Path,
    scene: Scene,
    *,
    class_field: str | None = None,
    layer: str | None = None,
    minimum: int = 3,
    fewest_classes: int = 2,
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
        Pixels that each class must have; 0 asks nothing of the classes, as is right for
        validation labels.
    fewest_classes : int
        Classes that there must be; one is enough where a spectral library has another.
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
    name = os.fspath(path)
    file = name.split("|")[0]
    if not Path(file).exists() and ":" not in file:
        raise InputError(f"There are no labels '{file}'.", hint="Check the path.")
    if layer is None and "|" not in name and is_raster(file) and not has_shapes(file):
        labels, fewest = read_label_raster(file, scene, classes or ()), BLOB
    else:
        labels = read_polygons(name, scene, class_field, layer, classes or (), overlap)
        fewest = 2
    labels = with_groups_joined(labels, Path(file).name, fewest)
    labels = _where_scene_has_data(labels, scene, Path(file).name)
    if minimum > 0:
        check_classes(labels, minimum, fewest_classes, Path(file).name)
    return labels


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


def check_classes(labels: Labels, minimum: int, fewest: int, name: str) -> None:
    """Refuse labels of too few classes, or of a class of too few pixels.

    Raises
    ------
    InputError
    """
    counts = labels.counts()
    if len(counts) < fewest:
        place = f" in the field '{labels.field}'" if labels.field else ""
        raise InputError(
            f"'{name}' has one class only ('{labels.classes[0].name}'){place}; a map needs two "
            "or more.",
            hint="Draw polygons of another class"
            + (", or choose another field (--class-field)." if labels.field else "."),
        )
    names = {info.value: info.name for info in labels.classes}
    few = [f"'{names[v]}' has {n}" for v, n in counts.items() if n < minimum]
    if few:
        raise InputError(
            f"Too few labelled pixels in '{name}': class {', '.join(few)}, and {minimum} "
            "are needed.",
            hint="Draw more or larger polygons of it, or leave the class out.",
        )
