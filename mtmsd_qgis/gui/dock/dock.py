"""The dock: label, learn, map, look, top to bottom."""

from __future__ import annotations

from typing import Any

from qgis.core import Qgis, QgsMessageLog, QgsProject
from qgis.gui import QgisInterface, QgsDockWidget
from qgis.PyQt.QtCore import Qt, QTimer, QUrl
from qgis.PyQt.QtGui import QDesktopServices
from qgis.PyQt.QtWidgets import QFrame, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from ...common.background import TAG
from ...common.numbers import duration
from ...common.translation import help_page
from ...jobs.attached_job import Attached
from ...jobs.exit_blocker import ClosingQuestion
from ...jobs.running_jobs import RunningJobs
from ...jobs.runs import DONE, FAILED, Ended, Run
from ...state.training_samples import TrainingSamples
from ...state.workspace import Workspace
from ..engine.engine_section import EngineSection
from ..engine.setup_runner import EngineSetUp
from .accuracy.accuracy_section import AccuracySection
from .first_steps import FirstSteps
from .jobs.job_strip import JobStrip
from .jobs.jobs_section import JobsSection
from .map.map_section import MapSection
from .pretraining.pretraining_section import PretrainingSection
from .sample_project import SampleProject
from .scene.scene_section import SceneSection
from .training.classes_section import ClassesSection
from .training.labelling_keys import LabellingKeys
from .training.polygons_section import PolygonsSection
from .training.spectra_section import SpectraSection

LONG_SECONDS = 20.0
"""The end of a job that took longer is said."""


