"""How long pretraining takes on this machine: measured once for each preset and device."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsSettings
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QPushButton, QVBoxLayout, QWidget

from ....common.background import Background
from ....common.numbers import duration
from ....jobs.running_jobs import RunningJobs
from ....jobs.runs import DONE, Ended, Run
from ....state.workspace import Workspace
from ...widgets.section import row
from ...widgets.state_line import StateLine

SPEED_SETTING = "mtmsd/seconds"
MEASURE_SECONDS = 12.0
"""A measured run is stopped after this time, when it has told its ETA."""


class SpeedEstimate(QWidget):
    """A sentence, and a button that runs a few steps.

    Parameters
    ----------
    parameters : callable
        Gives the parameters of ``mtmsd:pretrain`` for an output.
    """

    changed = pyqtSignal()
    """A measurement began or ended."""

    def __init__(
        self,
        workspace: Workspace,
        running: RunningJobs,
        parameters: Callable[[Path], dict[str, Any]],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._running = running
        self._parameters = parameters
        self.run: Run | None = None
        self._text = StateLine()
        self._text.setObjectName("mtmsdEstimate")
        self.button = QPushButton(self.tr("Meas&ure"))
        self.button.setObjectName("mtmsdMeasure")
        self.button.setProperty(
            "tip", self.tr("Run a few steps on this machine to learn how long this preset takes")
        )
        self.button.clicked.connect(self.measure)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row(self._text, self.button, stretch=0))
        self.show_for(workspace.state.preset)

    def show_for(self, preset: str) -> None:
        """Show what is known of a preset."""
        self._preset = preset
        seconds = QgsSettings().value(self._key(), 0.0, type=float)
        if self.run is not None:
            text = self.tr("Measuring on this machine…")
        elif seconds > 0:
            text = self.tr("Takes about {} here").format(duration(seconds))
        else:
            text = self.tr("Time on this machine not measured yet")
        self._text.setText(text)

    def keep(self, seconds: float) -> None:
        """Remember how long the preset took."""
        QgsSettings().setValue(self._key(), float(seconds))

    def _key(self) -> str:
        return f"{SPEED_SETTING}/{self._preset}/{self._workspace.device}"

    def measure(self) -> None:
        """Run a few steps of the preset and keep the time it would take."""
        folder = Path(tempfile.mkdtemp(prefix="mtmsd_"))
        parameters = self._parameters(folder / "model.safetensors")
        title = self.tr("Measuring the speed")
        run = self.run = Run("mtmsd:pretrain", parameters, title, self, outlives=False)
        key = self._key()
        etas: list[float] = []

        def told(message: dict[str, Any]) -> None:
            eta = message.get("eta_s")
            if message["type"] != "progress" or eta is None or message["done"] < 2:
                return
            etas.append(eta)
            if run.seconds > MEASURE_SECONDS:
                run.cancel()

        def ended(outcome: Ended) -> None:
            self.run = None
            run.deleteLater()
            seconds = run.seconds if outcome.status == DONE else (etas[-1] if etas else 0)
            if seconds:
                QgsSettings().setValue(key, float(seconds))
            elif outcome.sentence:
                self._workspace.said.emit(outcome.sentence, Qgis.MessageLevel.Warning)
            Background(lambda: shutil.rmtree(folder, ignore_errors=True)).start()
            self.changed.emit()

        run.told.connect(told)
        run.ended.connect(ended)
        self._running.watch(run.start())
        self.changed.emit()
