"""The job of a section: started, remembered with its scene, taken up again, ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qgis.PyQt.QtCore import QObject, pyqtSignal

from ..engine.job_folders import is_running, read_note
from ..engine.owner import OTHERS, whose
from ..state.paths import key_of
from ..state.scene_state import JobNote
from ..state.workspace import Workspace
from .attached_job import Attached
from .running_jobs import RunningJobs
from .runs import Ended, Run

Step = dict[str, Any]
"""What is needed at a job's end, as plain JSON: it must outlive QGIS."""


@dataclass
class _Work:
    """A run of one scene."""

    run: Run | Attached
    step: Step
    phase: str


class SectionJob(QObject):
    """The one job that a section has of each scene; it tells of the chosen scene's only.

    The job of a scene that is not chosen goes on; its results are taken when the scene is chosen
    again, also by another QGIS.

    Parameters
    ----------
    field : str
        Where it is remembered: one of :data:`.scene_state.JOBS`.
    title : callable
        Gives a step's title.
    """

    begun = pyqtSignal(object, object)
    """A run and its step: it was started, or taken up."""
    told = pyqtSignal(object)
    """A message of the engine."""
    phased = pyqtSignal(str)
    """The present phase, for people."""
    warned = pyqtSignal(object)
    """What the engine warned of in the chosen scene's last work: a tuple of sentences."""
    ended = pyqtSignal(object, object, object)
    """The :class:`.runs.Ended`, the step and the run; there is no run any more."""

    def __init__(
        self,
        workspace: Workspace,
        running: RunningJobs,
        field: str,
        title: Callable[[Step], str],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._running = running
        self._field = field
        self._title = title
        self._works: dict[str, _Work] = {}
        self._warnings: dict[str, tuple[str, ...]] = {}
        self._goes_on = False

    @property
    def run(self) -> Run | Attached | None:
        """The run of the chosen scene."""
        work = self._works.get(key_of(self._workspace.scene_path))
        return work.run if work is not None else None

    @property
    def phase(self) -> str:
        """What the run of the chosen scene does now; empty where there is none."""
        work = self._works.get(key_of(self._workspace.scene_path))
        return work.phase if work is not None else ""

    def start(self, algorithm: str, parameters: Mapping[str, Any], step: Step) -> None:
        """Start a Processing algorithm for the chosen scene."""
        scene, field = self._workspace.scene_path, self._field
        if not self._goes_on:
            self._warnings.pop(key_of(scene), None)
        run = Run(algorithm, dict(parameters), self._title(step), self)

        def started(folder: Path) -> None:
            self._workspace.change_of(scene, **{field: JobNote(folder, step)})

        run.started.connect(started)
        self._follow(run, step)
        run.start()

    def take_up(self) -> None:
        """Go on with a job of the chosen scene that was left, running or ended."""
        self.warned.emit(self._warnings.get(key_of(self._workspace.scene_path), ()))
        note: JobNote | None = getattr(self._workspace.state, self._field)
        if note is None or self.run is not None:
            return
        if not note.folder.is_dir():
            self._workspace.change(**{self._field: None})
            return
        if is_running(note.folder) and whose(read_note(note.folder).owner) == OTHERS:
            return  # another QGIS follows it; once it has ended, whoever comes takes its results
        self._running.forget(note.folder)
        run = Attached(note.folder, self._title(note.step), self)
        self._follow(run, note.step)
        run.start()

    def cancel(self) -> None:
        """Ask the chosen scene's run to stop."""
        if self.run is not None:
            self.run.cancel()

    def _follow(self, run: Run | Attached, step: Step) -> None:
        scene = key_of(self._workspace.scene_path)
        work = self._works[scene] = _Work(run, step, self.tr("{}…").format(run.title))

        def phased(text: str) -> None:
            work.phase = text
            if self.run is run:
                self.phased.emit(text)

        def told(message: dict[str, Any]) -> None:
            if self.run is run:
                self.told.emit(message)

        earlier = self._warnings.get(scene, ())

        def warned(sentences: tuple[str, ...]) -> None:
            self._warnings[scene] = tuple(dict.fromkeys((*earlier, *sentences)))
            if self.run is run:
                self.warned.emit(self._warnings[scene])

        self.warned.emit(earlier)
        run.warned.connect(warned)
        run.titled.connect(phased)
        run.told.connect(told)
        run.ended.connect(lambda outcome: self._ended(scene, work, outcome))
        self._running.watch(run)
        self.begun.emit(run, step)

    def _ended(self, scene: str, work: _Work, outcome: Ended) -> None:
        self._works.pop(scene, None)
        work.run.deleteLater()
        if key_of(self._workspace.scene_path) != scene:
            return  # its note stays: the results are taken when the scene is chosen again
        self._workspace.change(**{self._field: None})
        self._goes_on = True  # a step that begins now is of the same work
        self.ended.emit(outcome, work.step, work.run)
        self._goes_on = False