class MtmsdDock(QgsDockWidget):
    """All sections and the strip of running jobs.

    Parameters
    ----------
    iface : QgisInterface
        QGIS's main window. The dock is added to it by the plugin, which also deletes it.
    set_up : EngineSetUp
        The engine, and its set-up where one runs.
    """

    def __init__(self, iface: QgisInterface, set_up: EngineSetUp) -> None:
        super().__init__(iface.mainWindow())
        self.setObjectName("mtmsdDock")
        self.setWindowTitle(self.tr("MTMSD"))
        self.setAllowedAreas(
            Qt.DockWidgetArea.LeftDockWidgetArea | Qt.DockWidgetArea.RightDockWidgetArea
        )
        self._iface = iface
        self.workspace = Workspace(set_up.engine, self)
        self.running = RunningJobs(self)
        content = QWidget()
        content.setObjectName("mtmsdSections")
        self.engine = EngineSection(set_up, content)
        self.scene = SceneSection(self.workspace, iface, self.isUserVisible, content)
        self.pretraining = PretrainingSection(self.workspace, self.running, content)
        self.samples = TrainingSamples(self.workspace, self)
        self.classes = ClassesSection(self.workspace, self.samples, content)
        self.polygons = PolygonsSection(self.workspace, self.classes, iface, content)
        self.spectra = SpectraSection(self.workspace, self.samples, iface, content)
        self.map = MapSection(self.workspace, self.samples, iface, self.running, content)
        column = QVBoxLayout(content)
        column.setContentsMargins(4, 4, 4, 4)
        column.setSpacing(4)
        self.accuracy = AccuracySection(self.workspace, self.running, content)
        self.accuracy.better.chosen.connect(self.map.use)
        self.jobs = JobsSection(self.running, content)
        self._sections = (
            self.engine,
            self.scene,
            self.pretraining,
            self.classes,
            self.polygons,
            self.spectra,
            self.map,
            self.accuracy,
            self.jobs,
        )
        self.first_steps = FirstSteps(self._first_steps(), [self.spectra], content)
        self.first_steps.chosen.connect(self._go_to)
        self.sample = SampleProject(self.workspace, iface, self.scene.choose, self)
        self.first_steps.sample_wanted.connect(self.try_sample)
        self.first_steps.tutorial_wanted.connect(lambda: self.open_page("tutorial"))
        column.addWidget(self.first_steps)
        for section in self._sections:
            column.addWidget(section)
        column.addStretch(1)
        content.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

        self._area = area = QScrollArea()
        area.setObjectName("mtmsdScroll")
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(content)
        whole = QWidget()
        layout = QVBoxLayout(whole)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(area, 1)
        layout.addWidget(JobStrip(self.running))
        self.setWidget(whole)
        self.setMinimumWidth(300)

        self.keys = LabellingKeys(
            self.workspace, self.classes, self.polygons, self.map.points, iface, self
        )
        self.visibilityChanged.connect(self.keys.set_seen)
        self._last_scene = ""
        self.workspace.scene_changed.connect(self._keep_scene)
        self.engine.became_ready.connect(self._engine_ready)
        self._closing = ClosingQuestion(self.running, iface.mainWindow())
        iface.registerApplicationExitBlocker(self._closing)
        self.workspace.said.connect(self.say, Qt.ConnectionType.QueuedConnection)
        self.running.finished.connect(self._run_ended)
        project = QgsProject.instance()
        project.readProject.connect(self._wake)
        project.layersWillBeRemoved.connect(self._layers_leave)
        self.visibilityChanged.connect(self._wake)
        QTimer.singleShot(0, self._wake)

    def _first_steps(self) -> list[tuple[Any, str]]:
        return [
            (self.engine, ""),
            (self.scene, self.tr("choose a hyperspectral raster, or open one.")),
            (self.pretraining, self.tr("learn the scene without labels, in the background.")),
            (self.classes, self.tr("add classes, or take them from a layer.")),
            (self.polygons, self.tr("draw some polygons of each class.")),
            (self.spectra, self.tr("see whether the classes can be told apart.")),
            (self.map, self.tr("preview what you see, then map the scene.")),
            (self.accuracy, self.tr("how far the map can be trusted.")),
        ]

    def _go_to(self, section: Any) -> None:
        section.set_open(True)
        QTimer.singleShot(0, lambda: self._area.ensureWidgetVisible(section, 0, 0))

    def try_sample(self) -> None:
        """Show the dock and open the sample in a project of its own."""
        self.setUserVisible(True)
        self.sample.open()

    def open_page(self, name: str) -> None:
        """Open one of the plugin's own pages in the browser."""
        page = help_page(name)
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(page))):
            text = self.tr("No browser opens the page; it is {}.").format(page)
            self.say(text, Qgis.MessageLevel.Warning)

    def say(self, sentence: str, level: Any = Qgis.MessageLevel.Info) -> None:
        """Show one sentence in QGIS's message bar and keep it in the log."""
        self._iface.messageBar().pushMessage("MTMSD", sentence, level, 0 if level else 8)
        QgsMessageLog.logMessage(sentence, TAG, level)

    def release(self) -> None:
        """Let go of QGIS's signals, and end the dock's own jobs, before the plugin is unloaded."""
        self._iface.unregisterApplicationExitBlocker(self._closing)
        for run in list(self.running.runs):
            run.release()
        project = QgsProject.instance()
        project.readProject.disconnect(self._wake)
        project.layersWillBeRemoved.disconnect(self._layers_leave)
        self.keys.release()
        for section in (self.scene, self.polygons, self.spectra, self.map, self.accuracy):
            section.release()
        self.workspace.release()

    def _engine_ready(self) -> None:
        self.say(self.tr("The engine is ready."), Qgis.MessageLevel.Success)
        self.scene.look_again()

    def _run_ended(self, run: Run | Attached, outcome: Ended) -> None:
        said = self.workspace.said
        if outcome.status == FAILED:
            said.emit(f"{run.title}: {outcome.sentence}", Qgis.MessageLevel.Critical)
        elif outcome.status == DONE and isinstance(run, Attached) and not run.was_running:
            text = self.tr("{} came to its end while QGIS was closed.").format(run.title)
            said.emit(text, Qgis.MessageLevel.Success)
        elif outcome.status == DONE and run.seconds > LONG_SECONDS:
            text = self.tr("{} is done after {}.").format(run.title, duration(run.seconds))
            said.emit(text, Qgis.MessageLevel.Success)

    def _keep_scene(self) -> None:
        """Note the scene: when its layer leaves, the combo box has let go of it already."""
        if self.workspace.scene is not None:
            self._last_scene = self.workspace.scene.id()

    def _wake(self, *_: Any) -> None:
        """Take up the project's scene, once somebody sees the dock: a hidden one does nothing."""
        if self.isUserVisible():
            self.scene.take_first()

    def _layers_leave(self, ids: list[str]) -> None:
        if self._last_scene in ids and self.running.runs:
            name = QgsProject.instance().mapLayer(self._last_scene).name()
            text = self.tr("{} was removed; the running job goes on with its file.")
            self.say(text.format(name), Qgis.MessageLevel.Warning)
        for layer_id in ids:
            self.workspace.layer_leaves(layer_id)
