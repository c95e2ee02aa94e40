"""A job that this QGIS's dock did not start, or an earlier one did: watched and canceled here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.PyQt.QtCore import QElapsedTimer, QObject, QTimer, pyqtSignal

from ..engine.job import Job
from ..engine.job_folders import CONTINUE, START_SECONDS, is_running, read_note
from ..engine.job_states import FAILED
from ..engine.owner import LEFT_BEHIND, OTHERS, whose
from .runs import Ended, Warnings

POLL_MS, CATCH_UP_MS = 400, 20
MANY = 50
"""After so many messages at once there are probably more to catch up with."""


class Attached(QObject):
    """Looks like a :class:`.runs.Run`; the job may have ended already.

    All its messages are told, from the first on.

    Attributes
    ----------
    is_own : bool
        Whether it is of this QGIS, or of one that has ended; another's is canceled only with
        :meth:`cancel_of_others`.
    outlives : bool
        Whether it goes on when this QGIS ends, and is no other's: then the dock asks.
    """

    progressed = pyqtSignal(float)
    titled = pyqtSignal(str)
    told = pyqtSignal(object)
    warned = pyqtSignal(object)
    ended = pyqtSignal(object)

    def __init__(self, folder: Path, title: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.folder = folder
        self.title = title
        self.pausing = False
        note = read_note(folder)
        self.owner = note.owner
        relation = whose(note.owner)
        self.is_own = relation != OTHERS
        left = relation == LEFT_BEHIND
        self.outlives = left or (self.is_own and note.when_parent_ends == CONTINUE)
        self.answer: dict[str, Any] = {}
        self.warnings = Warnings()
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
        """Ask the engine to stop, unless the job is another's."""
        if self.is_own:
            self.cancel_of_others()

    def cancel_of_others(self) -> None:
        """Ask the engine to stop, whosever the job is; the user was asked before."""
        if self._job is None:
            self._attach()
        if self._job is not None:
            self._job.cancel()

    def release(self) -> None:
        """Let it go on without the plugin, which did not start it."""
        self.leave(0)

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
        if self._job is None:
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
        sentence = outcome.sentence if outcome.status == FAILED else ""
        warnings = tuple(self.warnings)
        self.ended.emit(Ended(outcome.status, outcome.results, sentence, warnings))

    def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "phase":
            self.titled.emit(str(message.get("title", "")))
        elif message["type"] == "progress" and message.get("total"):
            self.progressed.emit(100 * message["done"] / message["total"])
        if self.warnings.take(message):
            self.warned.emit(tuple(self.warnings))
        self.told.emit(message)
