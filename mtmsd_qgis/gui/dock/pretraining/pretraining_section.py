"""The scene is learned without labels, in the background."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsApplication
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from ....common.background import Background
from ....common.numbers import duration, number
from ....jobs.attached_job import Attached
from ....jobs.running_jobs import RunningJobs
from ....jobs.runs import DONE, Ended, Run
from ....jobs.section_job import SectionJob, Step
from ....state.model_header import DIFFUSION, find_models, fits, read_header
from ....state.paths import there
from ....state.scene_mask import mask_parameters
from ....state.scene_state import PausedPretraining
from ....state.workspace import Workspace
from ...widgets.line_plot import LossCurve
from ...widgets.section import BUSY, NEXT, TODO, WRONG, Section, caption, keep_place, row
from ...widgets.section import DONE as DONE_STATE
from .more_settings import MoreSettings
from .speed_estimate import SpeedEstimate


class PretrainingSection(Section):
    """Preset, device, start, pause, resume; loss curve and ETA."""

    def __init__(self, workspace: Workspace, running: RunningJobs, parent: QWidget) -> None:
        super().__init__("mtmsdPretraining", parent, warns=True)
        self.set_title(self.tr("2  Pretraining"))
        self._workspace = workspace
        self._job = SectionJob(
            workspace, running, "pretraining_job", lambda _: self.tr("Pretraining"), self
        )
        self._job.begun.connect(self._begun)
        self._job.told.connect(self._told)
        self._job.phased.connect(lambda text: self.set_state(BUSY, text))
        self._job.warned.connect(self.warn)
        self._job.ended.connect(self._ended)
        self._preset = self._combo(
            "mtmsdPreset",
            ("quick", self.tr("Quick – a first look")),
            ("balanced", self.tr("Balanced – good maps")),
            ("paper", self.tr("Paper – as published, needs a GPU")),
        )
        self._preset.setToolTip(self.tr("How long and how large the model learns"))
        self._device = self._combo(
            "mtmsdDevice",
            ("auto", self.tr("Automatic")),
            ("cpu", self.tr("CPU")),
            ("cuda", self.tr("NVIDIA GPU")),
            ("mps", self.tr("Apple GPU")),
        )
        self._device.setToolTip(
            self.tr("Where the engine pretrains, trains and maps; automatic takes a GPU if any")
        )
        chosen = QFormLayout()
        chosen.addRow(caption(self.tr("&Preset"), self._preset), self._preset)
        chosen.addRow(caption(self.tr("De&vice"), self._device), self._device)
        self.rows.addLayout(chosen)
        self.rows.addWidget(MoreSettings(workspace))
        self._speed = SpeedEstimate(workspace, running, self._parameters)
        self._speed.changed.connect(self._refresh)
        self.rows.addWidget(self._speed)

        self._start = QPushButton(self.tr("P&retrain"))
        self._start.setObjectName("mtmsdPretrain")
        self._start.clicked.connect(self._start_or_pause)
        self._choose = QToolButton()
        self._choose.setObjectName("mtmsdModelChoose")
        self._choose.setIcon(QgsApplication.getThemeIcon("/mActionFileOpen.svg"))
        self._choose.setProperty(
            "tip",
            self.tr("Take a model that exists, of this scene or one of the same sensor…"),
        )
        self._choose.clicked.connect(self._choose_model)
        self.rows.addLayout(row(self._start, self._choose, stretch=0))
        self._curve = LossCurve()
        self._curve.setObjectName("mtmsdLossCurve")
        self._curve.setToolTip(self.tr("The loss of pretraining: it falls fast, then slowly"))
        keep_place(self._curve)
        self._curve.hide()
        self.rows.addWidget(self._curve)

        self._show_choices()
        self._preset.currentIndexChanged.connect(
            lambda: workspace.change(preset=self._preset.currentData())
        )
        self._device.currentIndexChanged.connect(
            lambda: workspace.set_device(self._device.currentData())
        )
        workspace.scene_changed.connect(self._scene_changed)
        workspace.facts_changed.connect(self.find_model)
        workspace.model_changed.connect(self._refresh)
        workspace.device_changed.connect(self._refresh)
        workspace.options_changed.connect(self._options_changed)
        self._scene_changed()

    def _combo(self, name: str, *choices: tuple[str, str]) -> QComboBox:
        combo = QComboBox()
        combo.setObjectName(name)
        for data, words in choices:
            combo.addItem(words, data)
        combo.setMinimumWidth(60)
        combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        return combo

    def find_model(self) -> None:
        """Offer a model that exists for this scene."""
        self._refresh()
        facts, folder = self._workspace.facts, self._workspace.state.folder
        if facts is None or folder is None or there(self._workspace.state.model) is not None:
            return
        scene = self._workspace.scene_path

        def done(models: Any, error: str | None) -> None:
            here = scene == self._workspace.scene_path
            if not models or error is not None or not here or there(self._workspace.state.model):
                return
            self._workspace.change(model=models[0])
            text = self.tr("Found the model {} of this scene.").format(models[0].name)
            self._workspace.said.emit(text, Qgis.MessageLevel.Info)

        Background(lambda: find_models(folder, facts), done, self).start()

    # what is shown

    def _scene_changed(self) -> None:
        self._curve.clear()
        self._curve.setVisible(self._job.run is not None)
        if self._job.run is not None:
            self.set_state(BUSY, self._job.phase)
        self._options_changed()
        self._job.take_up()

    def _options_changed(self) -> None:
        self._show_choices()
        self._refresh()

    def _show_choices(self) -> None:
        chosen = (
            (self._preset, self._workspace.state.preset),
            (self._device, self._workspace.device),
        )
        for combo, data in chosen:
            combo.blockSignals(True)
            combo.setCurrentIndex(max(0, combo.findData(data)))
            combo.blockSignals(False)

    def _refresh(self) -> None:
        workspace, running = self._workspace, self._job.run is not None
        blocked = self._blocked()
        paused = self._can_resume()
        self._start.setEnabled(running or not blocked)
        self._preset.setEnabled(not running)
        self._device.setEnabled(not running)
        if running:
            self._start.setText(self.tr("Pa&use"))
            self._start.setToolTip(self.tr("Stop after the present step; what was learned is kept"))
        else:
            self._start.setText(self.tr("&Resume") if paused else self.tr("P&retrain"))
            self._start.setToolTip(
                blocked or self.tr("Learn the scene in the background; go on drawing meanwhile")
            )
        first = self.tr("Choose a scene first.")
        wait = self.tr("Wait until the running job has ended.") if running else ""
        choose = wait or (first if workspace.scene is None else "")
        for button, reason in ((self._choose, choose), (self._speed.button, wait or blocked)):
            button.setEnabled(not reason and self._speed.run is None)
            button.setToolTip(reason or button.property("tip"))
        self._speed.show_for(self._preset.currentData())
        model = there(workspace.state.model)
        if running:
            return
        if blocked:
            self.set_state(TODO, blocked)
        elif failure := self.failure(lambda: (workspace.scene_path, model)):
            self.set_state(WRONG, failure)
        elif paused:
            self.set_state(NEXT, self.tr("Paused; Resume goes on from the last checkpoint."))
        elif model is not None:
            self.set_state(DONE_STATE, self.tr("Model: {}").format(model.name))
        else:
            self.set_state(NEXT, self.tr("No model yet: press Pretrain."))

    def _blocked(self) -> str:
        if self._workspace.scene is None:
            return self.tr("Choose a scene first.")
        if self._workspace.facts is None:
            return self._workspace.facts_error or self.tr("Waiting for the raster's bands.")
        return ""

    def _can_resume(self) -> bool:
        paused = self._workspace.state.paused
        return paused is not None and paused.preset == self._preset.currentData()

    # the run

    def _parameters(self, output: Path, resume: bool = False) -> dict[str, Any]:
        state = self._workspace.state
        return {
            "INPUT": self._workspace.scene.id(),
            "PRESET": self._preset.currentData(),
            "DEVICE": self._workspace.device,
            "SEED": state.seed,
            "SETTINGS": state.settings,
            "EXCLUDE": state.exclude,
            **mask_parameters(state),
            "RESUME": resume,
            "OUTPUT": str(output),
        }

    def _start_or_pause(self) -> None:
        if self._job.run is not None:
            self._job.run.pausing = True
            self._job.cancel()
            self.set_state(BUSY, self.tr("Pausing: writing a checkpoint…"))
            self._start.setEnabled(False)
            return
        preset, resume = self._preset.currentData(), self._can_resume()
        with self._workspace.saying_errors():
            if resume:
                output = self._workspace.state.paused.output
            else:
                output = self._workspace.new_file(f"model_{preset}", ".safetensors")
            # kept from the start: after a crash, Resume goes on from the last checkpoint
            self._workspace.change(paused=PausedPretraining(preset, output))
            if not resume:
                self._curve.clear()
            step = {"output": str(output), "timed": not resume}
            self._job.start("mtmsd:pretrain", self._parameters(output, resume), step)

    def _begun(self, run: Run | Attached, _step: Step) -> None:
        if isinstance(run, Attached):
            self._curve.clear()
            self.set_state(BUSY, self.tr("Taking up the job that went on without QGIS…"))
        else:
            self.set_state(BUSY, self.tr("Starting the engine…"))
        self._curve.show()
        self._refresh()

    def _told(self, message: dict[str, Any]) -> None:
        if message["type"] == "metric" and message.get("name") == "loss":
            self._curve.add(float(message["step"]), float(message["value"]))
        elif message["type"] == "progress" and not self._job.run.pausing:
            text = self.tr("{} {} of {}").format(
                message.get("unit", ""), number(message["done"]), number(message["total"])
            )
            eta = message.get("eta_s")
            if eta is not None:
                text += " · " + self.tr("{} left").format(duration(eta))
            text = text.strip()
            self.set_state(BUSY, text[:1].upper() + text[1:])

    def _ended(self, outcome: Ended, step: Step, run: Run | Attached) -> None:
        self._curve.setVisible(self._curve.has_line)
        output = Path(step["output"])
        if outcome.status == DONE:
            self._workspace.change(paused=None, model=output)
            timed = step.get("timed") and isinstance(run, Run)
            if timed and not self._workspace.state.settings:
                self._speed.keep(run.seconds)
        elif not Path(f"{output}.work").is_dir():  # no checkpoint to go on from
            self._workspace.change(paused=None)
        self.fail(
            outcome.sentence, (self._workspace.scene_path, there(self._workspace.state.model))
        )
        self._refresh()

    def _choose_model(self) -> None:
        folder = self._workspace.state.folder or Path(self._workspace.scene_path).parent
        path, _ = QFileDialog.getOpenFileName(
            self,
            self.tr("Choose a Diffusion Model"),
            str(folder),
            self.tr("Diffusion models (*.safetensors)"),
        )
        facts = self._workspace.facts
        if not path or facts is None:
            return
        scene = self._workspace.scene_path

        def done(metadata: Any, error: str | None) -> None:
            how = fits(metadata, facts) if error is None else ""
            if error is None and metadata.get("kind") != DIFFUSION:
                error = self.tr("{} is not a diffusion model.").format(Path(path).name)
            elif error is None and not how:
                error = self.tr("{} was learned on a raster with other bands.").format(
                    Path(path).name
                )
            if error is not None:
                self._workspace.said.emit(error, Qgis.MessageLevel.Warning)
                return
            self._workspace.change_of(scene, model=Path(path))
            if how == "sensor":
                text = self.tr("The model is of another scene of the same sensor.")
                self._workspace.said.emit(text, Qgis.MessageLevel.Info)

        Background(lambda: read_header(Path(path)), done, self).start()
