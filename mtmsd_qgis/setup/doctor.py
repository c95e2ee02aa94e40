"""Asks the engine itself whether it works: imports, devices, a raster written and read."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..common import folders
from ..common.translation import tr
from ..engine.devices import Device, devices_of
from ..engine.environment import child_environment
from ..engine.process import end_tree, how_it_ended, start_options

SECONDS = 180.0
"""How long the doctor may take; the first start of torch on a slow disk takes a minute."""
LEAST_CARD_BYTES = 1_000_000_000
"""Less free memory on a card is not enough to begin with."""


@dataclass(frozen=True)
class Verdict:
    """The doctor's answer: ``ok``, or a sentence that says why not and a remedy."""

    ok: bool
    sentence: str = ""
    remedy: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def devices(self) -> tuple[Device, ...]:
        """The devices, those that compute and those that do not."""
        return devices_of(self.report)


def command(python: str) -> list[str]:
    """Return the command line of the doctor."""
    return [python, "-m", "mtmsd", "doctor", "--json"]


def verify(python: str, seconds: float = SECONDS) -> Verdict:
    """Run the doctor in a scrubbed child; it takes up to a minute, so call it in a thread."""
    try:
        child = subprocess.Popen(  # noqa: S603
            command(python),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=child_environment(os.environ, folders.CORE),
            **start_options(),
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        sentence = tr("{python} cannot be started: {reason}.").format(python=python, reason=reason)
        return Verdict(False, sentence, tr("Choose another Python."))
    try:
        said, _ = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        end_tree(child.pid)
        child.communicate()
        sentence = tr("{python} did not answer within {seconds} s.")
        sentence = sentence.format(python=python, seconds=f"{seconds:g}")
        return Verdict(False, sentence, tr("Choose another Python."))
    lines = said.decode("utf-8", "replace").splitlines()
    return judge(lines, child.returncode, python)


def judge(lines: Iterable[str], returncode: int, python: str, device: str = "") -> Verdict:
    """Read what the doctor said; ``device`` is the kind that must compute, if any must."""
    messages = _messages(lines)
    done = next((m for m in messages if m.get("type") == "done"), None)
    error = next((m for m in messages if m.get("type") == "error"), None)
    if error is not None:
        return Verdict(False, str(error.get("message", "")), str(error.get("hint", "")))
    if done is None:
        written = (line.strip() for line in reversed(list(lines)) if line.strip())
        sentence = tr("{python} {ended} when the engine was checked ({last}).").format(
            python=python,
            ended=how_it_ended(returncode),
            last=next(written, tr("no message"))[:300],
        )
        return Verdict(False, sentence, tr("Choose another Python, or set the engine up anew."))
    report = done.get("results") or {}
    return _judge_device(Verdict(True, report=report), device)


def _judge_device(verdict: Verdict, device: str) -> Verdict:
    rows = [row for row in verdict.devices if row.name.split(":")[0] == device]
    if not device or any(row.ok and not _is_full(row) for row in rows):
        return verdict
    if any(row.ok for row in rows):
        sentence = tr("The card {card} has only {free} MB free.")
        sentence = sentence.format(card=rows[0].title, free=f"{rows[0].free_bytes / 1e6:.0f}")
        remedy = tr("Close other programs that use it, or set the engine up for the processor.")
        return Verdict(False, sentence, remedy, verdict.report)
    reason = f" ({rows[0].error})" if rows else ""
    if device == "cuda":
        sentence = tr("All was installed, but it computes on no NVIDIA graphics card here{}.")
    else:
        sentence = tr("All was installed, but it computes on no Apple GPU here{}.")
    remedy = tr("Update the card's driver, or set the engine up for the processor.")
    return Verdict(False, sentence.format(reason), remedy, verdict.report)


def _is_full(device: Device) -> bool:
    known = device.free_bytes > 0  # onnxruntime does not tell
    return device.name.startswith("cuda") and known and device.free_bytes < LEAST_CARD_BYTES


def _messages(lines: Iterable[str]) -> list[dict[str, Any]]:
    found = []
    for line in lines:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(message, dict):
            found.append(message)
    return found
