"""Mean spectra of the classes with their spread, and the pixel under the cursor on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from qgis.PyQt.QtCore import QPointF, QRectF, QSize, Qt
from qgis.PyQt.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qgis.PyQt.QtWidgets import QSizePolicy, QWidget

from ...common.numbers import plain
from .painting import inks, painting

GAP = 5.0
"""Where the step between two bands is so many times the usual one, the line is broken."""
STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Line:
    """A spectrum: its colour, its values (bands,), and its standard deviation or None."""

    color: str
    values: np.ndarray
    deviation: np.ndarray | None = None


class SpectraPlot(QWidget):
    """Lines over wavelength (nm), or over the band number where there are no wavelengths."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._x = np.zeros(0)
        self._unit = ""
        self._lines: list[Line] = []
        self._pins: list[Line] = []
        self._cursor: np.ndarray | None = None
        self._runs: list[slice] = []
        self.setMinimumHeight(150)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return a flat rectangle."""
        return QSize(280, 180)

    def set_axis(self, x: Sequence[float], bands: Sequence[int], unit: str) -> None:
        """Set what is under each value; lines are broken between bands that do not follow."""
        self._x = np.asarray(x, float)
        self._unit = unit
        self._lines, self._pins, self._cursor = [], [], None
        steps = np.diff(self._x)
        usual = float(np.median(np.abs(steps))) if len(steps) else 1.0
        far = (np.abs(steps) > GAP * usual) | (np.diff(np.asarray(bands)) > 1)
        ends = [0, *(np.flatnonzero(far) + 1), len(self._x)]
        self._runs = [slice(int(a), int(b)) for a, b in zip(ends, ends[1:])]
        self.update()

    def set_lines(self, lines: Sequence[Line]) -> None:
        """Set the classes' spectra."""
        self._lines = [line for line in lines if len(line.values) == len(self._x)]
        self.update()

    def set_pins(self, lines: Sequence[Line]) -> None:
        """Set the pinned pixels' spectra."""
        self._pins = [line for line in lines if len(line.values) == len(self._x)]
        self.update()

    def set_cursor(self, values: np.ndarray | None) -> None:
        """Set the spectrum under the cursor."""
        self._cursor = values if values is not None and len(values) == len(self._x) else None
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw axes and lines."""
        with painting(self) as painter:
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        ground, text, faint = inks(self)
        painter.fillRect(self.rect(), ground)
        painter.setPen(faint)
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        span = self._span()
        if span is None:
            painter.drawText(
                self.rect(), Qt.AlignmentFlag.AlignCenter, self.tr("Point at the scene on the map")
            )
            return
        metrics = painter.fontMetrics()
        labels = _ticks(*span, 4)
        left = 8 + max(metrics.horizontalAdvance(plain(value)) for value in labels)
        area = QRectF(left, 8, self.width() - left - 10, self.height() - 14 - metrics.height())
        self._draw_axes(painter, area, span, text, faint)
        painter.setClipRect(area)
        for line in self._lines:
            self._draw_spread(painter, area, span, line)
        for line in self._lines:
            self._draw_line(painter, area, span, line.values, QPen(QColor(line.color), 1.5))
        for line in self._pins:
            pen = QPen(QColor(line.color), 1.2, Qt.PenStyle.DashDotLine)
            self._draw_line(painter, area, span, line.values, pen)
        if self._cursor is not None:
            pen = QPen(text, 1.2, Qt.PenStyle.DashLine)
            self._draw_line(painter, area, span, self._cursor, pen)

    def _span(self) -> tuple[float, float] | None:
        """Return the lowest and highest value to show."""
        values = [line.values for line in (*self._lines, *self._pins)]
        values += [
            line.values + line.deviation for line in self._lines if line.deviation is not None
        ]
        if self._cursor is not None:
            values.append(self._cursor)
        if not values or not len(self._x):
            return None
        low = min(float(np.percentile(v, 0.5)) for v in values)
        high = max(float(np.percentile(v, 99)) for v in values)  # one noisy band hides the rest
        low = min(low, 0.0) if low < 0.3 * high else low
        return (low, high) if high > low else (low, low + 1.0)

    def _draw_axes(
        self,
        painter: QPainter,
        area: QRectF,
        span: tuple[float, float],
        text: QColor,
        faint: QColor,
    ) -> None:
        metrics = painter.fontMetrics()
        for value in _ticks(*span, 4):
            y = area.bottom() - area.height() * (value - span[0]) / (span[1] - span[0])
            painter.setPen(faint)
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(text)
            label = plain(value)
            painter.drawText(
                QPointF(
                    area.left() - 4 - metrics.horizontalAdvance(label), y + metrics.ascent() / 2 - 1
                ),
                label,
            )
        base = self.height() - 5
        first, last = float(self._x.min()), float(self._x.max())
        unit = metrics.horizontalAdvance(self._unit)
        painter.drawText(QPointF(area.right() - unit, base), self._unit)
        for value in _ticks(first, last, max(2, int(area.width() / 70))):
            x = self._place(area, value)
            painter.setPen(faint)
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
            painter.setPen(text)
            label = plain(value)
            half = metrics.horizontalAdvance(label) / 2
            if x + half < area.right() - unit - 6:
                painter.drawText(QPointF(max(2.0, x - half), base), label)

    def _place(self, area: QRectF, value: float) -> float:
        first, last = float(self._x.min()), float(self._x.max())
        return area.left() + area.width() * (value - first) / ((last - first) or 1.0)

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
        for run in self._runs:
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
        for run in self._runs:
            upper = self._points(area, span, line.values + line.deviation, run)
            lower = self._points(area, span, line.values - line.deviation, run)
            painter.drawPolygon(QPolygonF([*upper, *reversed(lower)]))
        painter.setBrush(Qt.BrushStyle.NoBrush)


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most so many round numbers (or one more) between two values."""
    raw = (high - low) / max(1, most)
    if raw <= 0:
        return [low]
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(s * power for s in STEPS if s * power >= raw * 0.999)
    first = np.ceil(low / step)
    return [float(i * step) for i in np.arange(first, np.floor(high / step) + 1)]
