"""The window of Set Up Engine…: first the plan, after the click its progress."""

from __future__ import annotations

from qgis.core import QgsSettings
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from ...engine.interpreter import SETTING, EngineState
from ...setup.installer import DONE
from .engine_text import environment_of
from .plan_page import PlanPage
from .progress_page import ProgressPage
from .setup_runner import EngineSetUp


class SetUpDialog(QDialog):
    """Nothing happens before the click; closing it lets a set-up go on.

    Parameters
    ----------
    set_up : EngineSetUp
        The plugin's one; its last or present run is shown.
    state : EngineState
        The engine that is there; if it was set up here it is what will be replaced.
    """

    def __init__(self, set_up: EngineSetUp, state: EngineState, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setObjectName("mtmsdSetUpDialog")
        self.setWindowTitle(self.tr("Set Up the MTMSD Engine"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._set_up = set_up
        self._plan = PlanPage(environment_of(state), state.kind, self)
        self._progress = ProgressPage(set_up, self)
        self._pages = QStackedWidget()
        self._pages.addWidget(_scrolled(self._plan))
        self._pages.addWidget(self._progress)

        self._go = self._push("Go", self._begin)
        self._back = self._push("Back", self._show_plan)
        self._cancel = self._push("Cancel", set_up.cancel)
        self._close = self._push("Close", self.close)
        self._back.setText(self.tr("&Back"))
        self._back.setToolTip(self.tr("Choose otherwise: folder, device, source"))
        self._cancel.setText(self.tr("&Cancel"))
        self._cancel.setToolTip(self.tr("Stop; what was fetched is kept for the next time"))
        buttons = QHBoxLayout()
        buttons.addWidget(self._back)
        buttons.addStretch(1)
        for button in (self._go, self._cancel, self._close):
            buttons.addWidget(button)
        column = QVBoxLayout(self)
        column.addWidget(self._pages, 1)
        column.addLayout(buttons)
        self.resize(520, 640)

        self._plan.offered.connect(self._refresh)
        set_up.changed.connect(self._refresh)
        if set_up.is_running or self._has_trouble():
            self._pages.setCurrentIndex(1)
        self._refresh()

    def _push(self, part: str, slot: object) -> QPushButton:
        button = QPushButton()
        button.setObjectName(f"mtmsdSetUp{part}")
        button.setAutoDefault(False)
        button.clicked.connect(lambda: slot())
        return button

    def _has_trouble(self) -> bool:
        outcome = self._set_up.outcome
        return outcome is not None and outcome.status != DONE and self._set_up.plan is not None

    def _shows_plan(self) -> bool:
        return self._pages.currentIndex() == 0

    def _show_plan(self) -> None:
        self._pages.setCurrentIndex(0)
        self._refresh()

    def _refresh(self) -> None:
        running, planning = self._set_up.is_running, self._shows_plan()
        self._cancel.setVisible(running and not planning)
        in_trouble = not running and not planning and self._has_trouble()
        self._back.setVisible(in_trouble)
        self._go.setVisible(planning or in_trouble)
        self._go.setText(self._go_words())
        reason = self._why_not() if planning else ""
        self._go.setEnabled(not reason)
        self._go.setToolTip(reason or self.tr("Begin: now something is fetched and written"))
        self._close.setText(self.tr("C&lose"))
        goes_on = self.tr("Close this window; the set-up goes on and the dock shows it")
        self._close.setToolTip(goes_on if running else self.tr("Close this window"))

    def _go_words(self) -> str:
        if not self._shows_plan():
            return self.tr("&Try Again")
        offer = self._plan.offer
        existing = offer is not None and offer.existing is not None
        return self.tr("&Use This Python") if existing else self.tr("&Set Up")

    def _why_not(self) -> str:
        if self._set_up.is_running:
            return self.tr("Wait until the engine is set up.")
        offer = self._plan.offer
        if offer is None:
            return self._plan.problem or self.tr("Wait: this machine is being looked at.")
        if self._plan.plan is None and offer.existing is None:
            return self.tr("This cannot be set up; the text above says why.")
        return ""

    def _begin(self) -> None:
        offer = self._plan.offer
        if not self._shows_plan():
            self._set_up.start(self._set_up.plan)
        elif offer is not None and offer.existing is not None:
            QgsSettings().setValue(SETTING, offer.existing.python)
            self._set_up.engine.recheck()
            self.close()
        else:
            self._pages.setCurrentIndex(1)
            self._set_up.start(self._plan.plan)


def _scrolled(page: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setObjectName("mtmsdSetUpScroll")
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(page)
    return area
