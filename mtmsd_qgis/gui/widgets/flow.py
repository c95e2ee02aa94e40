"""Buttons side by side that take another row where a language's words need it."""

from __future__ import annotations

from qgis.PyQt.QtCore import QRect, QSize, Qt
from qgis.PyQt.QtWidgets import QLayout, QLayoutItem, QWidget

SPACING = 4


class Flow(QLayout):
    """Fills each row, and begins another where the next widget would be cut off."""

    def __init__(self, *widgets: QWidget) -> None:
        super().__init__()
        self._items: list[QLayoutItem] = []
        self.setContentsMargins(0, 0, 0, 0)
        for widget in widgets:
            self.addWidget(widget)

    def addItem(self, item: QLayoutItem) -> None:
        """Put an item at the end."""
        self._items.append(item)

    def count(self) -> int:
        """Return how many items there are."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """Return an item."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        """Take an item away."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        """Return the direction in which it uses more room than it needs."""
        return Qt.Orientation.Horizontal

    def hasHeightForWidth(self) -> bool:
        """Whether its height follows from its width."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Return the height of the rows."""
        rows = self._rows(width)
        heights = [max(item.sizeHint().height() for item in row) for row in rows]
        return sum(heights) + SPACING * max(0, len(rows) - 1)

    def sizeHint(self) -> QSize:
        """Return the size of a single row."""
        hints = [item.sizeHint() for item in self._shown()]
        width = sum(hint.width() for hint in hints) + SPACING * max(0, len(hints) - 1)
        return QSize(width, max((hint.height() for hint in hints), default=0))

    def minimumSize(self) -> QSize:
        """Return the size of the widest item."""
        hints = [item.sizeHint() for item in self._shown()]
        return QSize(
            max((hint.width() for hint in hints), default=0),
            max((hint.height() for hint in hints), default=0),
        )

    def setGeometry(self, rect: QRect) -> None:
        """Place the items, each row as wide as there is room."""
        super().setGeometry(rect)
        y = rect.y()
        for row in self._rows(rect.width()):
            hints = [item.sizeHint() for item in row]
            spare = rect.width() - sum(h.width() for h in hints) - SPACING * (len(row) - 1)
            x, height = rect.x(), max(hint.height() for hint in hints)
            for index, (item, hint) in enumerate(zip(row, hints)):
                share = max(0, spare) * (index + 1) // len(row) - max(0, spare) * index // len(row)
                item.setGeometry(QRect(x, y, hint.width() + share, height))
                x += hint.width() + share + SPACING
            y += height + SPACING

    def _shown(self) -> list[QLayoutItem]:
        return [item for item in self._items if not item.isEmpty()]

    def _rows(self, width: int) -> list[list[QLayoutItem]]:
        rows: list[list[QLayoutItem]] = []
        used = 0
        for item in self._shown():
            wanted = item.sizeHint().width()
            if rows and used + SPACING + wanted <= width:
                rows[-1].append(item)
                used += SPACING + wanted
            else:
                rows.append([item])
                used = wanted
        return rows
