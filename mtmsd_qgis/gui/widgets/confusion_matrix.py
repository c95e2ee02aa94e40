"""A confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.PyQt.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from qgis.PyQt.QtGui import QColor, QHelpEvent, QPainter, QPaintEvent
from qgis.PyQt.QtWidgets import QSizePolicy, QToolTip, QWidget

from ...common.numbers import number
from ...state.training.classes import LandClass
from .painting import inks, painting


class MatrixView(QWidget):
    """Reference in rows, map in columns; the darker, the larger the share of the row."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._classes: list[LandClass] = []
        self._counts: list[list[int]] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_matrix(self, classes: Sequence[LandClass], counts: Sequence[Sequence[int]]) -> None:
        """Show another matrix, rows = reference."""
        self._classes, self._counts = list(classes), [list(line) for line in counts]
        self.setFixedHeight(self.sizeHint().height())
        self.update()

    def sizeHint(self) -> QSize:
        """Return a square of at most 26 px a class, with room for the titles."""
        return QSize(280, 26 * max(2, len(self._classes)) + 2 * self.fontMetrics().height() + 14)

    def _grid(self) -> tuple[float, float, float, float]:
        line = self.fontMetrics().height()
        left, top = line + 18.0, line + 18.0
        count = max(1, len(self._classes))
        return left, top, (self.width() - left - 4) / count, (self.height() - top - 2) / count

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the cells, the class colours beside them, and the titles of the axes."""
        with painting(self) as painter:
            self._paint(painter)

    def _paint(self, painter: QPainter) -> None:
        base, text, _ = inks(self)
        left, top, width, height = self._grid()
        line = self.fontMetrics().height()
        painter.setPen(text)
        painter.drawText(QPointF(left, line - 3), self.tr("Map"))
        painter.save()
        painter.translate(line - 3, self.height())
        painter.rotate(-90)
        painter.drawText(QPointF(2, 0), self.tr("Reference"))
        painter.restore()
        for i, land_class in enumerate(self._classes):
            color = QColor(land_class.color)
            painter.fillRect(QRectF(line + 3, top + i * height + 2, 10, height - 4), color)
            painter.fillRect(QRectF(left + i * width + 2, line + 3, width - 4, 10), color)
        for i, counts in enumerate(self._counts):
            total = sum(counts) or 1
            for j, count in enumerate(counts):
                cell = QRectF(left + j * width, top + i * height, width - 1, height - 1)
                shade = QColor("#34a853" if i == j else "#d93025")
                shade.setAlphaF(min(1.0, 0.9 * count / total + (0.08 if count else 0)))
                painter.fillRect(cell, base)
                painter.fillRect(cell, shade)
                shown = number(count)
                if count and width >= self.fontMetrics().horizontalAdvance(shown) + 4:
                    painter.drawText(cell, Qt.AlignmentFlag.AlignCenter, shown)

    def event(self, event: QEvent) -> bool:
        """Name the cell under the cursor."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent) and self._counts:
            left, top, width, height = self._grid()
            column, line = int((event.x() - left) // width), int((event.y() - top) // height)
            if 0 <= line < len(self._counts) and 0 <= column < len(self._counts):
                text = self.tr("{} pixels of {} are mapped as {}").format(
                    number(self._counts[line][column]),
                    self._classes[line].name,
                    self._classes[column].name,
                )
                QToolTip.showText(event.globalPos(), text, self)
                return True
        return super().event(event)
