"""How far a set-up is, what its tools say, and how it ended."""

from __future__ import annotations

from qgis.gui import QgsCollapsibleGroupBox
from qgis.PyQt.QtGui import QFontDatabase, QTextOption
from qgis.PyQt.QtWidgets import QPlainTextEdit, QVBoxLayout, QWidget

from ...engine.devices import devices_of
from ...setup.installer import CANCELED, DONE
from .engine_info import SetUpProgress, plain_label
from .setup_runner import KEPT_LINES, EngineSetUp


class ProgressPage(QWidget):
    """Step and bytes while it runs, sentence and remedy after it, and the log."""

    def __init__(self, set_up: EngineSetUp, parent: QWidget) -> None:
        super().__init__(parent)
        self._set_up = set_up
        self._progress = SetUpProgress("mtmsdSetUp")
        self._sentence = plain_label("mtmsdSetUpSentence")
        bold = self._sentence.font()
        bold.setBold(True)
        self._sentence.setFont(bold)
        self._remedy = plain_label("mtmsdSetUpRemedy")
        self._log = QPlainTextEdit()
        self._log.setObjectName("mtmsdSetUpLog")
        self._log.setReadOnly(True)
        self._log.setTabChangesFocus(True)
        self._log.setMaximumBlockCount(KEPT_LINES)
        self._log.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self._log.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._log.setToolTip(self.tr("What the tools said"))
        box = QgsCollapsibleGroupBox(self.tr("Log"))
        box.setObjectName("mtmsdSetUpLogBox")
        box.setCollapsed(True)
        box.setSaveCollapsedState(False)
        QVBoxLayout(box).addWidget(self._log)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self._progress, self._sentence, self._remedy):
            column.addWidget(widget)
        column.addWidget(box, 1)
        column.addStretch(0)
        self._add_lines(list(set_up.log))
        set_up.logged.connect(self._add_lines)
        set_up.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show how it stands."""
        outcome = self._set_up.outcome
        self._progress.setVisible(self._set_up.is_running)
        self._progress.show_progress(self._set_up)
        for label, text in (
            (self._sentence, self._in_short() if outcome is not None else ""),
            (self._remedy, self._more() if outcome is not None else ""),
        ):
            label.setText(text)
            label.setVisible(bool(text))

    def _in_short(self) -> str:
        outcome = self._set_up.outcome
        if outcome.status == DONE:
            return self.tr("The engine is ready.")
        if outcome.status == CANCELED:
            return self.tr("Canceled; what was fetched is kept for the next time.")
        return outcome.sentence

    def _more(self) -> str:
        outcome = self._set_up.outcome
        if outcome.status != DONE:
            return outcome.remedy
        works = [device.title for device in devices_of(outcome.report) if device.ok]
        return self.tr("It computes on: {}. Open a scene and begin.").format("; ".join(works))

    def _add_lines(self, lines: list[str]) -> None:
        if not self._set_up.log or len(self._set_up.log) == len(lines):
            self._log.clear()  # another set-up
        if lines:
            self._log.appendPlainText("\n".join(lines))
