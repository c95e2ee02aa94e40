"""Mean spectra of the classes with their spread, and the pixel under the cursor on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from qgis.PyQt.QtCore import QEvent, QPointF, QRectF, QSize, Qt, pyqtSignal
from qgis.PyQt.QtGui import (
    QColor,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QWheelEvent,
)
from qgis.PyQt.QtWidgets import QSizePolicy, QWidget

from ...common.numbers import number, plain
from ...state.training.spectra_scale import (
    CONTINUUM,
    RANGE,
    READ,
    REFLECTANCE,
    full_scale,
    scaling,
    steps_too_far,
)
from .painting import inks, painting
from .plot_axes import draw_axes, draw_values, ticks
from .plot_zoom import Span, Zoom

DRAG_PIXELS = 6
"""A shorter drag is a click."""


@dataclass(frozen=True)
class Line:
    """A spectrum: colour, values (bands,), standard deviation or None, and what it is called."""

    color: str
    values: np.ndarray
    deviation: np.ndarray | None = None
    name: str = ""


class SpectraPlot(QWidget):
    """Lines over wavelength (nm), or over the band number where there are no wavelengths.

    The wheel zooms, a drag takes a part, a double click goes back to the whole; where the mouse
    is, the values of the nearest band are read.
    """

    zoom_changed = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._x = np.zeros(0)
        self._bands: list[int] = []
        self._unit = ""
        self._lines: list[Line] = []
        self._pins: list[Line] = []
        self._library: list[Line] = []
        self._cursor: Line | None = None
        self._runs: list[slice] = []
        self._seen: Span = (0.0, 1.0)
        self._scale, self._highest = READ, 0.0
        self._scaled_lines: dict[int, Line] = {}
        self._mouse: QPointF | None = None
        self._press: QPointF | None = None
        self.zoom = Zoom()
        self.setMouseTracking(True)
        self.setMinimumHeight(150)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return a flat rectangle."""
        return QSize(280, 180)

    def set_axis(self, x: Sequence[float], bands: Sequence[int], unit: str) -> None:
        """Set what is under each value; lines are broken between bands that do not follow."""
        self._x = np.asarray(x, float)
        self._bands = list(bands)
        self._unit = unit
        self._lines, self._pins, self._library, self._cursor = [], [], [], None
        self._scaled_lines.clear()
        self._highest, self.zoom = 0.0, Zoom()
        far = steps_too_far(self._x) | (np.diff(np.asarray(bands)) > 1)
        ends = [0, *(np.flatnonzero(far) + 1), len(self._x)]
        self._runs = [slice(int(a), int(b)) for a, b in zip(ends, ends[1:])]
        self.update()

    def set_lines(self, lines: Sequence[Line]) -> None:
        """Set the classes' spectra."""
        self._lines = self._fitting(lines)
        self.update()

    def set_pins(self, lines: Sequence[Line]) -> None:
        """Set the pinned pixels' spectra."""
        self._pins = self._fitting(lines)
        self.update()

    def set_library(self, lines: Sequence[Line]) -> None:
        """Set the spectra of libraries; NaN at bands that they do not cover."""
        self._library = self._fitting(lines)
        self.update()

    def set_cursor(self, values: np.ndarray | None) -> None:
        """Set the spectrum under the cursor."""
        line = [] if values is None else [Line("", values, name=self.tr("cursor"))]
        self._cursor = next(iter(self._fitting(line)), None)
        self.update()

    def set_scale(self, scale: str) -> None:
        """Choose the scale, one of :data:`.spectra_scale.SCALES`; all values are seen again."""
        if scale != self._scale:
            self._scale, self.zoom = scale, replace(self.zoom, y=None)
            self._scaled_lines.clear()
            self.update()

    def set_zoom(self, zoom: Zoom) -> None:
        """Show a part."""
        if zoom != self.zoom:
            self.zoom = zoom
            self.update()
            self.zoom_changed.emit()

    def _fitting(self, lines: Sequence[Line]) -> list[Line]:
        self._scaled_lines.clear()
        sized = [line for line in lines if len(line.values) == len(self._x)]
        fitting = [line for line in sized if np.isfinite(line.values).any()]
        tops = [float(np.nanpercentile(line.values, 99)) for line in fitting]
        self._highest = max([self._highest, *tops])  # what is 1 does not change from pixel to pixel
        return fitting

    # the scale

    def _scaled(self, line: Line) -> Line:
        """Return a line as it is drawn; hulls are made once, not with each move of the mouse."""
        if id(line) not in self._scaled_lines:
            offset, factor = scaling(self._scale, self._x, line.values, full_scale(self._highest))
            spread = None
            if line.deviation is not None and self._scale != CONTINUUM:  # it has one of its own
                spread = line.deviation * factor
            values = (line.values - offset) * factor
            self._scaled_lines[id(line)] = replace(line, values=values, deviation=spread)
        return self._scaled_lines[id(line)]

    def scale_text(self) -> str:
        """Return what was done to the values; empty where they are as read."""
        full = full_scale(self._highest)
        if self._scale == REFLECTANCE and full is None:
            text = self.tr("As read: values up to {} are no reflectance")
            return text.format(plain(self._highest, 4))
        return {
            REFLECTANCE: self.tr("Reflectance: values ÷ {}").format(number(full or 1)),
            RANGE: self.tr("Each from its least to its greatest value"),
            CONTINUUM: self.tr("Continuum removed, none over gaps"),
        }.get(self._scale, "")

    # reading values

    def values_at_mouse(self) -> list[tuple[str, str]]:
        """Return the nearest band to the mouse, then name and value of each spectrum there."""
        band = self._band_at_mouse()
        if band is None:
            return []
        numbered = self.tr("band {}").format(self._bands[band])
        has_waves = bool(self._unit) and self._x[band] != self._bands[band]
        head = f"{plain(self._x[band])} {self._unit} · {numbered}" if has_waves else numbered
        cursor = [] if self._cursor is None else [self._cursor]
        shown = [
            self._scaled(line) for line in (*cursor, *self._lines, *self._pins, *self._library)
        ]
        values = [(line.name, float(line.values[band])) for line in shown]
        return [("", head), *((n, plain(v, 4) if np.isfinite(v) else "–") for n, v in values)]

    def _band_at_mouse(self) -> int | None:
        if self._mouse is None or self._press is not None or self._whole() is None:
            return None
        area, (low, high), _ = self._frame()
        if not area.contains(self._mouse):
            return None
        x = low + (self._mouse.x() - area.left()) / area.width() * (high - low)
        return int(np.argmin(np.abs(self._x - x)))

    # the mouse

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom around the mouse; out of the whole, the dock scrolls."""
        whole = self._whole()
        area = self._frame()[0] if whole is not None else QRectF()
        steps = event.angleDelta().y() / 120
        if not area.contains(event.position()) or (steps < 0 and self.zoom == Zoom()):
            event.ignore()
            return
        self.set_zoom(self.zoom.stepped(whole, self._at(event.position()), steps))
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to take a part."""
        if event.button() == Qt.MouseButton.LeftButton and self._whole() is not None:
            self._press = QPointF(event.pos())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read the values there, or show the part that is taken."""
        self._mouse = QPointF(event.pos())
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Show the part."""
        start, self._press, end = self._press, None, QPointF(event.pos())
        whole = self._whole()
        if start is not None and whole is not None and _is_drag(start, end):
            x, y = zip(self._at(start), self._at(end))
            self.set_zoom(Zoom.to(whole, x, y))
        self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Go back to the whole."""
        self.set_zoom(Zoom())

    def leaveEvent(self, event: QEvent) -> None:
        """Read no values any more."""
        self._mouse = None
        self.update()

    def _at(self, place: QPointF) -> tuple[float, float]:
        """Return what is at a place of the widget: across and upwards."""
        area, x, y = self._frame()
        across = (place.x() - area.left()) / area.width()
        up = (area.bottom() - place.y()) / area.height()
        return x[0] + across * (x[1] - x[0]), y[0] + up * (y[1] - y[0])

    # what is drawn

    def _whole(self) -> tuple[Span, Span] | None:
        """Return lowest and highest of all, across and upwards; None if there is nothing."""
        span = self._span()
        if span is None:
            return None
        first, last = float(self._x.min()), float(self._x.max())
        return (first, last if last > first else first + 1.0), span

    def _frame(self) -> tuple[QRectF, Span, Span]:
        """Return where the lines are drawn, and what is seen of them across and upwards."""
        x, y = self._whole()
        x, y = self.zoom.x or x, self.zoom.y or y
        metrics = self.fontMetrics()
        left = 8 + max(metrics.horizontalAdvance(plain(value)) for value in ticks(*y, 4) or [0.0])
        return (
            QRectF(left, 8, self.width() - left - 10, self.height() - 14 - metrics.height()),
            x,
            y,
        )

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw axes and lines."""
        with painting(self) as painter:
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        ground, text, faint = inks(self)
        painter.fillRect(self.rect(), ground)
        painter.setPen(faint)
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        if self._whole() is None:
            painter.drawText(
                self.rect(), Qt.AlignmentFlag.AlignCenter, self.tr("Point at the scene on the map")
            )
            return
        area, self._seen, span = self._frame()
        draw_axes(painter, area, (self._seen, span), self._unit, (text, faint))
        painter.save()
        painter.setClipRect(area)
        lines = [self._scaled(line) for line in self._lines]
        for line in lines:
            self._draw_spread(painter, area, span, line)
        for line in lines:
            self._draw_line(painter, area, span, line.values, QPen(QColor(line.color), 1.5))
        for line in map(self._scaled, self._pins):
            pen = QPen(QColor(line.color), 1.2, Qt.PenStyle.DashDotLine)
            self._draw_line(painter, area, span, line.values, pen)
        for line in map(self._scaled, self._library):
            pen = QPen(QColor(line.color), 1.5, Qt.PenStyle.DashLine)
            self._draw_line(painter, area, span, line.values, pen)
        if self._cursor is not None:
            pen = QPen(text, 1.2, Qt.PenStyle.DashLine)
            self._draw_line(painter, area, span, self._scaled(self._cursor).values, pen)
        painter.restore()
        metrics, place = painter.fontMetrics(), area.topLeft() + QPointF(4, 0)
        painter.setPen(text)
        said = metrics.elidedText(self.scale_text(), Qt.TextElideMode.ElideRight, int(area.width()))
        painter.drawText(place + QPointF(0, metrics.ascent()), said)
        self._draw_taken(painter, faint)
        self._draw_values(painter, area, ground, text)

    def _span(self) -> Span | None:
        """Return the lowest and highest value to show."""
        cursor = [] if self._cursor is None else [self._cursor]
        drawn = (*self._lines, *self._pins, *self._library, *cursor)
        lines = [self._scaled(line) for line in drawn]
        values = [line.values for line in lines]
        values += [line.values + line.deviation for line in lines if line.deviation is not None]
        values = [v[np.isfinite(v)] for v in values if np.isfinite(v).any()]
        if not values or not len(self._x):
            return None
        low = min(float(np.percentile(v, 0.5)) for v in values)
        high = max(float(np.percentile(v, 99)) for v in values)  # one noisy band hides the rest
        low = min(low, 0.0) if low < 0.3 * high else low
        return (low, high) if high > low else (low, low + 1.0)

    def _draw_taken(self, painter: QPainter, faint: QColor) -> None:
        """Draw the part that a drag takes."""
        if self._press is not None and self._mouse is not None:
            painter.setPen(QPen(faint, 1, Qt.PenStyle.DashLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(QRectF(self._press, self._mouse).normalized())

    def _draw_values(self, painter: QPainter, area: QRectF, ground: QColor, text: QColor) -> None:
        """Draw a line at the band under the mouse, and what the spectra are there."""
        band, rows = self._band_at_mouse(), self.values_at_mouse()
        if band is None:
            return
        x = self._place(area, self._x[band])
        painter.setPen(QPen(text, 1, Qt.PenStyle.DotLine))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        cursor = [text] if self._cursor is not None else []
        lines = (*self._lines, *self._pins)
        colors = [ground, *cursor, *(QColor(line.color) for line in lines)]
        draw_values(painter, area, x, list(zip(colors, rows)), (ground, text))

    def _place(self, area: QRectF, value: float) -> float:
        low, high = self._seen
        return area.left() + area.width() * (value - low) / (high - low)

    def _points(
        self, area: QRectF, span: tuple[float, float], values: np.ndarray, run: slice
    ) -> list[QPointF]:
        low, high = span
        return [
            QPointF(
                self._place(area, x),
                area.bottom() - area.height() * (float(y) - low) / (high - low),
            )
            for x, y in zip(self._x[run], values[run])
        ]

    def _draw_line(
        self,
        painter: QPainter,
        area: QRectF,
        span: tuple[float, float],
        values: np.ndarray,
        pen: QPen,
    ) -> None:
        painter.setPen(pen)
        for run in _finite(self._runs, values):
            painter.drawPolyline(QPolygonF(self._points(area, span, values, run)))

    def _draw_spread(
        self, painter: QPainter, area: QRectF, span: tuple[float, float], line: Line
    ) -> None:
        if line.deviation is None:
            return
        fill = QColor(line.color)
        fill.setAlpha(35)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        for run in _finite(self._runs, line.values):
            upper = self._points(area, span, line.values + line.deviation, run)
            lower = self._points(area, span, line.values - line.deviation, run)
            painter.drawPolygon(QPolygonF([*upper, *reversed(lower)]))
        painter.setBrush(Qt.BrushStyle.NoBrush)


def _finite(runs: Sequence[slice], values: np.ndarray) -> list[slice]:
    """Return the runs without the bands that have no value."""
    found = []
    for run in runs:
        good = np.isfinite(values[run]).astype(int)
        edges = np.flatnonzero(np.diff(good, prepend=0, append=0)) + run.start
        found += [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2])]
    return found


def _is_drag(start: QPointF, end: QPointF) -> bool:
    apart = end - start
    return min(abs(apart.x()), abs(apart.y())) >= DRAG_PIXELS
