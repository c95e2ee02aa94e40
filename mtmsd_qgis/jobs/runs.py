"""Starts Processing algorithms in the background and tells how they go."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from qgis.core import (
    QgsApplication,
    QgsMessageLog,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProject,
)
from qgis.PyQt.QtCore import (
    QElapsedTimer,
    QObject,
    QThread,
    QTimer,
    pyqtSignal,
)

from ..common.background import TAG
from ..engine.job import LetGoError
from ..engine.job_folders import CONTINUE, STOP
from ..engine.job_states import CANCELED, DONE, FAILED
from ..engine.messages import Message
from ..engine.owner import DOCK


@dataclass(frozen=True)
class Ended:
    """How a run ended: DONE, FAILED or CANCELED.

    Attributes
    ----------
    results : dict
        The algorithm's outputs, or the engine's results for a job that was taken up.
    sentence : str
        Why it failed.
    warnings : tuple of str
        What the engine warned of, each sentence once; a job with warnings is amber.
    """

    status: str
    results: dict[str, Any] = field(default_factory=dict)
    sentence: str = ""
    warnings: tuple[str, ...] = ()


class Warnings(list):
    """The sentences that the engine warned with, each once."""

    def take(self, message: Message) -> bool:
        """Keep a message that is a warning about the job; tell whether it is a new one."""
        text = str(message.get("message", "")).strip()
        is_new = message["type"] == "warning" and not message.get("passing") and text not in self
        if is_new:
            self.append(text)
        return is_new


class _Feedback(QgsProcessingFeedback):
    """Hands what the algorithm says to the main thread."""

    titled = pyqtSignal(str)
    told = pyqtSignal(object)
    started = pyqtSignal(object)

    def __init__(self, outlives: bool) -> None:
        super().__init__(False)
        self.when_parent_ends = CONTINUE if outlives else STOP
        self.place = DOCK
        self.error = ""
        self.left = False
        self._has_started = False

    def isCanceled(self) -> bool:
        """Whether the job shall stop; once it is left to itself, nobody follows it any more."""
        if self.left and self._has_started:
            raise LetGoError
        return self.left or super().isCanceled()

    def job_message(self, message: dict[str, Any]) -> None:
        """Take a message of the engine; the algorithms look for this method."""
        self.told.emit(message)

    def job_started(self, folder: Path) -> None:
        """Take the job's folder; the algorithms look for this method."""
        self._has_started = True
        self.started.emit(folder)

    def setProgressText(self, text: str) -> None:
        """Take the title of the present phase."""
        super().setProgressText(text)
        self.titled.emit(text)

    def reportError(self, error: str, fatalError: bool = False) -> None:
        """Keep the last error: it is the sentence that the algorithm raised."""
        self.error = error.strip()
        super().reportError(error, fatalError)


class _Work(QThread):
    """Runs a prepared algorithm; not a QgsTask, which keeps QGIS from closing."""

    alive: ClassVar[set[_Work]] = set()

    def __init__(
        self,
        algorithm: QgsProcessingAlgorithm,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: _Feedback,
    ) -> None:
        super().__init__()
        self.ok = False
        self.results: dict[str, Any] = {}
        self._arguments = parameters, context, feedback
        self._algorithm = algorithm
        self.finished.connect(self._forget)

    def prepare(self) -> bool:
        """Take from the layers what is needed; on the main thread."""
        return bool(self._algorithm.prepare(*self._arguments))

    def run(self) -> None:
        """Run; QThread calls this in its thread."""
        feedback = self._arguments[2]
        try:
            self.results = self._algorithm.runPrepared(*self._arguments)
            self.ok = True
        except QgsProcessingException as error:
            feedback.reportError(str(error))
        except Exception as error:  # whatever it is, it must not end QGIS
            feedback.reportError(str(error) or type(error).__name__)
            QgsMessageLog.logMessage(traceback.format_exc(), TAG)
        finally:
            del self, feedback  # see EngineAlgorithm.processAlgorithm

    def begin(self) -> None:
        """Start the thread and keep it: what Qt still runs must not be deleted."""
        self.alive.add(self)
        self.start()

    def _forget(self) -> None:
        self.alive.discard(self)


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
    outlives : bool
        Whether the engine goes on when QGIS ends: the dock asks before QGIS is closed, and
        takes the job up again.
    """

    progressed = pyqtSignal(float)
    """Percent."""
    titled = pyqtSignal(str)
    """The present phase, for people."""
    told = pyqtSignal(object)
    """A message of the engine: metric, progress, warning …"""
    started = pyqtSignal(object)
    """The job's folder."""
    warned = pyqtSignal(object)
    """All warnings up to now, a tuple of sentences."""
    ended = pyqtSignal(object)
    """An :class:`Ended`; the last signal of a run."""

    is_own = True
    """Whether it may be canceled without asking: it is of this QGIS."""

    def __init__(
        self,
        algorithm: str,
        parameters: dict[str, Any],
        title: str,
        parent: QObject | None = None,
        *,
        outlives: bool = True,
    ) -> None:
        super().__init__(parent)
        self.title = title
        self.outlives = outlives
        self.pausing = False
        self.answer: dict[str, Any] = {}
        """The engine's own results: more than the algorithm's outputs."""
        self.folder: Path | None = None
        self.warnings = Warnings()
        self._algorithm = algorithm
        self._parameters = parameters
        self._work: _Work | None = None
        self._clock = QElapsedTimer()
        self._feedback = _Feedback(outlives)
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
        self._work = _Work(algorithm, self._parameters, self._context, self._feedback)
        if not self._work.prepare():
            return self._refuse(self._feedback.error or self.tr("The algorithm cannot be started."))
        self._work.finished.connect(self._executed)
        self._work.begin()
        return self

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self._clock.elapsed() / 1000 if self._clock.isValid() else 0.0

    def cancel(self) -> None:
        """Ask the algorithm to stop, unless it was left; what was learned up to then is kept."""
        if not self._feedback.left:
            self._feedback.cancel()

    def leave(self, seconds: float) -> None:
        """Stop following the job, which goes on; wait so long for the thread that followed."""
        self._feedback.left = True
        self.wait(seconds)

    def release(self) -> None:
        """End with the plugin, which started it."""
        self.cancel()

    def wait(self, seconds: float) -> bool:
        """Wait for the end; tell whether it has come."""
        return self._work is None or bool(self._work.wait(round(1000 * seconds)))

    def _started(self, folder: Path) -> None:
        self.folder = folder
        self.started.emit(folder)

    def _tell(self, message: dict[str, Any]) -> None:
        if message["type"] == "done":
            self.answer = message.get("results") or {}
        if self.warnings.take(message):
            self.warned.emit(tuple(self.warnings))
        self.told.emit(message)

    def _refuse(self, sentence: str) -> Run:
        QTimer.singleShot(0, lambda: self._end(Ended(FAILED, {}, sentence)))
        return self

    def _executed(self) -> None:
        if self._feedback.left:
            return
        warnings = tuple(self.warnings)
        if self._work.ok:  # first: a cancel that came after the end changes nothing
            self._end(Ended(DONE, self._work.results, "", warnings))
        elif self._feedback.isCanceled():
            self._end(Ended(CANCELED, {}, "", warnings))
        else:
            text = self._feedback.error or self.tr("The algorithm failed; see its log.")
            self._end(Ended(FAILED, {}, text, warnings))

    def _end(self, outcome: Ended) -> None:
        self.ended.emit(outcome)
