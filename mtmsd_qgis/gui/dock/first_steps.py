"""A card for newcomers: the steps in one line each, and which one is next; it closes for good."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.core import QgsSettings
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import QFrame, QGridLayout, QLabel, QToolButton, QWidget

from ..widgets.flow import Flow
from ..widgets.section import DONE, NEXT, WARNED, WRONG, Section
from ..widgets.state_line import StateLine

CLOSED_SETTING = "mtmsd/dock/firstStepsClosed"
TICK, ARROW = "\N{CHECK MARK}", "\N{BLACK RIGHT-POINTING TRIANGLE}"


class FirstSteps(QFrame):
    """Follows the sections; hidden once the user has closed it.

    Parameters
    ----------
    steps : sequence of (Section, str)
        The sections in their order, each with what is done there; a section without words
        counts, but has no line.
    optional : sequence of Section
        Those that are never next.
    """

    chosen = pyqtSignal(QWidget)
    """The section whose line was pressed."""
    sample_wanted = pyqtSignal()
    tutorial_wanted = pyqtSignal()

    def __init__(
        self,
        steps: Sequence[tuple[Section, str]],
        optional: Sequence[Section],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("mtmsdFirstSteps")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._steps = [section for section, _ in steps if section not in optional]
        self._marks: dict[Section, QLabel] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(6, 4, 4, 6)
        grid.setVerticalSpacing(1)
        grid.setColumnStretch(1, 1)
        title = QLabel(f"<b>{self.tr('First steps')}</b>")
        close = QToolButton()
        close.setObjectName("mtmsdFirstStepsClose")
        close.setText("\N{MULTIPLICATION SIGN}")
        close.setAutoRaise(True)
        close.setToolTip(self.tr("Close this card for good"))
        close.clicked.connect(self._close)
        grid.addWidget(title, 0, 0, 1, 2)
        grid.addWidget(close, 0, 2)
        for section, words in steps:
            if words:
                self._add_line(grid, section, words)
            section.state_changed.connect(self.refresh)
        self._next = StateLine()
        self._next.setObjectName("mtmsdFirstStepsNext")
        grid.addWidget(self._next, grid.rowCount(), 0, 1, 3)
        sample, tutorial = QToolButton(), QToolButton()
        sample.setText(self.tr("Try the Sample Scene"))
        sample.setObjectName("mtmsdFirstStepsSample")
        sample.setToolTip(
            self.tr("Open the scene that comes along, with classes and polygons, as a project")
        )
        sample.clicked.connect(lambda: self.sample_wanted.emit())
        tutorial.setText(self.tr("Tutorial"))
        tutorial.setObjectName("mtmsdFirstStepsTutorial")
        tutorial.setToolTip(self.tr("From the sample to a map, step by step, in the browser"))
        tutorial.clicked.connect(lambda: self.tutorial_wanted.emit())
        grid.addLayout(Flow(sample, tutorial), grid.rowCount(), 0, 1, 3)
        self.setVisible(not QgsSettings().value(CLOSED_SETTING, False, type=bool))
        self.refresh()

    def _add_line(self, grid: QGridLayout, section: Section, words: str) -> None:
        mark = QLabel()
        mark.setObjectName(f"{section.objectName()}Step")
        mark.setFixedWidth(mark.fontMetrics().horizontalAdvance(ARROW) + 4)
        mark.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        line = QLabel(f"<a href='#'>{section.title}</a>: {words}")
        line.setWordWrap(True)
        line.setToolTip(self.tr("Go to this section"))
        line.linkActivated.connect(lambda _link, section=section: self.chosen.emit(section))
        place = grid.rowCount()
        grid.addWidget(mark, place, 0)
        grid.addWidget(line, place, 1, 1, 2)
        self._marks[section] = mark

    @property
    def next_step(self) -> Section | None:
        """The first section that can be worked on now."""
        return next((s for s in self._steps if s.kind in (NEXT, WRONG)), None)

    def refresh(self) -> None:
        """Tick what is done, point at what is next; no line changes its height."""
        chosen = self.next_step
        for section, mark in self._marks.items():
            is_done = section.kind in (DONE, WARNED)
            mark.setText(ARROW if section is chosen else TICK if is_done else "")
        if chosen is None:
            self._next.setText(self.tr("Nothing waits for you."))
        else:
            self._next.setText(self.tr("Next, {}: {}").format(chosen.title, chosen.state))

    def _close(self) -> None:
        QgsSettings().setValue(CLOSED_SETTING, True)
        self.hide()
