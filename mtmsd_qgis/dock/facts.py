"""What the engine sees in a raster, asked without waiting."""

from __future__ import annotations

import json
import os
from typing import Any

from qgis.PyQt.QtCore import QObject, QProcess, QProcessEnvironment, pyqtSignal

from ..engine.environment import child_environment
from ..engine.folders import CORE

# `mtmsd info` and each band's wavelength, which the plots and the band combinations need.
_QUESTION = """
import json, sys
from mtmsd.errors import MtmsdError
from mtmsd.scene.raster import Scene
try:
    with Scene.open(sys.argv[1]) as scene:
        facts = scene.summary()
        facts["used"] = list(scene.used)
        facts["fingerprint"] = scene.fingerprint()
        facts["wavelengths"] = [band.wavelength for band in scene.bands]
    answer = {"facts": facts}
except MtmsdError as error:
    answer = {"error": str(error)}
print("\\n" + json.dumps(answer), flush=True)
"""


class Facts(QObject):
    """Asks the engine about one raster at a time; a new question drops the old one."""

    answered = pyqtSignal(str, object, str)
    """The raster's path, the facts (a dict) or None, and the sentence that says why not."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None

    def ask(self, python: str, path: str) -> None:
        """Start the question; :attr:`answered` tells its answer."""
        self.stop()
        process = QProcess(self)
        environment = QProcessEnvironment()
        for name, value in child_environment(os.environ, CORE).items():
            environment.insert(name, value)
        process.setProcessEnvironment(environment)
        process.finished.connect(lambda *_: self._finished(process, path))
        process.errorOccurred.connect(lambda *_: self._failed(process, path))
        self._process = process
        process.start(python, ["-c", _QUESTION, path])

    def stop(self) -> None:
        """Drop a question that has no answer yet."""
        process, self._process = self._process, None
        if process is not None and process.state() != QProcess.ProcessState.NotRunning:
            process.kill()

    def _failed(self, process: QProcess, path: str) -> None:
        if process is self._process and process.error() == QProcess.ProcessError.FailedToStart:
            self._process = None
            text = self.tr("The engine cannot be started: {}.").format(process.errorString())
            self.answered.emit(path, None, text)

    def _finished(self, process: QProcess, path: str) -> None:
        process.deleteLater()
        if process is not self._process:
            return
        self._process = None
        facts, error = read_answer(bytes(process.readAllStandardOutput()).decode("utf-8"))
        if facts is None and not error:
            lines = bytes(process.readAllStandardError()).decode("utf-8", "replace").split("\n")
            said = [line.strip() for line in lines if line.strip()]
            error = said[-1] if said else self.tr("The engine said nothing about the raster.")
        self.answered.emit(path, facts, error)


def read_answer(text: str) -> tuple[dict[str, Any] | None, str]:
    """Return the facts, or the sentence that says why there are none."""
    lines = text.strip().splitlines()
    try:
        answer = json.loads(lines[-1])
        return answer.get("facts"), answer.get("error", "")
    except (IndexError, ValueError, AttributeError):
        return None, ""
