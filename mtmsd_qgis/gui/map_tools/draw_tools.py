"""Map tools that draw a polygon by dragging, as a rectangle or freehand, or grow one by a click."""

from __future__ import annotations

from qgis.core import QgsGeometry, QgsPointXY, QgsRectangle, QgsWkbTypes
from qgis.gui import QgsMapCanvas, QgsMapMouseEvent, QgsMapTool, QgsRubberBand
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtGui import QColor, QKeyEvent

RECTANGLE, FREEHAND, GROW = "rectangle", "freehand", "grow"
FREEHAND_PIXELS = 3
"""Freehand points nearer than this on the screen are dropped."""


class DrawTool(QgsMapTool):
    """Draws a polygon in the canvas's CRS; Escape drops what was begun."""

    drawn = pyqtSignal(QgsGeometry)
    clicked = pyqtSignal(QgsPointXY)
    """A place for growing."""
    accepted = pyqtSignal()
    """Right click or Enter: the grown region is taken."""
    dropped = pyqtSignal()

    def __init__(self, canvas: QgsMapCanvas, kind: str) -> None:
        super().__init__(canvas)
        self.kind = kind
        self.setCursor(Qt.CursorShape.CrossCursor)
        self._points: list[QgsPointXY] = []
        self._band = QgsRubberBand(canvas, QgsWkbTypes.GeometryType.PolygonGeometry)
        self._band.setWidth(2)
        self.set_color("#e31a1c")

    def set_color(self, color: str) -> None:
        """Draw in the colour of the class."""
        line, fill = QColor(color), QColor(color)
        fill.setAlpha(70)
        self._band.setStrokeColor(line)
        self._band.setFillColor(fill)

    def preview(self, geometry: QgsGeometry | None) -> None:
        """Show a geometry (canvas CRS) that is not taken yet."""
        if geometry is None or geometry.isEmpty():
            self._band.reset(QgsWkbTypes.GeometryType.PolygonGeometry)
        else:
            self._band.setToGeometry(geometry, None)

    def drop(self) -> None:
        """Forget what was begun."""
        self._points = []
        self.preview(None)
        self.dropped.emit()

    def remove(self) -> None:
        """Take the rubber band off the canvas, and the tool too, for good."""
        self.canvas().scene().removeItem(self._band)
        self.deleteLater()

    # QGIS's side

    def canvasPressEvent(self, event: QgsMapMouseEvent) -> None:
        """Begin a rectangle or a freehand line."""
        left = event.button() == Qt.MouseButton.LeftButton
        if left and self.kind in (RECTANGLE, FREEHAND):
            self._points = [event.mapPoint()]
            self._last = event.pos()

    def canvasMoveEvent(self, event: QgsMapMouseEvent) -> None:
        """Show what would be drawn."""
        if not self._points:
            return
        if self.kind == FREEHAND:
            if (event.pos() - self._last).manhattanLength() >= FREEHAND_PIXELS:
                self._points.append(event.mapPoint())
                self._last = event.pos()
            self.preview(_polygon(self._points))
        else:
            self.preview(_rectangle(self._points[0], event.mapPoint()))

    def canvasReleaseEvent(self, event: QgsMapMouseEvent) -> None:
        """End what was dragged, or take the place that was clicked."""
        if event.button() == Qt.MouseButton.RightButton:
            self.finish()
        elif self.kind == GROW:
            self.clicked.emit(event.mapPoint())
        elif self._points:
            if self.kind == RECTANGLE:
                self._finish(_rectangle(self._points[0], event.mapPoint()))
            else:
                self._finish(_polygon([*self._points, event.mapPoint()]))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter takes a grown region, Escape drops what was begun."""
        key = event.key()
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.finish()
        elif key == Qt.Key.Key_Escape:
            self.drop()
        else:
            return
        event.ignore()  # QGIS must not delete features as well

    def deactivate(self) -> None:
        """Leave the tool: what was begun is dropped."""
        self.drop()
        super().deactivate()

    def finish(self) -> None:
        """Take the region that was grown."""
        if self.kind == GROW:
            self.accepted.emit()

    def _finish(self, geometry: QgsGeometry) -> None:
        self._points = []
        self.preview(None)
        box = geometry.boundingBox()
        if not geometry.isEmpty() and box.width() > 0 and box.height() > 0:
            self.drawn.emit(geometry)


def _polygon(points: list[QgsPointXY]) -> QgsGeometry:
    return QgsGeometry.fromPolygonXY([points]) if len(points) > 2 else QgsGeometry()


def _rectangle(first: QgsPointXY, second: QgsPointXY) -> QgsGeometry:
    return QgsGeometry.fromRect(QgsRectangle(first, second))
