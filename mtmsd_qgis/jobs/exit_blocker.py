"""Asks what shall become of running jobs before QGIS closes."""

from __future__ import annotations

from qgis.gui import QgsApplicationExitBlockerInterface
from qgis.PyQt.QtWidgets import QMessageBox, QWidget

from ..common.translation import tr
from .running_jobs import RunningJobs

CANCEL_SECONDS = 4.0
"""How long QGIS waits for canceled jobs; the engine ends itself when its own grace is over."""
LEAVE_SECONDS = 2.0


class ClosingQuestion(QgsApplicationExitBlockerInterface):
    """QGIS asks it before it closes; it asks the user, where a job runs.

    Parameters
    ----------
    running : RunningJobs
        What runs.
    window : QWidget
        Over which the question is shown.
    """

    def __init__(self, running: RunningJobs, window: QWidget) -> None:
        super().__init__()
        self._running = running
        self._window = window

    def allowExit(self) -> bool:
        """Return whether QGIS may close."""
        runs = [run for run in self._running.runs if run.outlives]
        if not runs:
            return True
        box = QMessageBox(self._window)
        box.setObjectName("mtmsdClosing")
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle(tr("Jobs Are Running"))
        box.setText("\n".join([tr("The engine is at work:"), *(f"• {run.title}" for run in runs)]))
        box.setInformativeText(tr("A job that goes on is taken up again when QGIS is next opened."))
        on = box.addButton(tr("&Let It Go On"), QMessageBox.ButtonRole.AcceptRole)
        cancel = box.addButton(tr("&Cancel Job"), QMessageBox.ButtonRole.DestructiveRole)
        stay = box.addButton(tr("&Stay in QGIS"), QMessageBox.ButtonRole.RejectRole)
        for button, name in ((on, "GoOn"), (cancel, "Cancel"), (stay, "Stay")):
            button.setObjectName(f"mtmsdClosing{name}")
        box.setDefaultButton(stay)
        box.setEscapeButton(stay)
        box.exec()
        chosen = box.clickedButton()
        if chosen is cancel:
            for run in runs:
                run.cancel()
            for run in runs:
                run.wait(CANCEL_SECONDS)
        if chosen in (on, cancel):
            for run in runs:
                run.leave(LEAVE_SECONDS)
        return chosen in (on, cancel)
