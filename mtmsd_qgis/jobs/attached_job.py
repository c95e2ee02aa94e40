"""A job that this QGIS's dock did not start, or an earlier one did: watched and canceled here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.PyQt.QtCore import QElapsedTimer, QObject, QTimer, pyqtSignal

from ..engine.job import CANCELED as JOB_CANCELED
from ..engine.job import DONE as JOB_DONE
from ..engine.job import Job
from ..engine.job_folders import is_running
from .runs import CANCELED, DONE, FAILED, Ended

POLL_MS, CATCH_UP_MS = 400, 20
START_SECONDS = 10.0
"""An engine that was just started has not yet said its process's number."""
MANY = 50
"""After so many messages at once there are probably more to catch up with."""


class Attached(QObject):
    """Looks like a :class:`.runs.Run`; the job may have ended already.

    All its messages are told, from the first on.
    """

    progressed = pyqtSignal(float)
    titled = pyqtSignal(str)
    told = pyqtSignal(object)
    ended = pyqtSignal(object)

    def __init__(self, folder: Path, title: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.folder = folder
        self.title = title
        self.pausing = False
        self.outlives = True
        self.answer: dict[str, Any] = {}
        self.was_running = is_running(folder)
        self._clock = QElapsedTimer()
        self._clock.start()
        self._job: Job | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(CATCH_UP_MS)
        self._timer.timeout.connect(self._poll)

    @property
    def seconds(self) -> float:
        """Seconds since it was taken up."""
        return self._clock.elapsed() / 1000

    def start(self) -> Attached:
        """Begin to listen."""
        self._timer.start()
        return self

    def cancel(self) -> None:
        """Ask the engine to stop."""
        if self._job is not None:
            self._job.cancel()

    def leave(self, _seconds: float) -> None:
        """Stop listening; the job goes on."""
        self._timer.stop()
        self._job = None

    def wait(self, _seconds: float) -> bool:
        """Tell whether the job has ended; there is no thread to wait for."""
        return not is_running(self.folder)

    def _attach(self) -> None:
        try:
            self._job = Job.attach(self.folder)
        except (OSError, ValueError):
            if self.seconds > START_SECONDS:
                self._timer.stop()
                text = self.tr("The job in {} was never begun.").format(self.folder)
                self.ended.emit(Ended(FAILED, {}, text))

    def _poll(self) -> None:
        if self._job is None:
            self._attach()
            return
        messages = self._job.messages()
        self._timer.setInterval(CATCH_UP_MS if len(messages) > MANY else POLL_MS)
        last = {m["type"]: m for m in messages}
        for message in messages:
            if message["type"] != "progress" or message is last["progress"]:
                self._hear(message)
        outcome = self._job.outcome
        if outcome is None:
            return
        self._timer.stop()
        self.answer = outcome.results
        status = {JOB_DONE: DONE, JOB_CANCELED: CANCELED}.get(outcome.status, FAILED)
        sentence = outcome.sentence if status == FAILED else ""
        self.ended.emit(Ended(status, outcome.results, sentence))

    def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "phase":
            self.titled.emit(str(message.get("title", "")))
        elif message["type"] == "progress" and message.get("total"):
            self.progressed.emit(100 * message["done"] / message["total"])
        self.told.emit(message)
