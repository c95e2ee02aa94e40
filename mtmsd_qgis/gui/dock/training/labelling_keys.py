"""Keys for labelling at speed; QGIS's Settings ▸ Keyboard Shortcuts changes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qgis.gui import QgisInterface, QgsGui
from qgis.PyQt.QtCore import QObject
from qgis.PyQt.QtGui import QKeySequence
from qgis.PyQt.QtWidgets import QAbstractButton, QAction, QWidget

from ....state.workspace import Workspace
from ...map_tools.label_points import LabelPoints
from .classes_section import ClassesSection
from .polygons_section import PolygonsSection

CLASS_KEYS = 9


class LabellingKeys(QObject):
    """Actions of the main window that work while the dock is seen and has a scene.

    Parameters
    ----------
    dock : QWidget
        Holds the buttons that the keys press.
    """

    def __init__(
        self,
        workspace: Workspace,
        classes: ClassesSection,
        polygons: PolygonsSection,
        points: LabelPoints,
        iface: QgisInterface,
        dock: QWidget,
    ) -> None:
        super().__init__(dock)
        self._workspace, self._dock = workspace, dock
        self._classes, self._window = classes, iface.mainWindow()
        self._is_seen = False
        self._shown: list[str] = []
        self._classes_keys = [
            self._add(
                self.tr("MTMSD: take class {} of the table").format(place + 1),
                str(place + 1),
                partial(classes.select_row, place),
            )
            for place in range(CLASS_KEYS)
        ]
        self._pressing = {
            name: self._add(self.tr("MTMSD: {}").format(words), key, partial(self._press, name))
            for name, key, words in (
                ("mtmsdDraw_polygon", "D", self.tr("draw a polygon")),
                ("mtmsdDraw_rectangle", "R", self.tr("draw a rectangle")),
                ("mtmsdDraw_freehand", "F", self.tr("draw freehand")),
                ("mtmsdDraw_grow", "G", self.tr("grow a region")),
                ("mtmsdUndo", "U", self.tr("undo a step of the training polygons")),
                ("mtmsdClassAssign", "C", self.tr("give the selected polygons the class")),
                ("mtmsdPointNext", "N", self.tr("next point to label")),
            )
        }
        end = self.tr("MTMSD: end the polygon or take the region")
        self._end = self._add(end, "E", polygons.finish)
        label = self.tr("MTMSD: give the point to label the class")
        self._label = self._add(label, "L", lambda: points.label_as(classes.current))
        for action in self._actions:
            action.changed.connect(self._show_keys)
        workspace.scene_changed.connect(self._enable)
        self._show_keys()
        self._enable()

    @property
    def _actions(self) -> list[QAction]:
        return [*self._classes_keys, *self._pressing.values(), self._end, self._label]

    def _add(self, text: str, key: str, pressed: Callable[[], object]) -> QAction:
        action = QAction(text, self._window)
        action.setObjectName(f"mtmsdKey{key}")
        action.triggered.connect(lambda _on=False: pressed())
        manager = QgsGui.shortcutsManager()
        is_taken = manager.actionForSequence(QKeySequence(key)) is not None
        manager.registerAction(action, "" if is_taken else key)
        self._window.addAction(action)
        return action

    def release(self) -> None:
        """Take the actions away from QGIS."""
        for action in self._actions:
            QgsGui.shortcutsManager().unregisterAction(action)
            self._window.removeAction(action)
            action.deleteLater()

    def set_seen(self, is_seen: bool) -> None:
        """Say whether somebody sees the dock: keys of a hidden one do nothing."""
        self._is_seen = is_seen
        self._enable()

    def _enable(self) -> None:
        for action in self._actions:
            action.setEnabled(self._is_seen and self._workspace.scene is not None)

    def _press(self, name: str) -> None:
        button = self._dock.findChild(QAbstractButton, name)
        if button is not None and not button.isHidden() and not button.isChecked():
            button.click()  # one that is disabled does nothing

    def _show_keys(self) -> None:
        """Say the keys in the tooltips, if they are others; actions change for much else."""
        shown = [_text(action) for action in self._actions]
        if shown == self._shown:
            return
        self._shown = shown
        self._classes.show_keys([_text(action) for action in self._classes_keys])
        for name, action in self._pressing.items():
            button = self._dock.findChild(QAbstractButton, name)
            words, key = button.property("words"), _text(action)
            if not words:
                words = button.property("tip") or button.toolTip()
                button.setProperty("words", words)
            tip, before = f"{words} ({key})" if key else words, button.property("tip")
            if before is None or button.toolTip() == before:  # else it says why it is disabled
                button.setToolTip(tip)
            button.setProperty("tip", tip)
            button.setProperty("key", f" ({key})" if key else "")


def _text(action: QAction) -> str:
    return action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
