"""Axes of a plot with round numbers, and a box of the values at a place of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from qgis.PyQt.QtCore import QPointF, QRectF, Qt
from qgis.PyQt.QtGui import QColor, QPainter

from ...common.numbers import plain
from .plot_zoom import Span

STEPS = (1, 2, 2.5, 5, 10)
SMALL = 0.85
"""Size of the values' letters beside the others."""
MOST_VALUES = 8
"""So many values are read at once; an ellipsis stands for the others."""


def draw_axes(
    painter: QPainter,
    area: QRectF,
    seen: tuple[Span, Span],
    unit: str,
    colors: tuple[QColor, QColor],
) -> None:
    """Draw a grid around what is seen across and upwards; colours of text and thin lines."""
    (first, last), (low, high) = seen
    text, faint = colors
    metrics = painter.fontMetrics()
    for value in ticks(low, high, 4):
        y = area.bottom() - area.height() * (value - low) / (high - low)
        painter.setPen(faint)
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        painter.setPen(text)
        label = plain(value)
        x = area.left() - 4 - metrics.horizontalAdvance(label)
        painter.drawText(QPointF(x, y + metrics.ascent() / 2 - 1), label)
    base = area.bottom() + metrics.height() + 1
    width = metrics.horizontalAdvance(unit)
    painter.drawText(QPointF(area.right() - width, base), unit)
    for value in ticks(first, last, max(2, int(area.width() / 70))):
        x = area.left() + area.width() * (value - first) / (last - first)
        painter.setPen(faint)
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        painter.setPen(text)
        label = plain(value)
        half = metrics.horizontalAdvance(label) / 2
        if x + half < area.right() - width - 6:
            painter.drawText(QPointF(max(2.0, x - half), base), label)


def draw_values(
    painter: QPainter,
    area: QRectF,
    x: float,
    rows: Sequence[tuple[QColor, tuple[str, str]]],
    colors: tuple[QColor, QColor],
) -> None:
    """Draw colour, name and value of each row in a box beside ``x``; the first is the title.

    Parameters
    ----------
    colors : tuple of QColor
        Of ground and text.
    """
    ground, text = colors
    if len(rows) > MOST_VALUES + 1:
        rows = [*rows[: MOST_VALUES + 1], (ground, ("", "…"))]
    font = painter.font()
    font.setPointSizeF(font.pointSizeF() * SMALL)
    painter.setFont(font)
    metrics, line = painter.fontMetrics(), painter.fontMetrics().height()
    room = int(area.width() / 2) - 12
    words = []
    for _, (name, value) in rows:
        left_over = max(0, room - metrics.horizontalAdvance(f"  {value}"))
        name = metrics.elidedText(name, Qt.TextElideMode.ElideRight, left_over)
        words.append(f"{name}  {value}" if name else value)
    width = max(metrics.horizontalAdvance(word) for word in words) + 20
    left = area.left() + 4 if x > area.center().x() else area.right() - width - 4
    top = min(area.top() + line + 2, area.bottom() - line * len(words) - 4)
    veil = QColor(ground)
    veil.setAlpha(225)
    painter.fillRect(QRectF(left, top, width, line * len(words) + 4), veil)
    painter.setPen(text)
    for index, ((color, _), word) in enumerate(zip(rows, words)):
        y = top + 2 + index * line
        painter.fillRect(QRectF(left + 4, y + line / 2 - 4, 8, 8), color)
        painter.drawText(QPointF(left + 16, y + metrics.ascent()), word)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most so many round numbers (or one more) between two values."""
    raw = (high - low) / max(1, most)
    if raw <= 0:
        return [low]
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(s * power for s in STEPS if s * power >= raw * 0.999)
    first = np.ceil(low / step)
    return [float(i * step) for i in np.arange(first, np.floor(high / step) + 1)]
