"""Builds the environment beside the old one and swaps it in when the doctor is content."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ..common import folders
from ..common.translation import tr
from ..engine import locks
from ..engine.environment import child_environment
from ..engine.job_states import CANCELED, DONE, FAILED
from ..engine.stamp import STAMP
from . import commands, doctor, platforms
from .child import Child
from .environment_folder import NOTE, Place, remove_tree, tree_size
from .install_errors import BROKEN_LINE, code_of, explain, explain_os, without_secrets
from .machine import ask
from .plan import PIP, SetupPlan, free_bytes

STEPS = ("prepare", "python", "tool", "packages", "torch", "doctor", "swap")
"""The steps in their order; those that a plan does not need are left out."""

STEP_TITLES = {
    "prepare": "Preparing the folder",
    "python": "Making the Python environment",
    "tool": "Fetching the installer uv",
    "packages": "Fetching and installing the packages",
    "torch": "Fetching and installing PyTorch",
    "doctor": "Checking that it computes",
    "swap": "Putting it in place",
}
"""For the log, which is English; the panel has its own, in the user's language."""
TRIES = 3
"""How often a step is tried whose line broke off."""
WAIT_SECONDS = 2.0
SCANT_BYTES = 50_000_000
"""A disk with less free is full for this purpose, whatever the tool says; tools clear up after."""


@dataclass(frozen=True)
class Event:
    """What is told while a set-up runs, in the thread that runs it.

    ``line`` is a line of the log, or empty. ``done`` and ``total`` are bytes of the whole set-up
    as they arrive on the disk; total is 0 where they were not measured.
    """

    step: str
    done: int = 0
    total: int = 0
    line: str = ""


@dataclass(frozen=True)
class Outcome:
    """How a set-up ended: ``done``, ``failed`` or ``canceled``.

    ``sentence`` and ``remedy`` are for people; ``report`` is the doctor's; ``log`` the whole log.
    """

    status: str
    sentence: str
    remedy: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)
    log: Path = Path()


class _StoppedError(Exception):
    """The set-up cannot go on: ``sentence`` and ``remedy`` say why."""

    def __init__(self, sentence: str, remedy: str) -> None:
        super().__init__(sentence)
        self.sentence, self.remedy = sentence, remedy


