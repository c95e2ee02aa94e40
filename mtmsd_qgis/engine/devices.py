"""The devices that the engine computes on, as its doctor found them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Device:
    """A device as the doctor found it; ``free_bytes`` at the time of the check."""

    name: str
    title: str
    ok: bool
    error: str = ""
    free_bytes: int = 0


def devices_of(report: Mapping[str, Any]) -> tuple[Device, ...]:
    """Read the devices out of the doctor's report."""
    return tuple(
        Device(
            str(row.get("name", "")),
            str(row.get("kind", "")),
            bool(row.get("ok")),
            str(row.get("error") or ""),
            int(row.get("free_bytes") or 0),
        )
        for row in report.get("devices") or ()
    )
