"""The scene is learned without labels, in the background."""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsApplication, QgsSettings
from qgis.gui import QgsCollapsibleGroupBox
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QWidget,
)

from ....common.background import Background
from ....jobs.attached_job import Attached
from ....jobs.remembered_job import PendingJob
from ....jobs.running_jobs import RunningJobs
from ....jobs.runs import DONE, Ended, Run, duration
from ....state.model_header import DIFFUSION, find_models, fits, read_header
from ....state.scene_state import Workspace
from ...widgets.line_plot import LossCurve
from ...widgets.section import BUSY, NEXT, TODO, WRONG, Section, caption, row
from ...widgets.section import DONE as DONE_STATE

SPEED_SETTING = "mtmsd/seconds"
MEASURE_SECONDS = 12.0
"""A measured run is stopped after this time, when it has told its ETA."""


class PretrainingSection(Section):
    """Preset, device, start, pause, resume; loss curve and ETA."""

    def __init__(self, workspace: Workspace, running: RunningJobs, parent: QWidget) -> None:
        super().__init__("mtmsdPretraining", parent)
        self.set_title(self.tr("2  Pretraining"))
        self._workspace = workspace
        self._running = running
        self._run: Run | Attached | None = None
        self._pending = PendingJob(workspace, running, "pretraining_job", self)
        self._measuring: Run | None = None

        self._preset = QComboBox()
        self._preset.setObjectName("mtmsdPreset")
        for name, words in (
            ("quick", self.tr("Quick – a first look")),
            ("balanced", self.tr("Balanced – good maps")),
            ("paper", self.tr("Paper – as published, needs a GPU")),
        ):
            self._preset.addItem(words, name)
        self._preset.setCurrentIndex(1)
        self._preset.setToolTip(self.tr("How long and how large the model learns"))
        self._preset.currentIndexChanged.connect(self._preset_changed)
        self._device = QComboBox()
        self._device.setObjectName("mtmsdDevice")
        for name, words in (
            ("auto", self.tr("Automatic")),
            ("cpu", self.tr("CPU")),
            ("cuda", self.tr("NVIDIA GPU")),
            ("mps", self.tr("Apple GPU")),
        ):
            self._device.addItem(words, name)
        self._device.setToolTip(self.tr("Where the engine computes; automatic takes a GPU if any"))
        self._device.currentIndexChanged.connect(self._refresh)
        for combo in (self._preset, self._device):
            combo.setMinimumWidth(60)
            combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        chosen = QFormLayout()
        chosen.addRow(caption(self.tr("&Preset"), self._preset), self._preset)
        chosen.addRow(caption(self.tr("De&vice"), self._device), self._device)
        self.rows.addLayout(chosen)

        self._advanced = self._make_advanced()
        self.rows.addWidget(self._advanced)
        self._estimate = QLabel()
        self._estimate.setObjectName("mtmsdEstimate")
        self._estimate.setWordWrap(True)
        self._measure = QPushButton(self.tr("Meas&ure"))
        self._measure.setObjectName("mtmsdMeasure")
        self._measure.setProperty(
            "tip", self.tr("Run a few steps on this machine to learn how long this preset takes")
        )
        self._measure.clicked.connect(self.measure)
        self.rows.addLayout(row(self._estimate, self._measure, stretch=0))

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
        self._curve.hide()
        self.rows.addWidget(self._curve)

        workspace.scene_changed.connect(self._scene_changed)
        workspace.facts_changed.connect(self.find_model)
        workspace.state_changed.connect(lambda _key: self._refresh())
        self._scene_changed()

    def _make_advanced(self) -> QgsCollapsibleGroupBox:
        box = QgsCollapsibleGroupBox(self.tr("More settings"))
        box.setObjectName("mtmsdMoreSettings")
        box.setToolTip(self.tr("Seldom needed; the Processing help lists every number"))
        form = QFormLayout(box)
        self._seed = QSpinBox()
        self._seed.setObjectName("mtmsdSeed")
        self._seed.setRange(0, 2**31 - 1)
        self._seed.setToolTip(self.tr("The same seed on the same machine gives the same map"))
        self._seed.valueChanged.connect(lambda value: self._workspace.put("seed", value))
        self._exclude = QLineEdit()
        self._exclude.setObjectName("mtmsdExclude")
        self._exclude.setPlaceholderText("1-5, 1340-1460nm")
        self._exclude.setToolTip(self.tr("Bands to leave out besides the bad ones that are found"))
        self._settings = QLineEdit()
        self._settings.setObjectName("mtmsdSettings")
        self._settings.setPlaceholderText("iterations=2000 members=5")
        self._settings.setToolTip(self.tr("Single numbers of the preset, as KEY=VALUE"))
        for key, edit in (("exclude", self._exclude), ("settings", self._settings)):
            edit.setMinimumWidth(60)
            edit.editingFinished.connect(partial(self._put_text, key, edit))
        form.addRow(self.tr("See&d"), self._seed)
        form.addRow(self.tr("Leave &out"), self._exclude)
        form.addRow(self.tr("Num&bers"), self._settings)
        box.setCollapsed(True)
        return box

    def _put_text(self, key: str, edit: QLineEdit) -> None:
        self._workspace.put(key, edit.text().strip())
        edit.setCursorPosition(0)  # a long text shows its beginning

    def find_model(self) -> None:
        """Offer a model that exists for this scene."""
        self._refresh()
        facts = self._workspace.facts
        if facts is None or self._workspace.file("model") is not None:
            return
        folder, scene = Path(self._workspace.get("folder") or "."), self._workspace.scene_path
        if not self._workspace.get("folder"):
            return

        def done(found: Any, error: str | None) -> None:
            here = scene == self._workspace.scene_path and not self._workspace.file("model")
            if found and error is None and here:
                self._workspace.put("model", str(found[0]))
                text = self.tr("Found the model {} of this scene.").format(found[0].name)
                self._workspace.said.emit(text, Qgis.MessageLevel.Info)

        Background(lambda: find_models(folder, facts), done, self).start()

    # what is shown

    def _scene_changed(self) -> None:
        index = self._preset.findData(self._workspace.get("preset", "balanced"))
        self._preset.setCurrentIndex(max(0, index))
        self._seed.setValue(int(self._workspace.get("seed", 0)))
        self._exclude.setText(self._workspace.get("exclude", ""))
        self._settings.setText(self._workspace.get("settings", ""))
        self._refresh()
        self._take_up()

    def _preset_changed(self) -> None:
        self._workspace.put("preset", self._preset.currentData())
        self._refresh()

    def _refresh(self) -> None:
        workspace, running = self._workspace, self._run is not None
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
        for button, reason in ((self._choose, choose), (self._measure, wait or blocked)):
            button.setEnabled(not reason and self._measuring is None)
            button.setToolTip(reason or button.property("tip"))
        self._show_estimate()
        model = workspace.file("model")
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
        paused = self._workspace.get("paused") or {}
        return paused.get("preset") == self._preset.currentData()

    # the estimate

    def _speed_key(self) -> str:
        return f"{SPEED_SETTING}/{self._preset.currentData()}/{self._device.currentData()}"

    def _show_estimate(self) -> None:
        seconds = QgsSettings().value(self._speed_key(), 0.0, type=float)
        if self._measuring is not None:
            text = self.tr("Measuring on this machine…")
        elif seconds > 0:
            text = self.tr("Takes about {} here").format(duration(seconds))
        else:
            text = self.tr("Time on this machine not measured yet")
        self._estimate.setText(text)
        self._measure.setVisible(self._run is None)

    def measure(self) -> None:
        """Run a few steps of the preset and keep the time it would take."""
        folder = Path(tempfile.mkdtemp(prefix="mtmsd_"))
        parameters = self._parameters(folder / "model.safetensors", False)
        title = self.tr("Measuring the speed")
        run = Run("mtmsd:pretrain", parameters, title, self, outlives=False)
        self._measuring = run
        etas: list[float] = []

        def told(message: dict[str, Any]) -> None:
            eta = message.get("eta_s")
            if message["type"] != "progress" or eta is None or message["done"] < 2:
                return
            etas.append(eta)
            if run.seconds > MEASURE_SECONDS:
                run.cancel()

        def ended(outcome: Ended) -> None:
            self._measuring = None
            seconds = run.seconds if outcome.status == DONE else (etas[-1] if etas else 0)
            if seconds:
                QgsSettings().setValue(self._speed_key(), float(seconds))
            elif outcome.sentence:
                self._workspace.said.emit(outcome.sentence, Qgis.MessageLevel.Warning)
            Background(lambda: shutil.rmtree(folder, ignore_errors=True)).start()
            self._refresh()

        run.told.connect(told)
        run.ended.connect(ended)
        self._running.watch(run.start())
        self._refresh()

    # the run

    def _parameters(self, output: Path, resume: bool) -> dict[str, Any]:
        return {
            "INPUT": self._workspace.scene.id(),
            "PRESET": self._preset.currentData(),
            "DEVICE": self._device.currentData(),
            "SEED": self._workspace.get("seed", 0),
            "SETTINGS": self._workspace.get("settings", ""),
            "EXCLUDE": self._workspace.get("exclude", ""),
            "RESUME": resume,
            "OUTPUT": str(output),
        }

    def _start_or_pause(self) -> None:
        if self._run is not None:
            self._run.pausing = True
            self._run.cancel()
            self.set_state(BUSY, self.tr("Pausing: writing a checkpoint…"))
            self._start.setEnabled(False)
            return
        resume = self._can_resume()
        if resume:
            output = Path(self._workspace.get("paused")["output"])
        else:
            output = self._workspace.new_file(f"model_{self._preset.currentData()}", ".safetensors")
        run = Run("mtmsd:pretrain", self._parameters(output, resume), self.tr("Pretraining"), self)
        # kept from the start: after a crash of the engine, Resume goes on from the last checkpoint
        self._workspace.put("paused", {"preset": self._preset.currentData(), "output": str(output)})
        self._pending.begin(run, output=str(output))
        if not resume:
            self._curve.clear()
        self.set_state(BUSY, self.tr("Starting the engine…"))
        self._listen(run, str(output), timed=not resume)
        self._running.watch(run)
        run.start()
        self._refresh()

    def _take_up(self) -> None:
        """Go on with a job that was left when QGIS was closed, or take its model."""
        taken = self._pending.take_up(self.tr("Pretraining")) if self._run is None else None
        if taken is None:
            return
        run, facts = taken
        self._curve.clear()
        self.set_state(BUSY, self.tr("Taking up the job that went on without QGIS…"))
        self._listen(run, facts["output"], timed=False)
        run.start()
        self._refresh()

    def _listen(self, run: Run | Attached, output: str, *, timed: bool) -> None:
        scene = self._workspace.scene_path
        run.told.connect(self._told)
        run.titled.connect(self._titled)
        run.ended.connect(lambda outcome: self._ended(outcome, scene, output, timed))
        self._run = run
        self._curve.show()

    def _titled(self, title: str) -> None:
        self.set_state(BUSY, title)

    def _told(self, message: dict[str, Any]) -> None:
        if message["type"] == "metric" and message.get("name") == "loss":
            self._curve.add(float(message["step"]), float(message["value"]))
        elif message["type"] == "progress" and not self._run.pausing:
            text = self.tr("{} {:,.0f} of {:,.0f}").format(
                message.get("unit", ""), message["done"], message["total"]
            )
            eta = message.get("eta_s")
            if eta is not None:
                text += " · " + self.tr("{} left").format(duration(eta))
            self.set_state(BUSY, text.strip().capitalize())

    def _ended(self, outcome: Ended, scene: str, output: str, timed: bool) -> None:
        run, self._run = self._run, None
        if self._workspace.scene_path != scene:
            self._refresh()
            self._take_up()
            return
        self._pending.end()
        self._curve.setVisible(self._curve.has_line)
        if outcome.status == DONE:
            self._workspace.put("paused", None)
            self._workspace.put("model", output)
            if timed and not self._workspace.get("settings"):
                QgsSettings().setValue(self._speed_key(), run.seconds)
        elif not Path(f"{output}.work").is_dir():  # no checkpoint to go on from
            self._workspace.put("paused", None)
        self.fail(outcome.sentence, (scene, self._workspace.file("model")))
        self._refresh()

    def _choose_model(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self,
            self.tr("Choose a Diffusion Model"),
            str(self._workspace.folder()),
            self.tr("Diffusion models (*.safetensors)"),
        )
        facts = self._workspace.facts
        if not path or facts is None:
            return

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
            self._workspace.put("model", path)
            if how == "sensor":
                text = self.tr("The model is of another scene of the same sensor.")
                self._workspace.said.emit(text, Qgis.MessageLevel.Info)

        Background(lambda: read_header(Path(path)), done, self).start()
