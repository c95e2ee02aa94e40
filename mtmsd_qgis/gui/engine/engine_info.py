"""What is known of the engine, line by line; and how far its set-up is."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QFormLayout, QLabel, QProgressBar, QVBoxLayout, QWidget

from ...engine.devices import Device
from ...engine.interpreter import EngineState
from ...setup.plan import size
from .engine_text import progress, word
from .setup_runner import EngineSetUp

FULL_BAR = 1000


class EngineFacts(QWidget):
    """State, Python, PyTorch and devices; the names of its labels begin with ``name``."""

    def __init__(self, name: str) -> None:
        super().__init__()
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(2)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
        self._values: dict[str, QLabel] = {}
        for key, title, tip in (
            ("State", self.tr("State"), self.tr("Ready, outdated, broken or being checked")),
            ("Version", self.tr("MTMSD"), self.tr("The version of plugin and engine")),
            ("Python", self.tr("Python"), self.tr("The engine's interpreter")),
            ("Torch", self.tr("PyTorch"), self.tr("The library that learns")),
            ("Devices", self.tr("Devices"), self.tr("What computes, and its free memory")),
        ):
            value = self._values[key] = plain_label(f"{name}{key}")
            label = QLabel(title)
            for widget in (label, value):
                widget.setToolTip(tip)
            form.addRow(label, value)

    def show_state(self, state: EngineState, version: str, devices: Sequence[Device]) -> None:
        """Show what is known; hide all where there is no interpreter."""
        unknown = self.tr("not looked at yet: Verify tells")
        self._values["State"].setText(word(state))
        self._values["Version"].setText(version)
        self._values["Python"].setText(breakable(f"{state.python_version}, {state.python}"))
        light = self.tr("none; ONNX Runtime {}, which classifies only")
        torch = state.torch_version or light.format(state.onnxruntime_version)
        self._values["Torch"].setText(torch)
        self._values["Devices"].setText("\n".join(map(self._describe, devices)) or unknown)
        self.setVisible(bool(state.python_version))

    def _describe(self, device: Device) -> str:
        if not device.ok:
            return self.tr("{} does not compute: {}").format(device.title, device.error)
        if not device.free_bytes:  # onnxruntime does not tell a card's
            return device.title
        return self.tr("{}: {} free").format(device.title, size(device.free_bytes))


class SetUpProgress(QWidget):
    """The step of a set-up, with its bytes, and a bar."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._step = plain_label(f"{name}Step")
        self._bar = QProgressBar()
        self._bar.setObjectName(f"{name}Progress")
        self._bar.setMaximumHeight(16)
        self._bar.setTextVisible(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self._step)
        column.addWidget(self._bar)

    def show_progress(self, set_up: EngineSetUp) -> None:
        """Show how far it is; a bar that runs to and fro where the bytes are not known."""
        self._step.setText(progress(set_up.step, set_up.done, set_up.total))
        self._bar.setRange(0, FULL_BAR if set_up.total else 0)
        if set_up.total:
            self._bar.setValue(min(FULL_BAR, FULL_BAR * set_up.done // set_up.total))
        self._bar.setToolTip(self._step.text())


def plain_label(name: str) -> QLabel:
    """Return a label that wraps, and whose text can be marked and is never taken for HTML."""
    label = QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def breakable(path: str) -> str:
    """Return a path that a narrow label may break after each folder."""
    return path.replace("/", "/\u200b").replace("\\", "\\\u200b")
