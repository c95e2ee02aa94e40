"""What is done to the engine: set up, verified, removed; one thing at a time, in threads.

A set-up goes on when the dialog that began it is closed.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from dataclasses import replace
from functools import partial
from pathlib import Path

from qgis.core import QgsSettings
from qgis.PyQt.QtCore import QCoreApplication, QObject, QTimer, pyqtSignal

from ...common.background import Background
from ...common.folders import environment_folder
from ...engine.interpreter import (
    BROKEN,
    OUTDATED,
    READY,
    SETTING,
    VARIABLE,
    Engine,
    EngineState,
    find_interpreter,
)
from ...setup.doctor import Verdict, verify
from ...setup.installer import DONE, FAILED, Event, Installer, Outcome, remove
from ...setup.plan import SetupPlan

TOLD_MS = 100
MOST_AT_ONCE = 200
"""Events taken in one go, so that a talkative installer does not hold up QGIS's main thread."""
KEPT_LINES = 5000
ENDING_SECONDS = 8.0
"""How long QGIS waits at its end for the children of a set-up to be gone."""


class EngineSetUp(QObject):
    """Runs installer and doctor in threads and tells of them on the main thread.

    Attributes
    ----------
    plan : SetupPlan or None
        Of the set-up that runs or ran last.
    step, done, total : str, int, int
        The installer's step, and its bytes; ``total`` is 0 where they are not known.
    outcome : Outcome or None
        How the last one ended; None while one runs and before the first.
    log : deque of str
        The last lines that the tools wrote.
    verdict : Verdict or None
        What the doctor said last of the interpreter in use.
    """

    changed = pyqtSignal()
    """Something began, came to another step or byte, or ended."""
    logged = pyqtSignal(list)
    """New lines of the log."""

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.engine = engine
        self.plan: SetupPlan | None = None
        self.outcome: Outcome | None = None
        self.step, self.done, self.total = "", 0, 0
        self.log: deque[str] = deque(maxlen=KEPT_LINES)
        self.is_removing = False
        self.is_verifying = False
        self.verdict: Verdict | None = None
        self._verified = ""
        self._installer: Installer | None = None
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._over = threading.Event()
        self._timer = QTimer(self)
        self._timer.setInterval(TOLD_MS)
        self._timer.timeout.connect(self._take_events)
        QCoreApplication.instance().aboutToQuit.connect(self.release)

    @property
    def is_running(self) -> bool:
        """Whether an engine is being set up now."""
        return self._installer is not None

    def start(self, plan: SetupPlan) -> None:
        """Begin a set-up; one that failed or was canceled is continued where it stopped."""
        if self.is_running:
            return
        self.plan, self.outcome = plan, None
        self.step, self.done, self.total = "", 0, 0
        self.log.clear()
        self._installer = Installer(plan, self._events.put)
        self._over.clear()
        self._timer.start()
        work = partial(_run, self._installer, self._over)
        Background(work, self._ended, self).start(own_thread=True)
        self.changed.emit()

    def cancel(self) -> None:
        """End it soon; what was fetched is kept for the next time."""
        if self._installer is not None:
            threading.Thread(target=self._installer.cancel, daemon=True).start()

    def release(self) -> None:
        """End the children of a running set-up, because QGIS closes or the plugin is unloaded."""
        self._timer.stop()
        if self._installer is not None:
            self._installer.cancel()
            self._over.wait(ENDING_SECONDS)

    def state(self) -> EngineState:
        """Return what is known of the engine, by a quick look and by the doctor; never blocks."""
        state = self.engine.state()
        if state.python != self._verified:
            self.verdict = None
        refused = self.verdict is not None and not self.verdict.ok
        if refused and state.status in (READY, OUTDATED):
            sentence = f"{self.verdict.sentence} {self.verdict.remedy}".strip()
            return replace(state, status=BROKEN, sentence=sentence)
        return state

    def verify(self, python: str) -> None:
        """Run the doctor in an interpreter; ``verdict`` is what it says."""
        self.is_verifying, self.verdict, self._verified = True, None, python
        self.changed.emit()
        Background(partial(verify, python), self._judged, self).start(own_thread=True)

    def _judged(self, verdict: Verdict | None, error: str | None) -> None:
        self.is_verifying = False
        self.verdict = verdict or Verdict(False, error or "")
        self.changed.emit()

    def remove(self, folder: Path) -> None:
        """Take an environment away, in a thread; ``outcome`` says why not, where that fails."""
        self.is_removing = True
        self.changed.emit()
        Background(partial(remove, folder), self._removed, self).start(own_thread=True)

    def _removed(self, why_not: str | None, error: str | None) -> None:
        self.is_removing = False
        trouble = error or why_not
        self.outcome = Outcome(FAILED, trouble) if trouble else None
        if not trouble:
            QgsSettings().remove(SETTING)
        self.verdict = None
        self.engine.recheck()
        self.changed.emit()

    def _take_events(self, most: int = MOST_AT_ONCE) -> None:
        lines = []
        for _ in range(min(most, self._events.qsize())):
            event = self._events.get_nowait()
            if event.line:
                lines.append(event.line)
            if event.step != self.step or not event.line:
                self.step, self.done, self.total = event.step, event.done, event.total
        if lines:
            self.log.extend(lines)
            self.logged.emit(lines)
        self.changed.emit()

    def _ended(self, outcome: Outcome | None, error: str | None) -> None:
        self._take_events(KEPT_LINES)
        self._timer.stop()
        self._installer = None
        self.outcome = outcome or Outcome(FAILED, error or "")
        if self.outcome.status == DONE and self.plan is not None:
            use_environment(self.plan.folder)
        self.verdict = None
        self.engine.recheck()
        self.changed.emit()


def use_environment(folder: Path) -> None:
    """Let the plugin's setting name the environment, where it would not be found without."""
    QgsSettings().remove(SETTING)
    own = find_interpreter("", {}, folder)[0]
    if os.environ.get(VARIABLE) or folder != environment_folder():
        QgsSettings().setValue(SETTING, own)


def _run(installer: Installer, over: threading.Event) -> Outcome:
    try:
        return installer.run()
    finally:
        over.set()
