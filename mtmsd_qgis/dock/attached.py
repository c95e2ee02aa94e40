"""A job that an earlier QGIS started, watched and canceled from this one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.PyQt.QtCore import QElapsedTimer, QObject, QTimer, pyqtSignal

from ..engine.job import CANCELED as JOB_CANCELED
from ..engine.job import DONE as JOB_DONE
from ..engine.job import Job
from .runs import CANCELED, DONE, FAILED, Ended


class Attached(QObject):
    """Looks like a :class:`.runs.Run` to the job strip."""

    progressed = pyqtSignal(float)
    titled = pyqtSignal(str)
    told = pyqtSignal(object)
    ended = pyqtSignal(object)

    def __init__(self, folder: Path, title: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.folder = folder
        self.title = title
        self._clock = QElapsedTimer()
        self._clock.start()
        self._job: Job | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(400)
        self._timer.timeout.connect(self._poll)

    @property
    def seconds(self) -> float:
        """Seconds since it was taken up."""
        return self._clock.elapsed() / 1000

    def start(self) -> Attached:
        """Begin to listen."""
        try:
            self._job = Job.attach(self.folder)
        except (OSError, ValueError) as error:
            text = str(error)
            QTimer.singleShot(0, lambda: self.ended.emit(Ended(FAILED, {}, text)))
            return self
        self._timer.start()
        return self

    def cancel(self) -> None:
        """Ask the engine to stop."""
        if self._job is not None:
            self._job.cancel()

    def _poll(self) -> None:
        for message in self._job.messages():
            self._hear(message)
        outcome = self._job.outcome
        if outcome is None:
            return
        self._timer.stop()
        status = {JOB_DONE: DONE, JOB_CANCELED: CANCELED}.get(outcome.status, FAILED)
        sentence = outcome.sentence if status == FAILED else ""
        self.ended.emit(Ended(status, outcome.results, sentence))

    def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "phase":
            self.titled.emit(str(message.get("title", "")))
        elif message["type"] == "progress" and message.get("total"):
            self.progressed.emit(100 * message["done"] / message["total"])
        self.told.emit(message)
