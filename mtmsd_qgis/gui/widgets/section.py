"""A part of the dock that folds and always says its state in a line."""

from __future__ import annotations

from collections.abc import Callable

from qgis.core import QgsApplication, QgsSettings
from qgis.PyQt.QtCore import QSize, Qt, pyqtSignal
from qgis.PyQt.QtGui import QColor, QIcon, QPainter, QPixmap
from qgis.PyQt.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ...common.translation import tr
from .state_line import StateLine

TODO, NEXT, BUSY, DONE, WRONG = "todo", "next", "busy", "done", "wrong"
WARNED = "warned"
AMBER = "#f29900"
_COLORS = {
    TODO: "#9aa0a6",
    NEXT: "#1e88e5",
    BUSY: AMBER,
    WARNED: AMBER,
    DONE: "#34a853",
    WRONG: "#d93025",
}


class Section(QWidget):
    """A title with a fold arrow, a coloured dot, a line of state, and a body.

    Parameters
    ----------
    name : str
        The section's ``objectName``; its parts' names begin with it.
    warns : bool
        Whether place is kept for what the engine may warn of.
    """

    state_changed = pyqtSignal()

    def __init__(
        self,
        name: str,
        parent: QWidget | None = None,
        *,
        is_open: bool = True,
        warns: bool = False,
    ) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._setting = f"mtmsd/dock/{name}Open"
        self._failure: tuple[str, object] = ("", None)
        self._fold = QToolButton()
        self._fold.setObjectName(f"{name}Fold")
        self._fold.setAutoRaise(True)
        self._fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._fold.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._fold.setToolTip(tr("Fold or unfold this section"))
        font = self._fold.font()
        font.setBold(True)
        self._fold.setFont(font)
        self._fold.clicked.connect(self._toggle)

        self._dot = QLabel()
        self._dot.setFixedWidth(16)
        self._state = StateLine()
        self._state.setObjectName(f"{name}State")
        self._warnings = StateLine(2, tr("What the engine warned of"))
        self._warnings.setObjectName(f"{name}Warnings")
        bar = QFrame()
        bar.setFixedWidth(3)
        bar.setStyleSheet(f"background: {AMBER}")
        self._warnings_line = QWidget()
        warned = row(bar, self._warnings, stretch=1)
        warned.setContentsMargins(8, 0, 4, 0)
        self._warnings_line.setLayout(warned)
        if warns:
            keep_place(self._warnings_line)
        self._warnings_line.hide()

        self.body = QWidget()
        self.rows = QVBoxLayout(self.body)
        self.rows.setContentsMargins(8, 2, 4, 6)
        self.rows.setSpacing(6)

        header = QHBoxLayout()
        header.setContentsMargins(0, 0, 4, 0)
        header.setSpacing(4)
        header.addWidget(self._fold, 1)
        header.addWidget(self._dot)
        state = QHBoxLayout()
        state.setContentsMargins(8, 0, 4, 0)
        state.addWidget(self._state)
        line = QFrame()
        line.setFrameShape(QFrame.Shape.HLine)
        line.setFrameShadow(QFrame.Shadow.Sunken)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(header)
        layout.addLayout(state)
        layout.addWidget(self._warnings_line)
        layout.addWidget(self.body)
        layout.addWidget(line)
        self.set_state(TODO, "")
        self.set_open(QgsSettings().value(self._setting, is_open, type=bool))

    def _toggle(self) -> None:
        self.set_open(not self.is_open)
        QgsSettings().setValue(self._setting, self.is_open)

    def set_title(self, title: str) -> None:
        """Set the translated title."""
        self._fold.setText(title)

    @property
    def title(self) -> str:
        """The translated title."""
        return self._fold.text()

    @property
    def state(self) -> str:
        """The sentence that the line of state shows."""
        return self._state.text()

    @property
    def is_open(self) -> bool:
        """Whether the body is unfolded."""
        return not self.body.isHidden()

    def set_open(self, is_open: bool) -> None:
        """Fold or unfold the body."""
        arrow = Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow
        self._fold.setArrowType(arrow)
        self.body.setVisible(is_open)

    def set_state(self, kind: str, sentence: str) -> None:
        """Show the line of state; ``kind`` is one of TODO, NEXT, BUSY, DONE, WRONG, WARNED."""
        self.kind = kind
        if kind == BUSY:  # a new attempt
            self.fail("", None)
        self._state.setText(sentence)
        shown = WARNED if kind == DONE and self._warnings.text() else kind
        self._dot.setPixmap(_dot(_COLORS[shown], self.devicePixelRatioF()))
        meanings = {
            TODO: tr("Not yet possible"),
            NEXT: tr("Ready: this can be done now"),
            BUSY: tr("Running"),
            DONE: tr("Done"),
            WRONG: tr("Needs attention"),
            WARNED: tr("Done, with warnings"),
        }
        self._dot.setToolTip(meanings[shown])
        self.state_changed.emit()

    def warn(self, sentences: tuple[str, ...]) -> None:
        """Show what the engine warned of, until the next attempt; what is done is amber then."""
        self._warnings.setText("\n".join(sentences))
        self._warnings_line.setVisible(bool(sentences))
        self.set_state(self.kind, self._state.text())

    def fail(self, sentence: str, about: object) -> None:
        """Keep what went wrong (empty: nothing) until the next attempt; see :meth:`failure`."""
        self._failure = (sentence, about)

    def failure(self, about: Callable[[], object]) -> str:
        """Return what went wrong if it was about the same thing; asked for only if needed."""
        sentence, then = self._failure
        return sentence if sentence and about() == then else ""


def row(*widgets: QWidget, stretch: int = -1) -> QHBoxLayout:
    """Return a horizontal layout of the widgets; ``stretch`` is the index that grows."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for index, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if index == stretch else 0)
    return layout


def keep_place(*widgets: QWidget) -> None:
    """Let hidden widgets keep their place, so that what is below them does not move."""
    for widget in widgets:
        policy = widget.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        widget.setSizePolicy(policy)


def tool_button(name: str, icon: str, tip: str) -> QToolButton:
    """Return a flat button with one of QGIS's icons; its property ``tip`` keeps the tooltip."""
    button = QToolButton()
    button.setObjectName(name)
    button.setIcon(QgsApplication.getThemeIcon(f"/{icon}.svg"))
    button.setToolTip(tip)
    button.setProperty("tip", tip)
    button.setAutoRaise(True)
    return button


def caption(text: str, buddy: QWidget) -> QLabel:
    """Return a label for a widget; an ampersand in the text makes a mnemonic."""
    label = QLabel(text)
    label.setBuddy(buddy)
    label.setToolTip(buddy.toolTip())
    return label


def color_icon(color: str, size: int = 14) -> QIcon:
    """Return a square of the colour as an icon."""
    pixmap = QPixmap(QSize(size, size))
    pixmap.fill(QColor(color))
    return QIcon(pixmap)


def _dot(color: str, ratio: float) -> QPixmap:
    side = 10
    pixmap = QPixmap(round(side * ratio), round(side * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(color))
    painter.drawEllipse(1, 1, side - 2, side - 2)
    painter.end()
    return pixmap
