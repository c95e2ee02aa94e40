"""The dock's first section while there is no engine that works; out of the way afterwards."""

from __future__ import annotations

from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QWidget

from ...engine.interpreter import BROKEN, CHECKING, OUTDATED, READY
from ..widgets.section import BUSY, DONE, NEXT, WRONG, Section
from .engine_text import word
from .panel import EnginePanel
from .setup_runner import EngineSetUp


class EngineSection(Section):
    """The panel under a title with a line of state."""

    became_ready = pyqtSignal()
    """The engine can be used now and could not before."""

    def __init__(self, set_up: EngineSetUp, parent: QWidget) -> None:
        super().__init__("mtmsdEngine", parent)
        self.set_title(self.tr("Engine"))
        self._set_up = set_up
        self._was_ready = True
        self.panel = EnginePanel(set_up, "mtmsdEnginePanel", self, is_small=True)
        self.rows.addWidget(self.panel)
        self.panel.state_changed.connect(self._refresh)
        self.hide()
        self._refresh()

    def _refresh(self) -> None:
        status, set_up = self.panel.state.status, self._set_up
        if set_up.is_running:
            self.set_state(BUSY, self.tr("Being set up"))
        else:
            kinds = {BROKEN: WRONG, OUTDATED: WRONG, READY: DONE, CHECKING: BUSY}
            text = word(self.panel.state)  # its nouns keep their capitals
            self.set_state(kinds.get(status, NEXT), text[:1].upper() + text[1:])
        if status == CHECKING and not set_up.is_running:
            return
        works = status in (READY, OUTDATED)
        self.setVisible(status != READY or set_up.is_running or set_up.is_verifying)
        if set_up.is_verifying:
            return  # a quick look is content sooner than the doctor
        if works and not self._was_ready:
            self.became_ready.emit()
        self._was_ready = works
