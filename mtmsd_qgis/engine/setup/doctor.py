"""Asks the engine itself whether it works: imports, devices, a raster written and read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Device:
    """A device as the doctor found it; ``free_bytes`` at the time of the check."""

    name: str
    title: str
    ok: bool
    error: str = ""
    free_bytes: int = 0


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
        raise NotImplementedError


def verify(python: str, seconds: float = 180.0) -> Verdict:
    """Run ``mtmsd doctor --json`` in a scrubbed child; takes up to a minute, so in a thread."""
    raise NotImplementedError
