"""Builds the environment beside the old one and swaps it in when the doctor is content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .plan import SetupPlan

DONE, FAILED, CANCELED = "done", "failed", "canceled"

STEPS = ("prepare", "tool", "python", "packages", "torch", "doctor", "swap")
"""The steps in their order; those that a plan does not need are left out."""

STEP_TITLES = {
    "prepare": "Preparing the folder",
    "tool": "Fetching the installer uv",
    "python": "Making the Python environment",
    "packages": "Fetching and installing the packages",
    "torch": "Fetching and installing PyTorch",
    "doctor": "Checking that it computes",
    "swap": "Putting it in place",
}


@dataclass(frozen=True)
class Event:
    """What is told while a set-up runs, in the thread that runs it.

    ``line`` is a line of the log, or empty; ``done`` and ``total`` are bytes of the step, total 0
    where a step has none.
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


class Installer:
    """One set-up; :meth:`run` blocks, :meth:`cancel` may be called from any thread."""

    def __init__(self, plan: SetupPlan, on_event: Callable[[Event], None]) -> None:
        self.plan = plan
        self._on_event = on_event

    def run(self) -> Outcome:
        """Set the engine up; never raises for what can go wrong on a machine."""
        raise NotImplementedError

    def cancel(self) -> None:
        """End what runs, soon; what was fetched stays for the next time."""
        raise NotImplementedError


def remove(folder: Path) -> str:
    """Take an environment and all that lies beside it away; return "" or why it could not be.

    Only a folder that a set-up made is removed.
    """
    raise NotImplementedError
