"""Answers of measurements, kept for each machine and version in the user's cache folder."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from mtmsd import __version__
from mtmsd.compute.arithmetic import Arithmetic
from mtmsd.files.atomic import atomic_path, write_errors

VARIABLE = "MTMSD_CACHE"
"""Environment variable: the folder in which answers are kept."""


def machine(device: torch.device) -> dict[str, Any]:
    """Return what an answer holds for: the processor or card, threads, and versions."""
    name, flags = _processor()
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {
        "device": card,
        "processor": name,
        "flags": flags,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "mtmsd": __version__,
    }


def _processor() -> tuple[str, str]:
    """Name and instruction sets of the processor, as far as the system tells them."""
    known = {"flags": torch.backends.cpu.get_cpu_capability(), "model name": platform.processor()}
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            known[key.strip()] = value.strip()
    return known["model name"] or platform.machine(), known["flags"]


def cache_folder() -> Path:
    """Return the user's folder for what can be made again: MTMSD_CACHE, or the system's."""
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "mtmsd"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "mtmsd"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mtmsd"


def answer_path(key: Mapping[str, Any]) -> Path:
    """Return where the answer for a machine and work is kept, a small JSON file of its own."""
    text = json.dumps(key, sort_keys=True)
    return cache_folder() / f"arithmetic-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def recall(key: Mapping[str, Any]) -> Arithmetic | None:
    """Return a kept answer; None if there is none, or it is damaged: it is measured again."""
    try:
        kept = json.loads(answer_path(key).read_text())
        form = Arithmetic(kept["precision"], kept["layout"])
        return form if kept["for"] == key and str(form) in key["forms"] else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def keep(key: Mapping[str, Any], chosen: Arithmetic, seconds: Mapping[Arithmetic, float]) -> None:
    """Keep an answer, with the seconds of each form; raises as :func:`atomic_path`."""
    told = {str(form): round(value, 6) for form, value in seconds.items()}
    answer = {"precision": chosen.precision, "layout": chosen.layout, "seconds": told, "for": key}
    path = answer_path(key)
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part:
        part.write_text(json.dumps(answer, indent=1) + "\n")
