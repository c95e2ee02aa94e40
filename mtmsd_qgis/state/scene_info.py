"""What the engine sees in a raster, asked without waiting."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from qgis.PyQt.QtCore import QCoreApplication, QObject, QProcess, QProcessEnvironment, pyqtSignal

from ..common.folders import CORE
from ..engine.environment import child_environment
from ..engine.messages import parse


class Facts(QObject):
    """Asks the engine about one raster at a time; a new question drops the old one."""

    answered = pyqtSignal(str, object, str)
    """The raster's path, the facts (a dict) or None, and the sentence that says why not."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None

    def ask(self, python: str, path: str, words: Sequence[str] = ()) -> None:
        """Start the question, with more words of ``mtmsd info``; :attr:`answered` tells."""
        self.stop()
        process = QProcess(QCoreApplication.instance())  # a killed one needs time to go
        environment = QProcessEnvironment()
        for name, value in child_environment(os.environ, CORE).items():
            environment.insert(name, value)
        process.setProcessEnvironment(environment)
        process.finished.connect(lambda *_: self._finished(process, path))
        process.errorOccurred.connect(lambda *_: self._failed(process, path))
        self._process = process
        process.start(python, ["-m", "mtmsd", "info", path, *words, "--json"])

    def stop(self) -> None:
        """Drop a question that has no answer yet."""
        process, self._process = self._process, None
        if process is not None:
            process.finished.disconnect()
            process.errorOccurred.disconnect()
            process.finished.connect(process.deleteLater)
            process.kill()

    def _failed(self, process: QProcess, path: str) -> None:
        if process.error() == QProcess.ProcessError.FailedToStart:
            self._process = None
            process.deleteLater()
            text = self.tr("The engine cannot be started: {}.").format(process.errorString())
            self.answered.emit(path, None, text)

    def _finished(self, process: QProcess, path: str) -> None:
        self._process = None
        process.deleteLater()
        facts, error = read_answer(bytes(process.readAllStandardOutput()).decode("utf-8"))
        if facts is None and not error:
            lines = bytes(process.readAllStandardError()).decode("utf-8", "replace").split("\n")
            said = [line.strip() for line in lines if line.strip()]
            error = said[-1] if said else self.tr("The engine said nothing about the raster.")
        self.answered.emit(path, facts, error)


def read_answer(text: str) -> tuple[dict[str, Any] | None, str]:
    """Return the facts, or the sentence that says why there are none.

    ``used`` becomes the numbers of the used bands, from 1.
    """
    for message in map(parse, text.encode().splitlines()):
        if message is not None and message["type"] == "done":
            facts = message["results"]
            return {**facts, "used": facts["used_bands"]}, ""
        if message is not None and message["type"] == "error":
            return None, f"{message['message']} {message['hint']}".strip()
    return None, ""
