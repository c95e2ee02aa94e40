"""What runs now: the one list of the dock's jobs, which its sections and its strip share."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from qgis.PyQt.QtCore import QObject, pyqtSignal

from .attached_job import Attached
from .runs import Ended, Run


class RunningJobs(QObject):
    """The runs that are watched, in the order of their start."""

    added = pyqtSignal(object)
    """A run that is watched from now on."""
    removed = pyqtSignal(object)
    """A run that is watched no more: it has ended, or another watches it."""
    finished = pyqtSignal(object, object)
    """A run that has ended, and its :class:`.runs.Ended`; after :attr:`removed`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.runs: list[Run | Attached] = []

    def watch(self, run: Run | Attached) -> None:
        """List a run until it has ended."""
        self.runs.append(run)
        self.added.emit(run)
        run.ended.connect(partial(self._ended, run))

    def forget(self, folder: Path) -> None:
        """List an attached job no more: a section takes it up itself."""
        for run in list(self.runs):
            if isinstance(run, Attached) and run.folder == folder:
                run.leave(0)
                self._remove(run)

    def _ended(self, run: Run | Attached, outcome: Ended) -> None:
        if run in self.runs:
            self._remove(run)
            self.finished.emit(run, outcome)

    def _remove(self, run: Run | Attached) -> None:
        self.runs.remove(run)
        self.removed.emit(run)
