"""The Python interpreter that runs the engine: found, checked once, remembered."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qgis.core import QgsSettings

from .environment import child_environment
from .folders import CORE, environment_folder
from .process import WINDOWS, end_tree, how_it_ended, start_options

SETTING = "mtmsd/engine/python"
VARIABLE = "MTMSD_PYTHON"
CHECK_SECONDS = 30.0
"""How long an interpreter may take to answer the check."""
RECHECK_SECONDS = 5.0
"""After this time a broken interpreter is looked at again: it may have been mended."""

READY, MISSING, BROKEN, CHECKING = "ready", "missing", "broken", "checking"

_MODULES = "torch numpy rasterio pyogrio shapely sklearn skimage scipy safetensors click rich"
_MARK = "MTMSD-ENGINE "
# Looks for the engine's libraries without importing them: a tenth of a second, not ten.
_PROBE = f"""
import importlib.metadata as m, importlib.util as u, json, sys
missing = [n for n in "{_MODULES} psutil jinja2 matplotlib mtmsd".split() if u.find_spec(n) is None]
try:
    torch = m.version("torch")
except m.PackageNotFoundError:
    torch = ""
answer = dict(python=sys.version.split()[0], torch=torch, missing=missing)
print("\\n{_MARK}" + json.dumps(answer), flush=True)
"""


@dataclass(frozen=True)
class EngineState:
    """What is known of the engine.

    ``status`` is ``ready``, ``missing``, ``broken`` or ``checking``; ``sentence`` says why it
    is not ready and what to do, for people.
    """

    status: str
    sentence: str
    python: str = ""
    source: str = ""
    python_version: str = ""
    torch_version: str = ""


def find_interpreter(setting: str, environ: Mapping[str, str], own_folder: Path) -> tuple[str, str]:
    """Return the interpreter's path and where it was named.

    The plugin's setting comes first, then the environment variable ``MTMSD_PYTHON``, then the
    plugin's own environment folder. The path may be of a file that is not there.
    """
    if setting:
        return setting, f"the plugin's setting {SETTING}"
    if environ.get(VARIABLE):
        return environ[VARIABLE], f"the environment variable {VARIABLE}"
    inside = "Scripts/python.exe" if WINDOWS else "bin/python"
    return str(own_folder / inside), "the plugin's own environment folder"


def probe(python: str, source: str, seconds: float = CHECK_SECONDS) -> EngineState:
    """Start the interpreter and ask it for the engine's libraries; this may take seconds."""

    def broken(what: str) -> EngineState:
        advice = f"Choose another interpreter for the engine (now named by {source})."
        return EngineState(BROKEN, f"{what} {advice}", python, source)

    if Path(python).name.lower().startswith("qgis"):
        return broken(f"{python} is QGIS itself, not a Python interpreter.")
    try:
        child = subprocess.Popen(  # noqa: S603
            [python, "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment(os.environ, CORE),
            **start_options(),
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return broken(f"{python} cannot be started as the engine's Python: {reason}.")
    try:
        out, err = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        end_tree(child.pid)
        child.communicate()
        return broken(f"{python} did not answer within {seconds:g} s.")
    answer = _answer(out.decode("utf-8", "replace"))
    if answer is None and child.returncode != 0:
        lines = err.decode("utf-8", "replace").strip().splitlines() or ["no message"]
        ended = how_it_ended(child.returncode)
        return broken(f"{python} {ended} when the engine was looked for ({lines[-1]}).")
    if answer is None:
        return broken(f"{python} does not answer like a Python interpreter.")
    if tuple(int(part) for part in answer["python"].split(".")[:2]) < (3, 10):
        return broken(f"{python} is Python {answer['python']}; the engine needs 3.10 or newer.")
    if answer["missing"]:
        names = ", ".join(answer["missing"])
        return broken(f"The engine's Python {python} lacks {names}.")
    return EngineState(READY, "", python, source, answer["python"], answer["torch"])


def _answer(text: str) -> dict | None:
    for line in text.splitlines():
        if line.startswith(_MARK):
            return json.loads(line[len(_MARK) :])
    return None


class Engine:
    """The engine as the plugin knows it; the check runs in a thread of its own.

    One instance belongs to the Processing provider
    (``QgsApplication.processingRegistry().providerById("mtmsd").engine``).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: tuple[str, str, int] | None = None
        self._state = EngineState(CHECKING, "")
        self._answered = threading.Event()
        self._answered_at = 0.0

    def state(self, wait: float = 0.0) -> EngineState:
        """Return what is known now; a check is started where none is known.

        Parameters
        ----------
        wait : float
            Seconds to wait for a running check; 0 never blocks and may answer ``checking``.
        """
        setting = str(QgsSettings().value(SETTING, "") or "")
        python, source = find_interpreter(setting, os.environ, environment_folder())
        if not os.path.isfile(python):  # False, too, where a folder may not be looked into
            return _missing(python, source)
        key = (python, source, Path(python).stat().st_mtime_ns)
        with self._lock:
            old = time.monotonic() - self._answered_at > RECHECK_SECONDS
            if key != self._key or (self._state.status == BROKEN and old):
                self._begin(key)
            answered = self._answered
        if wait > 0:
            answered.wait(wait)
        with self._lock:
            return self._state

    def recheck(self) -> None:
        """Forget what is known and look again, without waiting."""
        with self._lock:
            self._key = None
        self.state()

    def _begin(self, key: tuple[str, str, int]) -> None:
        if key != self._key:
            self._state = EngineState(CHECKING, "", key[0], key[1])
        self._key = key
        self._answered = threading.Event()
        thread = threading.Thread(
            target=self._check, args=(key, self._answered), name="mtmsd-check", daemon=True
        )
        thread.start()

    def _check(self, key: tuple[str, str, int], answered: threading.Event) -> None:
        try:
            state = probe(key[0], key[1])
            with self._lock:
                if key == self._key:
                    self._state = state
                    self._answered_at = time.monotonic()
        finally:
            answered.set()


def _missing(python: str, source: str) -> EngineState:
    if source.startswith("the plugin's own"):
        sentence = (
            "The MTMSD engine is not set up: there is no Python environment for it. "
            f"Name an interpreter in the dock or in the environment variable {VARIABLE}."
        )
    else:
        sentence = f"The engine's Python {python}, named by {source}, does not exist."
    return EngineState(MISSING, sentence, python, source)
