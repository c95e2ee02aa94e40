"""Short work in another thread, its answer on the main thread."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

from qgis.core import Qgis, QgsMessageLog
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QCoreApplication, QObject, QRunnable, QThreadPool, pyqtSignal

TAG = "MTMSD"
THREADS = 4
_running: set[Background] = set()  # Qt keeps the C++ half only
_pool = QThreadPool()
_pool.setMaxThreadCount(THREADS)


class Background(QObject):
    """Runs ``work()`` in a thread and then ``done(answer, error)`` on the main thread.

    ``error`` is None or the sentence of the exception. ``work`` must touch no widget and no
    layer. An answer that comes after its ``owner`` was deleted (the plugin was unloaded) is
    dropped. Not a QgsTask, nor Qt's global pool, whose threads QGIS's tasks share: a task that
    hangs (as those of a batch dialog that failed do) would hold the dock's work for ever.
    """

    _ended = pyqtSignal(object, object, str)

    def __init__(
        self,
        work: Callable[[], Any],
        done: Callable[[Any, str | None], None] | None = None,
        owner: QObject | None = None,
    ) -> None:
        # Qt owns it and deletes it on the main thread; Python's last reference may end in another
        super().__init__(QCoreApplication.instance())
        self._done = done
        self._owner = owner
        self._runnable = _Runnable(work, self._ended.emit)
        self._ended.connect(self._finish)

    def start(self, *, own_thread: bool = False) -> Background:
        """Give the work to the plugin's threads; to one that QGIS's end does not wait for."""
        _running.add(self)
        if own_thread:
            threading.Thread(target=self._runnable.run, name="mtmsd-work", daemon=True).start()
        else:
            _pool.start(self._runnable)
        return self

    def _finish(self, answer: Any, error: str | None, trace: str) -> None:
        _running.discard(self)
        self.deleteLater()
        if trace:
            QgsMessageLog.logMessage(trace, TAG, Qgis.MessageLevel.Warning)
        unwanted = self._owner is not None and sip.isdeleted(self._owner)
        if self._done is not None and not unwanted:
            self._done(answer, error)


class _Runnable(QRunnable):
    def __init__(self, work: Callable[[], Any], ended: Callable[..., None]) -> None:
        super().__init__()
        self.setAutoDelete(False)
        self._work = work
        self._ended = ended

    def run(self) -> None:
        try:
            self._ended(self._work(), None, "")
        except Exception as error:  # whatever it is, it must not end QGIS
            self._ended(None, str(error) or type(error).__name__, traceback.format_exc())
