"""Labelled pixels with their band values: points in a GeoPackage, rows in a CSV."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from mtmsd.files.atomic import atomic_path, remove_partials
from mtmsd.labels.labels import Labels
from mtmsd.postprocess.layers import LayerWriter, placement
from mtmsd.reporting import Reporter
from mtmsd.scene.pixels import by_block, read_spectra
from mtmsd.scene.raster import Scene

BLOCK = 128
"""Side of the blocks of the scene that are read and written at a time."""

Columns = Mapping[str, np.ndarray]
Write = Callable[[Columns], None]


def write_pixels(scene: Scene, labels: Labels, outputs: Sequence[Path], reporter: Reporter) -> None:
    """Write a row a labelled pixel, block by block of the scene.

    Columns: ``class_id``, ``class_name``, ``polygon`` (from 1; those of a class that touch are
    one, as where the classifier is assessed), ``column`` and ``row`` (from 0), ``x`` and ``y`` of
    the pixel's centre in the scene's coordinates, then the values of the used bands with scale
    and offset applied.

    Parameters
    ----------
    outputs : sequence of Path
        ``.gpkg`` or ``.csv``; each is written whole or not at all.

    Raises
    ------
    InputError
        If the scene cannot be read or an output not be written.
    MachineError
        If the disk is full or fails.

    Notes
    -----
    Holds the labels and one block.
    """
    names = {info.value: info.name for info in labels.classes}
    bands = band_columns(scene)
    grid = placement(scene.transform)
    with ExitStack() as stack:
        writers = [stack.enter_context(_open(path, scene)) for path in outputs]
        done = 0
        for members in by_block(labels.rows, labels.cols, BLOCK):
            rows, cols = labels.rows[members], labels.cols[members]
            values = labels.values[members]
            right, down = cols + 0.5, rows + 0.5
            columns = {
                "class_id": values.astype(np.int32),
                "class_name": np.array([names[int(value)] for value in values], object),
                "polygon": labels.groups[members].astype(np.int32) + 1,
                "column": cols,
                "row": rows,
                "x": grid.a * right + grid.b * down + grid.c,
                "y": grid.d * right + grid.e * down + grid.f,
                **dict(zip(bands, read_spectra(scene, rows, cols, reporter).T, strict=True)),
            }
            for write in writers:
                write(columns)
            done += len(members)
            reporter.progress(done, len(labels), "pixels")


def band_columns(scene: Scene) -> list[str]:
    """Return a column name for each used band: ``nm_651.3``; ``band_7`` without a wavelength."""
    names = [
        f"nm_{wave:.10g}" if np.isfinite(wave) else f"band_{band}"
        for band, wave in zip(scene.used, scene.wavelengths, strict=True)
    ]
    often = Counter(names)
    return [
        f"{name}_band_{band}" if often[name] > 1 else name
        for band, name in zip(scene.used, names, strict=True)
    ]


def _open(path: Path, scene: Scene) -> AbstractContextManager[Write]:
    return _points(path, scene) if path.suffix.lower() == ".gpkg" else _table(path)


@contextmanager
def _points(path: Path, scene: Scene) -> Iterator[Write]:
    with LayerWriter.open(path, scene.crs, "Point") as layer:
        yield lambda columns: layer.write(shapely.points(columns["x"], columns["y"]), **columns)


@contextmanager
def _table(path: Path) -> Iterator[Write]:
    remove_partials(path)
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")

        def write(columns: Columns) -> None:
            if not stream.tell():
                table.writerow(columns)
            table.writerows(zip(*(_plain(column) for column in columns.values()), strict=True))

        yield write


def _plain(column: np.ndarray) -> list[Any]:
    """Return numbers as they are written shortest, yet read back the same."""
    if column.dtype == np.float32:
        return [np.format_float_positional(value, unique=True, trim="0") for value in column]
    return column.tolist()
