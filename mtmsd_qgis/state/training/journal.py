"""What is not saved yet, in a small file beside the GeoPackage: QGIS may be ended from outside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from osgeo import gdal, ogr
from qgis.PyQt.QtCore import QObject

from ...common.background import Background
from ...common.translation import tr
from .classes import LandClass, from_json, to_json
from .training_file import COLOR, NAME, TABLE, VALUE


class Polygon(NamedTuple):
    """A training polygon: number, name and colour of its class (None if not given), WKB."""

    value: int | None
    name: str | None
    color: str | None
    wkb: bytes


class Journal(QObject):
    """Written in a thread, one writing after the other; the last one wins.

    Parameters
    ----------
    path : Path
        The GeoPackage whose edits are kept.
    """

    def __init__(self, path: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._path = journal_path(path)
        self._waiting: tuple[list[LandClass], list[Polygon]] | None = None
        self._writing = self._dropped = False

    def keep(self, classes: Sequence[LandClass], polygons: Sequence[Polygon]) -> None:
        """Write all classes and polygons, soon."""
        self._waiting, self._dropped = (list(classes), list(polygons)), False
        self._next()

    def drop(self) -> None:
        """All is saved: remove the file, after a writing that is under way."""
        self._waiting, self._dropped = None, True
        if not self._writing:
            self._path.unlink(missing_ok=True)

    def _next(self) -> None:
        if self._writing or self._waiting is None:
            return
        content, self._waiting = self._waiting, None
        self._writing = True
        Background(lambda: _write(self._path, *content), self._written).start()

    def _written(self, _answer: Any, _error: str | None) -> None:
        self._writing = False
        if self._dropped:
            self._path.unlink(missing_ok=True)
        self._next()


def journal_path(path: Path) -> Path:
    """Return where the unsaved polygons of a GeoPackage are kept."""
    return path.with_suffix(".unsaved.json")


def restore(path: Path) -> tuple[list[LandClass], int]:
    """Put what an earlier QGIS was ended with into its GeoPackage, whole or not at all.

    In any thread, while nobody edits the layer.

    Returns
    -------
    classes : list of LandClass
        Those of that time; none if what was kept cannot be read, which is then left as it is.
    count : int
        How many polygons there are.

    Raises
    ------
    OSError
        If they cannot be written; they stay where they were kept.
    """
    kept = _read(journal_path(path))
    if kept is None:
        return [], 0
    classes, polygons = kept
    dataset = ogr.Open(str(path), 1)
    if dataset is None or dataset.StartTransaction():
        text = tr("{} cannot be written, so unsaved polygons were not recovered.")
        raise OSError(text.format(path))
    layer = dataset.GetLayerByName(TABLE)
    for number in [feature.GetFID() for feature in layer]:
        layer.DeleteFeature(number)
    for polygon in polygons:
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetGeometryDirectly(ogr.CreateGeometryFromWkb(polygon.wkb))
        for name, value in zip((VALUE, NAME, COLOR), polygon):
            if value is not None:
                feature.SetField(name, value)
        if layer.CreateFeature(feature):
            dataset.RollbackTransaction()
            raise _not_written(path)
    if dataset.CommitTransaction():
        raise _not_written(path)
    journal_path(path).unlink(missing_ok=True)  # the layer that left may have removed it by now
    return classes, len(polygons)


def _not_written(path: Path) -> OSError:
    text = tr("{path} cannot be written: {reason}.")
    return OSError(text.format(path=path, reason=gdal.GetLastErrorMsg()))


def _read(path: Path) -> tuple[list[LandClass], list[Polygon]] | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        polygons = [
            Polygon(e.get("class_id"), e.get("class_name"), e.get("color"), bytes.fromhex(e["wkb"]))
            for e in kept["polygons"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return from_json(kept.get("classes")), polygons


def _write(path: Path, classes: list[LandClass], polygons: list[Polygon]) -> None:
    rows = [
        {"class_id": p.value, "class_name": p.name, "color": p.color, "wkb": p.wkb.hex()}
        for p in polygons
    ]
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"classes": to_json(classes), "polygons": rows}), encoding="utf-8")
    part.replace(path)
