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

from ..common.folders import CORE, environment_folder
from ..common.translation import tr
from . import stamp as environment_stamp
from .devices import Device, devices_of
from .environment import child_environment
from .process import WINDOWS, end_tree, how_it_ended, start_options

SETTING = "mtmsd/engine/python"
VARIABLE = "MTMSD_PYTHON"
CHECK_SECONDS = 30.0
"""How long an interpreter may take to answer the check."""
RECHECK_SECONDS = 5.0
"""After this time a broken interpreter is looked at again: it may have been mended."""

READY, MISSING, BROKEN, CHECKING = "ready", "missing", "broken", "checking"
OUTDATED = "outdated"
"""The engine works, but was set up from another lock than the one that this plugin brings."""

_MODULES = "numpy rasterio pyogrio shapely sklearn skimage scipy safetensors click rich psutil"
_MARK = "MTMSD-ENGINE "
# Looks for the engine's libraries without importing them: a tenth of a second, not ten.
_PROBE = f"""
import importlib.metadata as m, importlib.util as u, json, sys
light = u.find_spec("torch") is None and u.find_spec("onnxruntime") is not None
modules = ([] if light else ["torch"]) + "{_MODULES} jinja2 matplotlib mtmsd".split()
missing = [n for n in modules if u.find_spec(n) is None]
def version(name):
    try:
        return m.version(name)
    except m.PackageNotFoundError:
        return ""
answer = dict(python=sys.version.split()[0], torch=version("torch"), missing=missing,
              onnxruntime=version("onnxruntime") or version("onnxruntime-gpu"),
              kind="light" if light else "full")
print("\\n{_MARK}" + json.dumps(answer), flush=True)
"""


@dataclass(frozen=True)
class EngineState:
    """What is known of the engine.

    Attributes
    ----------
    status : str
        ``ready``, ``missing``, ``broken``, ``checking``, or ``outdated``, which works too.
    sentence : str
        Why it is not ready and what to do, for people.
    python, source : str
        The interpreter, and what named it.
    python_version, torch_version, onnxruntime_version : str
        Empty where they are not known or not there.
    kind : str
        ``full``, or ``light``: without torch, classify and assess only.
    version : str
        The plugin by which the environment was set up; empty for a chosen interpreter.
    devices : tuple of Device
        With the memory that was free when the environment was last checked by the doctor.
    """

    status: str
    sentence: str
    python: str = ""
    source: str = ""
    python_version: str = ""
    torch_version: str = ""
    onnxruntime_version: str = ""
    kind: str = "full"
    version: str = ""
    devices: tuple[Device, ...] = ()


def find_interpreter(setting: str, environ: Mapping[str, str], own_folder: Path) -> tuple[str, str]:
    """Return the interpreter's path and where it was named.

    The plugin's setting comes first, then the environment variable ``MTMSD_PYTHON``, then the
    plugin's own environment folder. The path may be of a file that is not there.
    """
    if setting:
        return setting, tr("the plugin's setting {}").format(SETTING)
    if environ.get(VARIABLE):
        return environ[VARIABLE], tr("the environment variable {}").format(VARIABLE)
    inside = "Scripts/python.exe" if WINDOWS else "bin/python"
    return str(own_folder / inside), tr("the plugin's own environment folder")


def probe(python: str, source: str, seconds: float = CHECK_SECONDS) -> EngineState:
    """Start the interpreter and ask it for the engine's libraries; this may take seconds."""

    def broken(text: str, **facts: str) -> EngineState:
        advice = tr("Choose another interpreter for the engine (now named by {source}).")
        sentence = f"{text} {advice}".format(python=python, source=source, **facts)
        return EngineState(BROKEN, sentence, python, source)

    if Path(python).name.lower().startswith("qgis"):
        return broken(tr("{python} is QGIS itself, not a Python interpreter."))
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
        text = tr("{python} cannot be started as the engine's Python: {reason}.")
        return broken(text, reason=reason)
    try:
        out, err = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        end_tree(child.pid)
        child.communicate()
        return broken(tr("{python} did not answer within {seconds} s."), seconds=f"{seconds:g}")
    answer = _answer(out.decode("utf-8", "replace"))
    if answer is None and child.returncode != 0:
        lines = err.decode("utf-8", "replace").strip().splitlines() or [tr("no message")]
        text = tr("{python} {ended} when the engine was looked for ({last}).")
        return broken(text, ended=how_it_ended(child.returncode), last=lines[-1])
    if answer is None:
        return broken(tr("{python} does not answer like a Python interpreter."))
    if tuple(int(part) for part in answer["python"].split(".")[:2]) < (3, 10):
        text = tr("{python} is Python {version}; the engine needs 3.10 or newer.")
        return broken(text, version=answer["python"])
    if answer["missing"]:
        text = tr("The engine's Python {python} lacks {libraries}.")
        return broken(text, libraries=", ".join(answer["missing"]))
    return _working(answer, python, source)


def _working(answer: dict, python: str, source: str) -> EngineState:
    stamp = environment_stamp.of(python)
    sentence = environment_stamp.outdated(stamp)
    return EngineState(
        OUTDATED if sentence else READY,
        sentence,
        python,
        source,
        answer["python"],
        answer["torch"],
        answer["onnxruntime"],
        answer["kind"],
        str(stamp.get("plugin", "")),
        devices_of(stamp.get("doctor") or {}),
    )


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
        own = environment_folder()
        python, source = find_interpreter(setting, os.environ, own)
        if not os.path.isfile(python):  # False, too, where a folder may not be looked into
            return _missing(python, source, is_own=own in Path(python).parents)
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


def _missing(python: str, source: str, is_own: bool) -> EngineState:
    if is_own:
        sentence = tr(
            "The MTMSD engine is not set up: there is no Python environment for it. "
            "Press Set Up Engine… in the dock, or choose an interpreter that has its libraries."
        )
    else:
        sentence = tr("The engine's Python {python}, named by {source}, does not exist.")
        sentence = sentence.format(python=python, source=source)
    return EngineState(MISSING, sentence, python, source)
