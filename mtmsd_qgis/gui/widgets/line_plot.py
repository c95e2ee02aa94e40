"""A small line plot: drawn by Qt alone, in the colours of the theme."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qgis.PyQt.QtCore import QPointF, QRectF, QSize, Qt
from qgis.PyQt.QtGui import QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from qgis.PyQt.QtWidgets import QSizePolicy, QWidget

from ...common.numbers import number, plain
from .painting import inks, painting

MOST_POINTS = 400


class LossCurve(QWidget):
    """The loss over the steps, on a logarithmic axis, with a smoothed line on top."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._points: list[tuple[float, float]] = []
        self.setMinimumHeight(90)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return a flat rectangle."""
        return QSize(260, 100)

    @property
    def has_line(self) -> bool:
        """Whether there are enough points to draw."""
        return len(self._points) > 1

    def clear(self) -> None:
        """Forget all points."""
        self._points = []
        self.update()

    def add(self, step: float, loss: float) -> None:
        """Add a point; when there are too many, every second one goes."""
        if not (math.isfinite(loss) and loss > 0):
            return
        if self._points and step <= self._points[-1][0]:
            self._points = [p for p in self._points if p[0] < step]  # resumed earlier
        self._points.append((step, loss))
        if len(self._points) > MOST_POINTS:
            self._points = self._points[::2]
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw axes, points and the smoothed line."""
        with painting(self) as painter:
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        ground, text, faint = inks(self)
        painter.fillRect(self.rect(), ground)
        painter.setPen(faint)
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        metrics = painter.fontMetrics()
        if not self.has_line:
            painter.setPen(faint)
            painter.drawText(
                self.rect(),
                Qt.AlignmentFlag.AlignCenter,
                self.tr("Loss: waiting for the first steps"),
            )
            return
        values = [math.log10(loss) for _, loss in self._points]
        low, high = min(values), max(values)
        if high - low < 0.1:
            low, high = low - 0.05, high + 0.05
        labels = [plain(10**value, 2) for value in (high, low)]
        left = 6 + max(metrics.horizontalAdvance(label) for label in labels)
        area = QRectF(left, 6, self.width() - left - 8, self.height() - 12 - metrics.height())
        steps = [step for step, _ in self._points]
        line = _line(steps, values, area, (low, high))
        smooth = _line(steps, _smoothed(values), area, (low, high))
        painter.setPen(faint)
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.drawLine(area.bottomLeft(), area.topLeft())
        painter.drawPolyline(line)
        accent = self.palette().color(QPalette.ColorRole.Highlight)
        painter.setPen(QPen(accent, 2))
        painter.drawPolyline(smooth)
        painter.setPen(text)
        painter.drawText(QPointF(3, area.top() + metrics.ascent() - 2), labels[0])
        painter.drawText(QPointF(3, area.bottom()), labels[1])
        base = self.height() - 4
        painter.drawText(QPointF(area.left(), base), self.tr("Loss"))
        last = self.tr("step {}").format(number(steps[-1]))
        painter.drawText(QPointF(area.right() - metrics.horizontalAdvance(last), base), last)


def _line(
    xs: Sequence[float], ys: Sequence[float], area: QRectF, span: tuple[float, float]
) -> QPolygonF:
    low, high = span
    first, last = xs[0], max(xs[-1], xs[0] + 1)
    return QPolygonF(
        [
            QPointF(
                area.left() + area.width() * (x - first) / (last - first),
                area.bottom() - area.height() * (y - low) / (high - low),
            )
            for x, y in zip(xs, ys)
        ]
    )


def _smoothed(values: Sequence[float], weight: float = 0.9) -> list[float]:
    mean, out = values[0], []
    for value in values:
        mean = weight * mean + (1 - weight) * value
        out.append(mean)
    return out
