"""The training polygons that the dock keeps: a GeoPackage, edited with QGIS's own editing.

Every step is in the layer's own undo stack. What is not saved yet is also in a small file
beside the GeoPackage, so that nothing is lost when QGIS is ended from outside.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from osgeo import gdal
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransformContext,
    QgsFeature,
    QgsFeatureRequest,
    QgsField,
    QgsFields,
    QgsFillSymbol,
    QgsGeometry,
    QgsProject,
    QgsRendererCategory,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QObject, QTimer, QVariant, pyqtSignal
from qgis.PyQt.QtGui import QColor

try:  # Qt 6 moved it
    from qgis.PyQt.QtGui import QUndoCommand
except ImportError:
    from qgis.PyQt.QtWidgets import QUndoCommand

from .classes import Label, LandClass, added, changed, from_json, to_json, without
from .roles import ROLE, TRAINING

TABLE = "training_polygons"
VALUE, NAME, COLOR = "class_id", "class_name", "color"


class TrainingLayer(QObject):
    """A layer of training polygons and its classes.

    Parameters
    ----------
    layer : QgsVectorLayer
        From :func:`create` or :func:`open_layer`.
    classes : sequence of LandClass
        The remembered classes; those of polygons are added.
    """

    classes_changed = pyqtSignal()
    changed = pyqtSignal()
    """Polygons were added, changed or removed."""

    def __init__(
        self, layer: QgsVectorLayer, classes: Sequence[LandClass], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.layer = layer
        self.classes = list(classes)
        self.recovered = 0
        self.path = Path(layer.source().split("|")[0])
        self._journal = self.path.with_suffix(".unsaved.json")
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(200)
        self._timer.timeout.connect(self._write_journal)
        self._recover()
        self._find_classes()
        layer.undoStack().indexChanged.connect(self._edited)
        layer.afterCommitChanges.connect(self._saved)
        layer.afterRollBack.connect(self._saved)
        self._style()

    # classes

    def add_class(self, name: str = "", color: str = "") -> LandClass:
        """Add a class and return it."""
        new = added(self.classes, name, color)
        value = next(c.value for c in new if c not in self.classes)
        self._begin(self.tr("Add class"))
        self._push(new)
        self._end()
        return next(c for c in self.classes if c.value == value)

    def rename(self, value: int, name: str) -> None:
        """Rename a class and its polygons."""
        self._change(self.tr("Rename class"), value, NAME, name, "name")

    def recolor(self, value: int, color: str) -> None:
        """Give a class and its polygons another colour."""
        self._change(self.tr("Recolour class"), value, COLOR, color, "color")

    def merge(self, values: Sequence[int]) -> None:
        """Make the first class out of all of them."""
        target = self.of(values[0])
        self._begin(self.tr("Merge classes"))
        for value in values[1:]:
            for fid in self._fids(value):
                self._set(fid, {VALUE: target.value, NAME: target.name, COLOR: target.color})
        self._push(without(self.classes, values[1:]))
        self._end()

    def delete_classes(self, values: Sequence[int]) -> None:
        """Delete classes with their polygons."""
        self._begin(self.tr("Delete classes"))
        for value in values:
            self.layer.deleteFeatures(self._fids(value))
        self._push(without(self.classes, values))
        self._end()

    def of(self, value: int) -> LandClass | None:
        """Return the class of that number."""
        return next((c for c in self.classes if c.value == value), None)

    def rows(self) -> list[tuple[int, bytes]]:
        """Return class number and WKB of every polygon that has both."""
        index = self.layer.fields().indexOf(VALUE)
        found = []
        for feature in self.layer.getFeatures(QgsFeatureRequest().setSubsetOfAttributes([index])):
            value, geometry = feature.attribute(index), feature.geometry()
            if isinstance(value, int) and not geometry.isNull():
                found.append((value, bytes(geometry.asWkb())))
        return found

    # polygons

    def add_polygons(self, geometries: Sequence[QgsGeometry], land_class: LandClass) -> int:
        """Add polygons (in the layer's CRS) to a class; return how many."""
        self._begin(self.tr("Add polygon"))
        self.layer.addFeatures([self._feature(geometry, land_class) for geometry in geometries])
        self._end()
        return len(geometries)

    def take_in(self, labels: Sequence[Label]) -> int:
        """Add polygons of another layer; classes that are new by name are made."""
        classes = list(self.classes)
        by_name = {c.name: c for c in classes}
        for label in labels:
            if label.name not in by_name:
                classes = added(classes, label.name, label.color, label.value)
                by_name = {c.name: c for c in classes}
        self._begin(self.tr("Import polygons"))
        self._push(classes)
        drawn = [label for label in labels if label.wkb]
        features = []
        for label in drawn:
            geometry = QgsGeometry()
            geometry.fromWkb(label.wkb)
            features.append(self._feature(geometry, by_name[label.name]))
        self.layer.addFeatures(features)
        self._end()
        return len(drawn)

    def _feature(self, geometry: QgsGeometry, land_class: LandClass) -> QgsFeature:
        feature = QgsFeature(self.layer.fields())
        feature.setGeometry(geometry)
        feature.setAttribute(VALUE, land_class.value)
        feature.setAttribute(NAME, land_class.name)
        feature.setAttribute(COLOR, land_class.color)
        return feature

    def save(self) -> bool:
        """Write all edits to the GeoPackage; editing goes on."""
        if not self.layer.isEditable():
            return True
        return bool(self.layer.commitChanges(False))

    # the undo stack

    def _begin(self, title: str) -> None:
        if not self.layer.isEditable():
            self.layer.startEditing()
        self.layer.beginEditCommand(title)

    def _end(self) -> None:
        self.layer.endEditCommand()
        self.layer.triggerRepaint()

    def _push(self, classes: list[LandClass]) -> None:
        self.layer.undoStack().push(_ClassesCommand(self, self.classes, classes))

    def _change(self, title: str, value: int, field: str, new: str, key: str) -> None:
        if getattr(self.of(value), key) == new:
            return
        self._begin(title)
        for fid in self._fids(value):
            self._set(fid, {field: new})
        self._push(changed(self.classes, value, **{key: new}))
        self._end()

    def _set(self, fid: int, values: dict[str, Any]) -> None:
        fields = self.layer.fields()
        for name, value in values.items():
            self.layer.changeAttributeValue(fid, fields.indexOf(name), value)

    def _fids(self, value: int) -> list[int]:
        return [f.id() for f in self.layer.getFeatures(f'"{VALUE}" = {value}')]

    def set_classes(self, classes: list[LandClass]) -> None:
        """Take another list of classes; called by the undo stack."""
        self.classes = classes
        self._style()
        self.classes_changed.emit()

    def _find_classes(self) -> None:
        known = {c.value for c in self.classes}
        for feature in self.layer.getFeatures():
            value = feature.attribute(VALUE)
            if not isinstance(value, int) or value < 1 or value in known:
                continue
            name, color = feature.attribute(NAME), feature.attribute(COLOR)
            name = name if isinstance(name, str) and name else f"class {value}"
            color = color if isinstance(color, str) else added(self.classes)[-1].color
            self.classes.append(LandClass(value, name, color))
            known.add(value)
        self.classes.sort(key=lambda c: c.value)

    def _style(self) -> None:
        categories = []
        for c in self.classes:
            fill = QColor(c.color)
            fill.setAlpha(90)
            symbol = QgsFillSymbol.createSimple(
                {
                    "color": f"{fill.red()},{fill.green()},{fill.blue()},{fill.alpha()}",
                    "outline_color": c.color,
                    "outline_width": "0.5",
                }
            )
            categories.append(QgsRendererCategory(c.value, symbol, c.name))
        self.layer.setRenderer(QgsCategorizedSymbolRenderer(VALUE, categories))
        self.layer.triggerRepaint()

    # nothing is lost

    def _edited(self, *_: Any) -> None:
        self._timer.start()
        self.changed.emit()

    def _saved(self) -> None:
        self._timer.stop()
        self._journal.unlink(missing_ok=True)
        self.changed.emit()

    def _write_journal(self) -> None:
        if not (self.layer.isEditable() and self.layer.isModified()):
            self._journal.unlink(missing_ok=True)
            return
        rows = [
            {
                "wkb": bytes(feature.geometry().asWkb()).hex(),
                **{name: _plain(feature.attribute(name)) for name in (VALUE, NAME, COLOR)},
            }
            for feature in self.layer.getFeatures()
        ]
        text = json.dumps({"classes": to_json(self.classes), "polygons": rows})
        part = self._journal.with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        part.replace(self._journal)

    def _recover(self) -> None:
        """Take up what an earlier QGIS was ended with."""
        try:
            kept = json.loads(self._journal.read_text(encoding="utf-8"))
            rows = kept["polygons"]
        except (OSError, ValueError, KeyError, TypeError):
            return
        self.classes = from_json(kept.get("classes")) or self.classes
        self.layer.startEditing()
        self.layer.deleteFeatures([f.id() for f in self.layer.getFeatures()])
        for entry in rows:
            geometry = QgsGeometry()
            geometry.fromWkb(bytes.fromhex(entry["wkb"]))
            feature = QgsFeature(self.layer.fields())
            feature.setGeometry(geometry)
            for name in (VALUE, NAME, COLOR):
                feature.setAttribute(name, entry.get(name))
            self.layer.addFeature(feature)
        if self.layer.commitChanges(True):
            self.recovered = len(rows)
            self._journal.unlink(missing_ok=True)


class _ClassesCommand(QUndoCommand):
    def __init__(
        self, owner: TrainingLayer, before: list[LandClass], after: list[LandClass]
    ) -> None:
        super().__init__()
        self._owner, self._before, self._after = owner, list(before), list(after)

    def redo(self) -> None:
        self._owner.set_classes(self._after)

    def undo(self) -> None:
        self._owner.set_classes(self._before)


def create(path: Path, crs: QgsCoordinateReferenceSystem, title: str) -> QgsVectorLayer:
    """Make an empty GeoPackage of training polygons and open it.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    fields = QgsFields()
    fields.append(QgsField(VALUE, QVariant.Int))
    fields.append(QgsField(NAME, QVariant.String))
    fields.append(QgsField(COLOR, QVariant.String))
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "GPKG"
    options.layerName = TABLE
    # an empty file may be lost when the machine fails; waiting for the disk is felt
    gdal.SetThreadLocalConfigOption("OGR_SQLITE_SYNCHRONOUS", "OFF")
    writer = QgsVectorFileWriter.create(
        str(path), fields, QgsWkbTypes.Type.Polygon, crs, QgsCoordinateTransformContext(), options
    )
    if writer.hasError() != QgsVectorFileWriter.WriterError.NoError:
        raise OSError(f"{path} cannot be written: {writer.errorMessage()}.")
    del writer
    gdal.SetThreadLocalConfigOption("OGR_SQLITE_SYNCHRONOUS", None)
    return open_layer(path, title)


def open_layer(path: Path, title: str) -> QgsVectorLayer:
    """Open a GeoPackage of training polygons.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    source = f"{path}|layername={TABLE}"
    for layer in QgsProject.instance().mapLayers().values():
        if layer.source() == source and isinstance(layer, QgsVectorLayer):
            layer.setCustomProperty(ROLE, TRAINING)
            return layer
    layer = QgsVectorLayer(source, title, "ogr")
    if not layer.isValid():
        raise OSError(f"{path} cannot be opened as training polygons.")
    layer.setCustomProperty(ROLE, TRAINING)
    return layer


def _plain(value: Any) -> Any:
    return value if isinstance(value, (int, str)) else None
