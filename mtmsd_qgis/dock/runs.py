"""Starts Processing algorithms in the background and tells how they go."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsApplication,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
)
from qgis.PyQt.QtCore import QCoreApplication, QElapsedTimer, QObject, QTimer, pyqtSignal

DONE, FAILED, CANCELED = "done", "failed", "canceled"


@dataclass(frozen=True)
class Ended:
    """How a run ended; ``sentence`` says why it failed."""

    status: str
    results: dict[str, Any] = field(default_factory=dict)
    sentence: str = ""


class _Feedback(QgsProcessingFeedback):
    """Hands what the algorithm says to the main thread."""

    titled = pyqtSignal(str)
    told = pyqtSignal(object)
    started = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__(False)
        self.error = ""

    def job_message(self, message: dict[str, Any]) -> None:
        """Take a message of the engine; the algorithms look for this method."""
        self.told.emit(message)

    def job_started(self, folder: Path) -> None:
        """Take the job's folder; the algorithms look for this method."""
        self.started.emit(folder)

    def setProgressText(self, text: str) -> None:
        """Take the title of the present phase."""
        super().setProgressText(text)
        self.titled.emit(text)

    def reportError(self, error: str, fatalError: bool = False) -> None:
        """Keep the last error: it is the sentence that the algorithm raised."""
        self.error = error.strip()
        super().reportError(error, fatalError)


class Run(QObject):
    """One algorithm at work.

    Parameters
    ----------
    algorithm : str
        Such as ``mtmsd:pretrain``.
    parameters : dict
        The algorithm's parameters.
    title : str
        Translated; shown in the job strip.
    """

    progressed = pyqtSignal(float)
    """Percent."""
    titled = pyqtSignal(str)
    """The present phase, for people."""
    told = pyqtSignal(object)
    """A message of the engine: metric, progress, warning …"""
    ended = pyqtSignal(object)
    """An :class:`Ended`; the last signal of a run."""

    def __init__(
        self,
        algorithm: str,
        parameters: dict[str, Any],
        title: str,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.title = title
        self.pausing = False
        self.answer: dict[str, Any] = {}
        """The engine's own results: more than the algorithm's outputs."""
        self.folder: Path | None = None
        self._algorithm = algorithm
        self._parameters = parameters
        self._clock = QElapsedTimer()
        self._feedback = _Feedback()
        self._feedback.progressChanged.connect(self.progressed)
        self._feedback.titled.connect(self.titled)
        self._feedback.told.connect(self._tell)
        self._feedback.started.connect(self._started)

    def start(self) -> Run:
        """Start in the background; failures before the start end the run like later ones."""
        algorithm = QgsApplication.processingRegistry().createAlgorithmById(self._algorithm)
        if algorithm is None:
            return self._refuse(self.tr("The Processing provider of MTMSD is not loaded."))
        can, reason = algorithm.canExecute()
        if not can:
            return self._refuse(reason)
        self._context = QgsProcessingContext()
        self._context.setProject(QgsProject.instance())
        self._context.setFeedback(self._feedback)
        ok, reason = algorithm.checkParameterValues(self._parameters, self._context)
        if not ok:
            return self._refuse(reason)
        self._clock.start()
        self._task = QgsProcessingAlgRunnerTask(
            algorithm, self._parameters, self._context, self._feedback
        )
        self._task.setDescription(self.title)
        self._task.executed.connect(self._executed)
        QgsApplication.taskManager().addTask(self._task)
        return self

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self._clock.elapsed() / 1000 if self._clock.isValid() else 0.0

    def cancel(self) -> None:
        """Ask the algorithm to stop; what was learned up to then is kept."""
        self._feedback.cancel()

    def _started(self, folder: Path) -> None:
        self.folder = folder

    def _tell(self, message: dict[str, Any]) -> None:
        if message["type"] == "done":
            self.answer = message.get("results") or {}
        self.told.emit(message)

    def _refuse(self, sentence: str) -> Run:
        QTimer.singleShot(0, lambda: self._end(Ended(FAILED, {}, sentence)))
        return self

    def _executed(self, ok: bool, results: dict[str, Any]) -> None:
        if ok and not self._feedback.isCanceled():
            self._end(Ended(DONE, results))
        elif self._feedback.isCanceled():
            self._end(Ended(CANCELED, results))
        else:
            text = self._feedback.error or self.tr("The algorithm failed; see its log.")
            self._end(Ended(FAILED, results, text))

    def _end(self, outcome: Ended) -> None:
        self.ended.emit(outcome)


def duration(seconds: float) -> str:
    """Return a time for people: 40 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return QCoreApplication.translate("duration", "{} s").format(max(1, round(seconds)))
    minutes = round(seconds / 60)
    if minutes < 90:
        return QCoreApplication.translate("duration", "{} min").format(minutes)
    if minutes < 48 * 60:
        return QCoreApplication.translate("duration", "{} h {} min").format(
            minutes // 60, minutes % 60
        )
    return QCoreApplication.translate("duration", "{} days").format(round(minutes / 1440))
