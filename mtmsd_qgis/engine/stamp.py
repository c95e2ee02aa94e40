"""What a finished environment says of itself: which lock, which plugin, what the doctor found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..common.translation import tr
from . import locks

STAMP = "mtmsd-engine.json"
"""In a finished environment: what it was made from and what the doctor said."""


def read(path: Path) -> dict[str, Any]:
    """Return a JSON object from a file; an empty one where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def of(python: str) -> dict[str, Any]:
    """Return the stamp of the environment that an interpreter is of; empty where it has none."""
    return read(Path(python).parent.parent / STAMP)


def outdated(stamp: Mapping[str, Any]) -> str:
    """Say why an environment is not the one that this plugin wants; empty if it is."""
    if not stamp:
        return ""
    words = (str(stamp.get(*row)) for row in (("kind", "full"), ("device", "cpu"), ("torch", "")))
    wanted = locks.digest(*words)
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
