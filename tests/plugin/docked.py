"""The real dock on a real canvas, pressed with the mouse; the engine is the real one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from osgeo import gdal
from qgis.core import QgsMapLayer, QgsProject, QgsRasterLayer
from qgis.gui import QgsFieldComboBox
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QCoreApplication, QEvent, QPoint, QPointF, Qt
from qgis.PyQt.QtGui import QMouseEvent
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QDialog, QLabel, QMenu, QPushButton, QTableWidget, QWidget

import mtmsd_qgis
from mtmsd_qgis.gui.dock.dock import MtmsdDock


class Docked:
    """The plugin's dock, and what it said."""

    def __init__(self, plugin: Any, canvas: Any) -> None:
        dock: MtmsdDock = plugin.dock
        self.plugin = plugin
        self.dock = dock
        self.canvas = canvas
        self.workspace = dock.workspace
        self.said: list[str] = []
        dock.workspace.said.connect(lambda text, _level: self.said.append(text))

    def unload(self) -> None:
        """Disable the plugin."""
        self.plugin.unload()
        QCoreApplication.sendPostedEvents(None, int(QEvent.Type.DeferredDelete))
        assert sip.isdeleted(self.dock)

    def part(self, name: str, kind: type = QWidget) -> Any:
        found = self.dock.findChild(kind, name)
        assert found is not None, f"there is no {name}"
        return found

    def text(self, name: str) -> str:
        return self.part(name).text()

    def click(self, name: str) -> None:
        button = self.part(name)
        self.wait(button.isEnabled, f"{name} is disabled: {button.toolTip()}", 5)
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    def click_row(self, row: int, key: Any = Qt.KeyboardModifier.NoModifier) -> None:
        table = self.part("mtmsdClassTable", QTableWidget)
        place = table.visualItemRect(table.item(row, 1)).center()
        QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, key, place)

    def classes(self) -> dict[str, tuple[str, str]]:
        table = self.part("mtmsdClassTable", QTableWidget)
        rows = [[table.item(r, c).text() for c in (1, 2, 3)] for r in range(table.rowCount())]
        return {name: (polygons, pixels) for name, polygons, pixels in rows}

    def open(self, path: Path, name: str = "") -> QgsRasterLayer:
        """Add a raster to the project and choose it as the scene; wait for its facts."""
        layer = QgsRasterLayer(str(path), name or path.stem)
        assert layer.isValid()
        QgsProject.instance().addMapLayer(layer)
        self.canvas.setDestinationCrs(layer.crs())
        self.canvas.setExtent(layer.extent())
        self.part("mtmsdSceneLayer").setLayer(layer)
        self.wait(lambda: self.workspace.facts, "the engine says nothing of the raster")
        return layer

    def add_class(self, name: str) -> None:
        table = self.part("mtmsdClassTable", QTableWidget)
        before = table.rowCount()
        self.click("mtmsdClassAdd")
        self.wait(lambda: table.rowCount() > before, "no new class", 10)
        table.item(table.currentRow(), 1).setText(name)

    def ask_import(self, layer: QgsMapLayer) -> QDialog:
        """Choose a layer to take polygons from; return the dialog once it has read it."""
        menu = self.part("mtmsdImportMenu", QMenu)
        menu.aboutToShow.emit()
        next(a for a in menu.actions() if a.text() == f"{layer.name()}…").trigger()
        dialog = self.dock.findChildren(QDialog, "mtmsdImportDialog")[-1]
        self.import_notes(dialog)
        return dialog

    def import_notes(self, dialog: QDialog) -> str:
        """Return what the dialog says once it has read the layer."""
        label = dialog.findChild(QLabel, "mtmsdImportNotes")
        self.wait(lambda: label.text() and label.text() != "Reading…", "it goes on reading")
        return label.text()

    def take(self, layer: QgsMapLayer, field: str = "") -> None:
        """Take all polygons of a layer."""
        dialog = self.ask_import(layer)
        if field:
            dialog.findChild(QgsFieldComboBox).setField(field)
            self.import_notes(dialog)
        button = dialog.findChild(QPushButton, "mtmsdImportTake")
        self.wait(button.isEnabled, "nothing to take", 10)
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        self.wait_said("taken from")

    def drag(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Draw a rectangle with the mouse, in the canvas's coordinates."""
        if not self.part("mtmsdDraw_rectangle").isChecked():
            self.click("mtmsdDraw_rectangle")
        start, end = (self._pixel(x, y) for x, y in ((x0, y0), (x1, y1)))
        canvas = self.canvas.viewport()
        QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=start)
        QTest.mouseMove(canvas, end)
        QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=end)

    def _pixel(self, x: float, y: float) -> QPoint:
        point = self.canvas.getCoordinateTransform().transform(x, y)
        return QPoint(round(point.x()), round(point.y()))

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            answer = condition()
            if answer:
                return answer
            QTest.qWait(30)
        raise AssertionError(f"{what}: {self.classes()}; it said {self.said}")

    def wait_said(self, words: str, seconds: float = 20) -> None:
        self.wait(lambda: any(words in text for text in self.said), f"not said: {words}", seconds)


def move_mouse(widget: QWidget, place: QPoint, *, held: bool = False) -> None:
    """Move the mouse to a place of a widget, with its left button held or not.

    QTest.mouseMove() moves the cursor, which there is none of without a screen.
    """
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        QPointF(place),
        QPointF(widget.mapToGlobal(place)),
        Qt.MouseButton.NoButton,
        Qt.MouseButton.LeftButton if held else Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QCoreApplication.sendEvent(widget, event)


def rows_of(path: Path) -> int:
    """Return how many polygons a GeoPackage holds, as GDAL counts them."""
    dataset = gdal.OpenEx(str(path))  # its layer ends with it
    return dataset.GetLayer(0).GetFeatureCount()


@pytest.fixture
def docked(
    qgis_iface: Any, qgis_canvas: Any, qgis_processing: Any, engine_python: str
) -> Iterator[Docked]:
    gdal.UseExceptions()
    plugin = mtmsd_qgis.classFactory(qgis_iface)
    plugin.initGui()
    window = qgis_iface.mainWindow()
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, plugin.dock)
    window.resize(1200, 900)
    window.show()
    plugin.dock.show()
    room = Docked(plugin, qgis_canvas)
    room.wait(lambda: room.workspace.engine.state().status == "ready", "the engine is not found")
    yield room
    QgsProject.instance().clear()
    room.unload()
    qgis_iface.addRasterToolBarIcon.reset_mock()  # other tests count its calls
