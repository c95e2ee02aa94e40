"""The training polygons that the dock keeps: a GeoPackage, edited with QGIS's own editing.

Every step is in the layer's own undo stack. What is not saved yet is also in a small file
beside the GeoPackage, so that nothing is lost when QGIS is ended from outside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsFeature,
    QgsGeometry,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

try:  # Qt 6 moved it
    from qgis.PyQt.QtGui import QUndoCommand
except ImportError:
    from qgis.PyQt.QtWidgets import QUndoCommand

from ..paths import file_of
from .classes import LandClass, added, changed, without
from .import_plan import name_key
from .journal import Journal, Polygon
from .owner_lock import OwnerLock
from .training_file import COLOR, NAME, VALUE
from .training_style import restyle


def _edits(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a method change polygons only where this QGIS is the one that edits their file."""

    @wraps(method)
    def guarded(training: TrainingLayer, *args: Any, **named: Any) -> Any:
        if training.held:
            training.refused.emit(training.held)
            return None
        return method(training, *args, **named)

    return guarded


class TrainingLayer(QObject):
    """A layer of training polygons and its classes.

    Parameters
    ----------
    layer : QgsVectorLayer
        From :func:`.training_file.open_layer`.
    classes : sequence of LandClass
        The remembered classes; those of polygons are added, and named as in the file.
    lock : OwnerLock
        Of the file; without it nothing can be changed here.
    """

    classes_changed = pyqtSignal()
    changed = pyqtSignal()
    """Polygons were added, changed or removed."""
    refused = pyqtSignal(str)
    """Why nothing was changed."""

    def __init__(
        self,
        layer: QgsVectorLayer,
        classes: Sequence[LandClass],
        lock: OwnerLock,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.layer = layer
        self.classes = list(classes)
        self.path = Path(file_of(layer.source()))
        self._journal = Journal(self.path, self)
        self._lock = lock
        self.held = lock.take()
        """Who else edits the file, as a sentence; nothing can then be changed here."""
        layer.setReadOnly(bool(self.held))
        self._polygons: list[Polygon] | None = None
        self._styled = list(classes)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(200)
        self._timer.timeout.connect(self._keep)
        self._find_classes()
        # held: with the last reference to it, Python's commands on it would lose their undo()
        self.undo_stack = layer.undoStack()
        self.undo_stack.indexChanged.connect(self._edited)
        layer.afterCommitChanges.connect(self._saved)
        layer.afterRollBack.connect(self._saved)
        self._style()

    # classes

    @_edits
    def add_class(self, name: str = "", color: str = "") -> LandClass:
        """Add a class and return it."""
        new = added(self.classes, name, color)
        value = next(c.value for c in new if c not in self.classes)
        self._begin(self.tr("Add class"))
        self._push(new)
        self._end()
        return next(c for c in self.classes if c.value == value)

    @_edits
    def rename(self, value: int, name: str) -> None:
        """Rename a class and its polygons."""
        self._change(self.tr("Rename class"), value, NAME, name, "name")

    @_edits
    def recolor(self, value: int, color: str) -> None:
        """Give a class and its polygons another colour."""
        self._change(self.tr("Recolour class"), value, COLOR, color, "color")

    @_edits
    def take_scheme(self, scheme: Sequence[LandClass]) -> list[LandClass]:
        """Take the classes of a scheme in one step; return those that got another number.

        A class that is there by its name takes the scheme's colour and keeps its number.
        """
        self._begin(self.tr("Load classes"))
        classes, moved = list(self.classes), []
        for new in scheme:
            known = next((c for c in classes if name_key(c.name) == name_key(new.name)), None)
            if known is None:
                before = {c.value for c in classes}
                classes = added(classes, new.name, new.color, new.value)
                known = next(c for c in classes if c.value not in before)
            else:
                classes = changed(classes, known.value, color=new.color)
                for fid in self._fids(known.value):
                    self._set(fid, {COLOR: new.color})
            moved += [known] if known.value != new.value else []
        self._push(classes)
        self._end()
        return moved

    @_edits
    def merge(self, values: Sequence[int]) -> None:
        """Make the first class out of all of them."""
        target = self.of(values[0])
        self._begin(self.tr("Merge classes"))
        for value in values[1:]:
            for fid in self._fids(value):
                self._set(fid, _attributes(target))
        self._push(without(self.classes, values[1:]))
        self._end()

    @_edits
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

    def polygons(self) -> list[Polygon]:
        """Return all polygons; they are read once after each change."""
        if self._polygons is None:
            fields = self.layer.fields()
            columns = [fields.indexOf(name) for name in (VALUE, NAME, COLOR)]
            self._polygons = []
            for feature in sorted(self.layer.getFeatures(), key=_place_in_file):
                attributes = feature.attributes()
                value, name, color = (_plain(attributes[index]) for index in columns)
                if feature.hasGeometry():
                    wkb = bytes(feature.geometry().asWkb())
                    self._polygons.append(Polygon(value, name, color, wkb))
        return self._polygons

    def rows(self) -> list[tuple[int, bytes]]:
        """Return class number and WKB of every polygon that has a class."""
        return [(p.value, p.wkb) for p in self.polygons() if _is_class(p.value)]

    @property
    def classless(self) -> int:
        """How many polygons have no class, or a number that can be none."""
        return sum(not _is_class(polygon.value) for polygon in self.polygons())

    # polygons

    @_edits
    def add_polygons(self, geometries: Sequence[QgsGeometry], land_class: LandClass) -> int:
        """Add polygons (in the layer's CRS) to a class; return how many."""
        self._begin(self.tr("Add polygon"))
        self.layer.addFeatures([self.feature(geometry, land_class) for geometry in geometries])
        self._end()
        return len(geometries)

    @_edits
    def assign(self, fids: Sequence[int], land_class: LandClass) -> None:
        """Give polygons another class."""
        self._begin(self.tr("Change class"))
        for fid in fids:
            self._set(fid, _attributes(land_class))
        self._end()

    def begin_import(self, classes: list[LandClass]) -> None:
        """Begin one step of the undo stack, to which :meth:`add_features` adds."""
        self._begin(self.tr("Import polygons"))
        self._push(classes)

    def add_features(self, features: Sequence[QgsFeature]) -> None:
        """Add a part of an import."""
        self.layer.addFeatures(features)

    def end_import(self) -> None:
        """End the step."""
        self._end()

    def feature(self, geometry: QgsGeometry, land_class: LandClass) -> QgsFeature:
        """Return a polygon of a class that is not in the layer yet."""
        feature = QgsFeature(self.layer.fields())
        feature.setGeometry(geometry)
        for name, value in _attributes(land_class).items():
            feature.setAttribute(name, value)
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

    def _push(self, classes: list[LandClass]) -> None:
        self.undo_stack.push(_ClassesCommand(self, self.classes, classes))

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
        """Take the classes of the polygons; their names and colours count, not remembered ones."""
        names: dict[int, Counter[str]] = {}
        colors: dict[int, Counter[str]] = {}
        for value, name, color, _ in self.polygons():
            if _is_class(value):
                names.setdefault(value, Counter()).update([name] if name else [])
                colors.setdefault(value, Counter()).update([color] if color else [])
        for value in sorted(names):
            if self.of(value) is None:
                self.classes = added(self.classes, value=value)
            for key, told in (("name", names[value]), ("color", colors[value])):
                if told:
                    self.classes = changed(self.classes, value, **{key: told.most_common(1)[0][0]})

    def _find_new_classes(self) -> None:
        """Take the classes of polygons that QGIS's own tools have drawn or changed."""
        if all(self.of(value) is not None for value, _ in self.rows()):
            if self.classless:
                self._style()
            return
        self._find_classes()
        self.set_classes(self.classes)

    def _style(self) -> None:
        restyle(self.layer, self.classes, self._styled, classless=bool(self.classless))
        self._styled = list(self.classes)
        self.layer.triggerRepaint()

    # nothing is lost

    def _edited(self, *_: Any) -> None:
        self._polygons = None
        self._find_new_classes()
        self.layer.triggerRepaint()  # an undone step does not repaint by itself
        self._timer.start()
        self.changed.emit()

    def _saved(self) -> None:
        self._polygons = None
        self._timer.stop()
        self._journal.drop()
        self.changed.emit()

    def is_free(self) -> bool:
        """Whether nobody else edits the file any more."""
        return not self._lock.take()

    def close(self) -> None:
        """Let go of the layer, which is about to be removed, with its edits kept in the file."""
        waiting = self._timer.isActive()
        self._timer.stop()
        if waiting:
            self._keep()
        self.undo_stack.indexChanged.disconnect(self._edited)
        self.layer.afterCommitChanges.disconnect(self._saved)
        self.layer.afterRollBack.disconnect(self._saved)
        self._lock.release()

    def _keep(self) -> None:
        if self.layer.isEditable() and self.layer.isModified():
            self._journal.keep(self.classes, self.polygons())
        else:
            self._journal.drop()


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


def _attributes(land_class: LandClass) -> dict[str, Any]:
    return {VALUE: land_class.value, NAME: land_class.name, COLOR: land_class.color}


def _is_class(value: Any) -> bool:
    return isinstance(value, int) and value > 0


def _place_in_file(feature: QgsFeature) -> tuple[bool, int]:
    """Order features as the file has, or will have them; new ones have numbers below 0."""
    return feature.id() < 0, abs(feature.id())


def _plain(value: Any) -> Any:
    return value if isinstance(value, (int, str)) else None
