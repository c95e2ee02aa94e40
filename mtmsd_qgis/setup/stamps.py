"""What a finished environment says of itself: which lock, which plugin, what the doctor found."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..common.translation import tr
from . import locks
from .environment_folder import STAMP, read
from .plan import SetupPlan


def make(plan: SetupPlan, report: Mapping[str, Any]) -> dict[str, Any]:
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


def of(python: str) -> dict[str, Any]:
    """Return the stamp of the environment that an interpreter is of; empty where it has none."""
    return read(Path(python).parent.parent / STAMP)


def outdated(stamp: Mapping[str, Any]) -> str:
    """Say why an environment is not the one that this plugin wants; empty if it is."""
    if not stamp:
        return ""
    wanted = locks.digest(str(stamp.get("kind", "full")), str(stamp.get("torch", "")))
    newest = _torch_now(stamp)
    if stamp.get("lock") == wanted and newest:
        return ""
    theirs, ours = str(stamp.get("plugin", "")), locks.plugin_version()
    if _number(theirs) > _number(ours):
        text = tr(
            "The engine was made by a newer plugin ({theirs}; this one is {ours}) and may not "
            "fit. Get the newer plugin, or press Update to build the engine for this one."
        )
    else:
        text = tr(
            "The engine was set up by another version of the plugin ({theirs}; this one is "
            "{ours}) and has other packages. Press Update; it works until then."
        )
    return text.format(theirs=theirs or tr("unknown"), ours=ours)


def _torch_now(stamp: Mapping[str, Any]) -> bool:
    torch = str(stamp.get("torch", ""))
    return not torch or torch in locks.torch_requirements()


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
