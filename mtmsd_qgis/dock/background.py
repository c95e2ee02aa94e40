"""Short work in another thread, its answer on the main thread."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from qgis.core import Qgis, QgsApplication, QgsMessageLog, QgsTask

TAG = "MTMSD"
_running: set[Background] = set()  # QGIS keeps the C++ half of a task only


class Background(QgsTask):
    """Runs ``work()`` in a thread and then ``done(answer, error)`` on the main thread.

    ``error`` is None or the sentence of the exception. ``work`` must touch no widget and no
    layer; ``done`` is not called after :meth:`forget`.
    """

    def __init__(
        self, title: str, work: Callable[[], Any], done: Callable[[Any, str | None], None]
    ) -> None:
        super().__init__(title, QgsTask.Flag.CanCancel)
        self._work: Callable[[], Any] = work
        self._done: Callable[[Any, str | None], None] | None = done
        self._answer: Any = None
        self._error: str | None = None

    def start(self) -> Background:
        """Give the work to QGIS's task manager."""
        _running.add(self)
        QgsApplication.taskManager().addTask(self)
        return self

    def forget(self) -> None:
        """Drop the answer when it comes."""
        self._done = None

    def run(self) -> bool:
        """Do the work; called by QGIS in a thread of its own."""
        try:
            self._answer = self._work()
        except Exception as error:  # whatever it is, it must not end QGIS
            self._error = str(error) or type(error).__name__
            self._trace = traceback.format_exc()
        return self._error is None

    def finished(self, ok: bool) -> None:
        """Hand over the answer; called by QGIS on the main thread."""
        _running.discard(self)
        if self._error is not None:
            QgsMessageLog.logMessage(self._trace, TAG, Qgis.MessageLevel.Warning)
        if self._done is not None and not self.isCanceled():
            self._done(self._answer, self._error)