class Installer:
    """One set-up; :meth:`run` blocks, :meth:`cancel` may be called from any thread."""

    def __init__(self, plan: SetupPlan, on_event: Callable[[Event], None]) -> None:
        self.plan = plan
        self._on_event = on_event
        self._place = Place(plan.folder)
        self._child = Child()
        rules = platforms.BY_NAME[platforms.name_of(sys.platform)]
        self._python = rules.environment_python(str(self._place.new))
        self._uv = plan.uv
        self._by_pip = plan.tool == PIP
        self._step = STEPS[0]
        self._arrived = 0
        self._log: IO[str] | None = None

    def run(self) -> Outcome:
        """Set the engine up; never raises for what can go wrong on a machine."""
        try:
            if not self._place.take():
                return self._failed(
                    _taken(self.plan.folder), tr("Wait until it has ended, or cancel it there.")
                )
        except OSError as error:
            return self._failed(*explain_os(error, self.plan))
        try:
            with self._place.log.open("w", encoding="utf-8") as self._log:
                report = self._build()
            return Outcome(DONE, tr("The engine is ready."), "", report, self._place.log)
        except _StoppedError as stopped:
            return self._failed(stopped.sentence, stopped.remedy)
        except OSError as error:
            return self._failed(*explain_os(error, self.plan))
        finally:
            self._place.release()

    def cancel(self) -> None:
        """End what runs, soon; what was fetched stays for the next time."""
        self._child.end()

    def _failed(self, sentence: str, remedy: str) -> Outcome:
        if self._child.ended:
            remedy = tr("What was fetched is kept for the next time.")
            return Outcome(CANCELED, tr("Canceled."), remedy, log=self._place.log)
        return Outcome(FAILED, sentence, remedy, log=self._place.log)

    # -- the steps --------------------------------------------------------------------------

    def _build(self) -> dict[str, Any]:
        self._begin("prepare")
        refusal = self.plan.refusal()
        if refusal:
            raise _StoppedError(refusal, "")
        self._place.recover()
        self._child.when_started(self._place.note_child)
        goes_on = self._place.prepare(self._wanted())
        (self._place.cache / "tmp").mkdir(parents=True, exist_ok=True)
        self._make_environment(goes_on)
        self._get_uv()
        self._begin("packages")
        self._run(commands.install_packages(self.plan, self._uv, self._python))
        self._install_torch()
        report = self._ask_doctor()
        self._begin("swap")
        self._place.child.unlink(missing_ok=True)
        self._place.swap(_stamp(self.plan, report))
        return report

    def _wanted(self) -> dict[str, Any]:
        """What must be the same for an unfinished environment to be gone on with."""
        plan = self.plan
        return {
            "lock": plan.lock, "device": plan.device, "python": plan.python, "tool": plan.tool
        }  # fmt: skip

    def _make_environment(self, goes_on: bool) -> None:
        self._begin("python")
        begun = ask(self._python) if goes_on else None
        if begun is not None and (begun.has_pip or self._uv):
            self._tell("Going on with the environment that was begun.")
            return
        if self.plan.python:
            self._check_base()
        elif not self._uv:
            self._uv = self._fetch_uv_beside()
        self._run(commands.make_environment(self.plan, self._uv, self._place.new))

    def _check_base(self) -> None:
        python = self.plan.python
        answer = ask(python)
        if answer is None:
            sentence = tr("{} does not answer like a Python.").format(python)
            raise _StoppedError(sentence, tr("Choose another Python."))
        if answer.reason():
            sentence = tr("{python} cannot be used: {reason}.")
            sentence = sentence.format(python=python, reason=answer.reason())
            raise _StoppedError(sentence, tr("Choose another Python."))

    def _fetch_uv_beside(self) -> str:
        """Fetch uv where no Python fits: it will bring one."""
        self._begin("tool")
        target = self._place.cache / "fetched"
        self._run(commands.fetch_uv(self.plan, self.plan.fetcher, target))
        return str(target / "bin" / _uv_name())

    def _get_uv(self) -> None:
        """Have uv in the environment; where the index has none, its pip does the work."""
        inside = Path(self._python).with_name(_uv_name())
        if self.plan.tool == PIP or self._uv:
            return
        if not inside.exists():
            self._begin("tool")
            status, _ = self._start(commands.fetch_uv(self.plan, self._python))
            self._stop_if_canceled()
            if status != 0:
                self._tell("uv cannot be had; pip installs.")
                self._by_pip = True
        self._uv = str(inside) if inside.exists() else ""

    def _install_torch(self) -> None:
        plan = self.plan
        if not plan.torch:
            return
        self._begin("torch")
        command = commands.install_torch(plan, self._uv, self._python, own_index=False)
        if not plan.torch_index:
            self._run(command)
            return
        if plan.sources.are_own:
            status, _ = self._start(command)
            self._stop_if_canceled()
            if status == 0:
                return
            self._tell(f"The configured sources have no {plan.torch}; {plan.torch_index} is asked.")
        self._run(
            commands.install_torch(plan, self._uv, self._python, own_index=True), torch_index=True
        )

    def _ask_doctor(self) -> dict[str, Any]:
        self._begin("doctor")
        environment = child_environment(os.environ, folders.CORE)
        status, lines = self._child.run(doctor.command(self._python), environment, self._tell)
        self._stop_if_canceled()
        device = self.plan.device if self.plan.device != "cpu" else ""
        verdict = doctor.judge(lines, status, self._python, device)
        if not verdict.ok:
            raise _StoppedError(verdict.sentence, verdict.remedy)
        return dict(verdict.report)

    # -- tools ------------------------------------------------------------------------------

    def _run(self, command: list[str], torch_index: bool = False) -> None:
        """Run a tool; a line that broke off is tried again, all else stops the set-up."""
        for last in range(TRIES):
            status, lines = self._start(command, torch_index)
            self._stop_if_canceled()
            if status == 0:
                return
            log = "\n".join(lines)
            if free_bytes(self.plan.folder) < SCANT_BYTES:  # not every tool says so
                raise _StoppedError(*explain("No space left on device", self.plan))
            if code_of(log) != BROKEN_LINE or last == TRIES - 1:
                raise _StoppedError(*explain(log, self.plan))
            self._tell("The line broke off; trying again.")
            time.sleep(WAIT_SECONDS * (last + 1))

    def _start(self, command: list[str], torch_index: bool = False) -> tuple[int, list[str]]:
        scrubbed = child_environment(os.environ, folders.CORE)
        environment = commands.tool_environment(self.plan, self._place, scrubbed, torch_index)
        self._tell("$ " + " ".join(command))
        return self._child.run(command, environment, self._tell, self._measure)

    def _measure(self) -> None:
        """Tell what has arrived: with uv the cache holds it unpacked, with pip as it was fetched.

        uv links files from the cache into the environment, so only the cache counts.
        """
        plan = self.plan
        if not self._by_pip:
            done, total = tree_size(self._place.cache / "uv"), plan.disk_bytes
        else:
            done = tree_size(self._place.cache) + tree_size(self._place.new)
            total = plan.download_bytes + plan.disk_bytes
        self._arrived = max(self._arrived, min(done, total))  # temporary files come and go
        self._on_event(Event(self._step, self._arrived, total))

    def _stop_if_canceled(self) -> None:
        if self._child.ended:
            raise _StoppedError(tr("Canceled."), "")

    def _begin(self, step: str) -> None:
        self._stop_if_canceled()
        self._step = step
        self._tell(f"== {STEP_TITLES[step]}")

    def _tell(self, line: str) -> None:
        line = without_secrets(line)
        if self._log is not None:
            self._log.write(line + "\n")
            self._log.flush()
        self._on_event(Event(self._step, line=line))


def unfinished(folder: Path) -> bool:
    """Whether a set-up was begun for a folder and not finished: the next one goes on with it."""
    return Place(folder).left_over()


def remove(folder: Path) -> str:
    """Take an environment and all that lies beside it away; return "" or why it could not be.

    Only a folder that a set-up made is removed.
    """
    place = Place(folder)
    if folder.exists() and not any((folder / name).exists() for name in (STAMP, NOTE)):
        return tr("{} was not made by Set Up Engine…; remove it yourself.").format(folder)
    try:
        if not place.take():
            return f"{_taken(folder)} {tr('Wait until it has ended.')}"
        try:
            place.recover()
            for tree in (place.folder, place.new, place.cache, place.pythons):
                remove_tree(tree)
            place.log.unlink(missing_ok=True)
        finally:
            place.release()
    except OSError as error:
        text = tr("{path} could not be removed: {reason}.")
        return text.format(path=error.filename or folder, reason=error.strerror)
    return ""


def _stamp(plan: SetupPlan, report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stamp of an environment that has just passed its check."""
    return {
        "kind": plan.kind,
        "device": plan.device,
        "lock": plan.lock,
        "torch": plan.torch,
        "plugin": locks.plugin_version(),
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "doctor": dict(report),
    }


def _taken(folder: Path) -> str:
    return tr("Another QGIS is setting up the engine in {}.").format(folder)


def _uv_name() -> str:
    return "uv.exe" if os.name == "nt" else "uv"
