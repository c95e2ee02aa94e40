"""Draws a polygon with QGIS's own digitising: snapping, undo of a vertex, the Advanced panel."""

from __future__ import annotations

from qgis.core import QgsFeature, QgsGeometry, QgsVectorLayer
from qgis.gui import (
    QgisInterface,
    QgsMapMouseEvent,
    QgsMapToolCapture,
    QgsMapToolDigitizeFeature,
)
from qgis.PyQt.QtCore import QEvent, Qt, pyqtSignal
from qgis.PyQt.QtGui import QKeyEvent


class PolygonTool(QgsMapToolDigitizeFeature):
    """Vertex by vertex; right click, double click or Enter ends, Escape drops what was begun."""

    drawn = pyqtSignal(QgsGeometry)
    """A polygon in the layer's CRS."""

    def __init__(self, iface: QgisInterface) -> None:
        canvas = iface.mapCanvas()
        super().__init__(
            canvas, iface.cadDockWidget(), QgsMapToolCapture.CaptureMode.CapturePolygon
        )
        self.setCursor(Qt.CursorShape.CrossCursor)
        self._ends = False
        self.digitizingCompleted.connect(self._completed)

    def draw_on(self, layer: QgsVectorLayer) -> None:
        """Draw for a layer, which is then the one that snapping and the panel go by."""
        self.setLayer(layer)
        if not layer.isEditable():
            layer.startEditing()

    def drop(self) -> None:
        """Forget what was begun."""
        self.stopCapturing()

    def finish(self) -> None:
        """End the polygon with the vertices that it has."""
        self._end()

    def remove(self) -> None:
        """Take the tool off the canvas, for good."""
        self.drop()
        self.deleteLater()

    # QGIS's side

    def cadCanvasReleaseEvent(self, event: QgsMapMouseEvent) -> None:
        """Add a vertex; the release that follows a double click ends the polygon instead."""
        if self._ends:
            self._ends = False
            self._end(event)
        else:
            super().cadCanvasReleaseEvent(event)

    def canvasDoubleClickEvent(self, event: QgsMapMouseEvent) -> None:
        """End with the vertex that the first of the two clicks has added."""
        self._ends = event.button() == Qt.MouseButton.LeftButton

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter ends; QGIS's own keys do the rest: Escape, Backspace, Delete."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.finish()
            event.ignore()
        else:
            super().keyPressEvent(event)

    def deactivate(self) -> None:
        """Leave the tool: what was begun is dropped."""
        self._ends = False
        super().deactivate()

    def _end(self, event: QgsMapMouseEvent | None = None) -> None:
        """Do what the right button does."""
        canvas = self.canvas()
        place = event.pos() if event is not None else canvas.mouseLastXY()
        right = Qt.MouseButton.RightButton
        release = QEvent.Type.MouseButtonRelease
        super().cadCanvasReleaseEvent(QgsMapMouseEvent(canvas, release, place, right, right))

    def _completed(self, feature: QgsFeature) -> None:
        geometry = feature.geometry()
        box = geometry.boundingBox()
        if box.width() > 0 and box.height() > 0:
            self.drawn.emit(geometry)
