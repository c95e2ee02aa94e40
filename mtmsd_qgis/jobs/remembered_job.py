"""A section's job, remembered with the scene until its results are taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.PyQt.QtCore import QObject

from ..state.scene_state import Workspace
from .attached_job import Attached
from .running_jobs import RunningJobs
from .runs import Run


class PendingJob(QObject):
    """What a section must know to go on with its job after QGIS was closed.

    Parameters
    ----------
    key : str
        Under which it is remembered in the scene's state.
    """

    def __init__(
        self, workspace: Workspace, running: RunningJobs, key: str, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._running = running
        self._key = key

    def begin(self, run: Run, **facts: Any) -> None:
        """Remember a run with what is needed at its end (plain JSON), once it has a folder."""
        scene = self._workspace.scene_path

        def started(folder: Path) -> None:
            if self._workspace.scene_path == scene:
                self._workspace.put(self._key, {"folder": str(folder), **facts})

        run.started.connect(started)

    def end(self) -> None:
        """Forget it: its results were taken."""
        self._workspace.put(self._key, None)

    def take_up(self, title: str) -> tuple[Attached, dict[str, Any]] | None:
        """Return the job that was left, running or ended, and what was remembered of it."""
        facts = self._workspace.get(self._key)
        if not facts:
            return None
        folder = Path(facts["folder"])
        if not folder.is_dir():
            self.end()
            return None
        if any(isinstance(run, Run) and run.folder == folder for run in self._running.runs):
            return None  # of this QGIS, and watched
        self._running.forget(folder)
        run = Attached(folder, title, self)
        self._running.watch(run)
        return run, facts
