"""A line across the map window: a layer is seen on its left, what lies below on its right."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsMapRendererParallelJob, QgsMapSettings, QgsRectangle
from qgis.gui import QgsMapCanvas, QgsMapCanvasItem
from qgis.PyQt.QtCore import QObject, QRectF, Qt, pyqtSignal
from qgis.PyQt.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from qgis.PyQt.QtWidgets import QWidget

from ..widgets.painting import painting

LINE_WIDTH = 15
"""Where the line can be taken, pixels."""
KNOB = 28
BELOW_BANDS = -5.0
"""Over the map of the window, below all that map tools draw."""


class Swipe(QObject):
    """Draws the map window once more without a layer, and shows that right of the line.

    Other map tools go on working; the line alone takes the mouse.
    """

    def __init__(self, canvas: QgsMapCanvas, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._canvas = canvas
        self._layer_id = ""
        self._share = 0.5
        self._job: QgsMapRendererParallelJob | None = None
        self._below: _Below | None = None
        self._line: _Line | None = None

    def begin(self, layer_id: str) -> None:
        """Show the line, in the middle of the map window."""
        self.end()
        self._layer_id, self._share = layer_id, 0.5
        self._below, self._line = _Below(self._canvas), _Line(self._canvas)
        self._line.dragged.connect(self._drag_to)
        self._canvas.extentsChanged.connect(self._place)
        self._canvas.mapCanvasRefreshed.connect(self._render)
        self._place()
        self._line.show()
        self._render()

    def end(self) -> None:
        """Take all of it off the canvas."""
        if self._below is None:
            return
        self._cancel()
        self._canvas.extentsChanged.disconnect(self._place)
        self._canvas.mapCanvasRefreshed.disconnect(self._render)
        self._canvas.scene().removeItem(self._below)
        self._line.hide()
        self._line.setParent(None)
        self._line.deleteLater()
        self._below = self._line = None

    def _drag_to(self, x: float) -> None:
        """Put the line at a place of the canvas, pixels from its left."""
        width = max(1, self._canvas.viewport().width())
        self._share = min(1.0, max(0.0, (x - self._canvas.viewport().x()) / width))
        self._place()

    def _place(self) -> None:
        window = self._canvas.viewport().geometry()
        x = round(self._share * window.width())
        self._line.setGeometry(
            window.x() + x - LINE_WIDTH // 2, window.y(), LINE_WIDTH, window.height()
        )
        self._below.x = x
        self._below.update()

    def _render(self) -> None:
        """Draw what lies below the layer, in threads."""
        self._cancel()
        settings = QgsMapSettings(self._canvas.mapSettings())
        settings.setLayers([x for x in settings.layers() if x.id() != self._layer_id])
        self._job = job = QgsMapRendererParallelJob(settings)

        def done() -> None:
            if job is self._job:
                self._job = None
                self._below.take(job.renderedImage(), settings)
            job.deleteLater()

        job.finished.connect(done)
        job.start()

    def _cancel(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.cancelWithoutBlocking()  # it ends, and is deleted, in its own time


class _Below(QgsMapCanvasItem):
    """A picture of the map window that is seen right of ``x``, in the window's pixels."""

    def __init__(self, canvas: QgsMapCanvas) -> None:
        super().__init__(canvas)
        self.setZValue(BELOW_BANDS)
        self._canvas = canvas
        self._picture: QImage | None = None
        self.x = 0

    def take(self, picture: QImage, settings: QgsMapSettings) -> None:
        """Show a picture where it is on the map; it moves along until there is a newer one."""
        corner = settings.mapToPixel().toMapCoordinates(0, 0)
        size, unit = settings.outputSize(), settings.mapUnitsPerPixel()
        right, bottom = corner.x() + size.width() * unit, corner.y() - size.height() * unit
        self._picture = picture
        self.setRect(QgsRectangle(corner.x(), bottom, right, corner.y()))
        self.update()

    def paint(self, painter: QPainter, option: Any = None, widget: Any = None) -> None:
        """Draw the part right of the line."""
        if self._picture is None:
            return
        whole = self.boundingRect().adjusted(0, 0, -2, -2)  # setRect() adds two pixels
        left = self.mapFromScene(self._canvas.mapToScene(self.x, 0)).x()
        painter.save()
        painter.setClipRect(QRectF(left, whole.top(), whole.right() - left, whole.height()))
        painter.drawImage(whole, self._picture)
        painter.restore()


class _Line(QWidget):
    """The line and its knob, over the canvas."""

    dragged = pyqtSignal(float)
    """To this place of the canvas, pixels from its left."""

    def __init__(self, canvas: QgsMapCanvas) -> None:
        super().__init__(canvas)
        self.setObjectName("mtmsdSwipeLine")
        self._is_held = False
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self.setToolTip(self.tr("Drag: the map is on the left, the scene on the right"))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take the line; the map tool is not told."""
        self._is_held = event.button() == Qt.MouseButton.LeftButton

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go of it."""
        self._is_held = False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow the mouse."""
        if self._is_held:
            self.dragged.emit(float(self.mapToParent(event.pos()).x()))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw a dark line on a light one, and a knob in the middle."""
        x, y = LINE_WIDTH / 2, self.height() / 2
        with painting(self) as painter:
            for ink, width in (("#ffffff", 4), ("#202020", 1.6)):
                painter.setPen(QPen(QColor(ink), width))
                painter.drawLine(round(x), 0, round(x), self.height())
            painter.setBrush(QColor("#ffffff"))
            painter.drawRoundedRect(QRectF(1, y - KNOB / 2, LINE_WIDTH - 2, KNOB), 5, 5)
            for step in (-2.5, 2.5):
                painter.drawLine(round(x + step), round(y - 6), round(x + step), round(y + 6))
