"""A text in a place that never grows: what does not fit is in the tooltip."""

from __future__ import annotations

from qgis.PyQt.QtCore import QEvent, QPoint, QRect, QSize, Qt
from qgis.PyQt.QtGui import QPainter, QPaintEvent, QTextLayout
from qgis.PyQt.QtWidgets import QLabel, QSizePolicy, QWidget


class StateLine(QLabel):
    """A label of a fixed number of lines, so that nothing below it moves.

    Parameters
    ----------
    lines : int
        Its height.
    tip : str
        What the tooltip says below the whole text.
    """

    def __init__(self, lines: int = 2, tip: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines, self._tip = lines, tip
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setIndent(0)
        self.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._fix()

    def setText(self, text: str) -> None:
        """Show another text."""
        super().setText(text)
        self.setToolTip("\n".join(part for part in (text, self._tip) if part))

    def changeEvent(self, event: QEvent) -> None:
        """Keep the number of lines with another font."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fix()

    def _fix(self) -> None:
        self.setFixedHeight(self._lines * self.fontMetrics().lineSpacing() + 2)

    def minimumSizeHint(self) -> QSize:
        """Return a size that leaves the width to the others."""
        return QSize(20, self.height())

    def _fits(self) -> bool:
        """Tell without heightForWidth(), which asks a selectable label to be painted once more."""
        room = QRect(0, 0, self.width(), self.height())
        wrapped = int(Qt.TextFlag.TextWordWrap)
        needed = self.fontMetrics().boundingRect(room, wrapped, self.text())
        return needed.height() <= self.height() + 1

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the text, its last line with an ellipsis where there is more."""
        if self._fits():
            super().paintEvent(event)
            return
        text, metrics = self.text().replace("\n", " "), self.fontMetrics()
        layout = QTextLayout(text, self.font())
        layout.beginLayout()
        painter = QPainter(self)
        for index in range(self._lines):
            line = layout.createLine()
            line.setLineWidth(self.width())
            start = line.textStart()
            part = text[start : start + line.textLength()]
            if index == self._lines - 1:
                part = metrics.elidedText(text[start:], Qt.TextElideMode.ElideRight, self.width())
            painter.drawText(QPoint(0, metrics.ascent() + index * metrics.lineSpacing()), part)
        painter.end()
        layout.endLayout()
