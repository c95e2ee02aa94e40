"""A painter that is ended whatever happens: one that is left open ends QGIS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qgis.PyQt.QtGui import QColor, QPainter, QPalette
from qgis.PyQt.QtWidgets import QWidget


@contextmanager
def painting(widget: QWidget) -> Iterator[QPainter]:
    """Yield an antialiasing painter on the widget."""
    painter = QPainter(widget)
    try:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        yield painter
    finally:
        painter.end()


def inks(widget: QWidget) -> tuple[QColor, QColor, QColor]:
    """Return the colours of ground, text, and thin lines.

    Style sheets of dark themes change the ground and leave the palette's text dark.
    """
    ground = widget.palette().color(QPalette.ColorRole.Base)
    text = widget.palette().color(QPalette.ColorRole.Text)
    if abs(ground.lightness() - text.lightness()) < 100:
        text = QColor("#d0d0d0") if ground.lightness() < 128 else QColor("#202020")
    faint = QColor(text)
    faint.setAlpha(70)
    return ground, text, faint
