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
_running: set[Background] = set()  # Qt keeps the C++ half only


class Background(QObject):
    """Runs ``work()`` in a thread and then ``done(answer, error)`` on the main thread.

    ``error`` is None or the sentence of the exception. ``work`` must touch no widget and no
    layer. An answer that comes after its ``owner`` was deleted (the plugin was unloaded) is
    dropped. Not a QgsTask: those flash in QGIS's status bar, and this work takes a fraction of
    a second.
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
        """Give the work to Qt's threads; to one of its own that QGIS's end does not wait for."""
        _running.add(self)
        if own_thread:
            threading.Thread(target=self._runnable.run, name="mtmsd-work", daemon=True).start()
        else:
            QThreadPool.globalInstance().start(self._runnable)
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
