"""One text that tells a helper all about the engine, without names, homes and secrets."""

from __future__ import annotations

import getpass
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING

from qgis.core import Qgis
from qgis.PyQt.QtCore import QT_VERSION_STR

from ..engine import locks
from ..engine import stamp as environment_stamp
from ..engine.devices import Device
from .install_errors import without_secrets
from .machine import Surroundings, host_of
from .plan import size

if TYPE_CHECKING:
    from ..engine.interpreter import EngineState

LOG_LINES = 200


def diagnostics(state: EngineState, surroundings: Surroundings | None = None, log: str = "") -> str:
    """Return the text of *Copy Diagnostics*.

    Parameters
    ----------
    state : EngineState
        What the panel shows.
    surroundings : Surroundings, optional
        Where it is known.
    log : str
        The log of the last set-up; its last 200 lines are taken.
    """
    lines = [
        f"MTMSD {locks.plugin_version()}, QGIS {Qgis.QGIS_VERSION}, Qt {QT_VERSION_STR}, "
        f"Python {platform.python_version()}, {platform.platform()}",
        f"Engine: {state.status} {state.sentence}".rstrip(),
        f"Interpreter: {state.python} ({state.source}), Python {state.python_version}, "
        f"torch {state.torch_version or 'none'}",
    ]
    lines += [_device(device) for device in state.devices]
    stamp = environment_stamp.of(state.python) if state.python else {}
    if stamp:
        keys = ("kind", "device", "lock", "torch", "plugin", "made")
        lines.append("Set up: " + ", ".join(f"{key} {stamp.get(key)}" for key in keys))
        packages = (stamp.get("doctor") or {}).get("packages") or {}
        lines.append("Packages: " + ", ".join(f"{n} {v}" for n, v in packages.items()))
    if surroundings is not None:
        lines += _machine(surroundings)
    if log:
        lines += ["Log:", *log.splitlines()[-LOG_LINES:]]
    return without_names("\n".join(lines))


def _device(device: Device) -> str:
    free = f", {size(device.free_bytes)} free" if device.free_bytes else ""
    works = "" if device.ok else f" FAILS: {device.error}"
    return f"Device {device.name}: {device.title}{free}{works}"


def _machine(around: Surroundings) -> list[str]:
    sources = around.sources
    urls = (sources.index_url, *sources.extra_index_urls, *sources.find_links)
    return [
        f"Machine: {around.system} {around.machine}, {around.layout}",
        f"uv: {around.uv or 'none'}; proxy: {'yes' if around.proxy else 'none'}; sources: "
        + (", ".join(host_of(url) for url in urls if url) or "ordinary"),
        f"NVIDIA driver: {around.driver or 'none'}; "
        + ", ".join(f"{c.name} {size(c.total_bytes)}" for c in around.cards),
        *(f"Python {p.version} {p.path} {p.reason}".rstrip() for p in around.pythons),
    ]


def without_names(text: str, home: str = "", user: str = "") -> str:
    """Take home folders, user names and logins in URLs out of a text.

    Parameters
    ----------
    text : str
    home, user : str
        By default those of this user.
    """
    text = without_secrets(text)
    home = home or str(Path.home())
    if len(home) > 1:
        text = text.replace(home, "~").replace(home.replace("\\", "/"), "~")
    text = re.sub(
        r"(?i)((?:/home|/Users|[a-z]:[\\/]Users)[\\/])(?:[^\\/:;,\"'\n]+(?=[\\/])|[^\\/\s:;,\"']+)",
        r"\1…",
        text,
    )
    user = user or getpass.getuser()
    if len(user) > 2 and user != "root":
        text = re.sub(rf"\b{re.escape(user)}\b", "…", text)
    return re.sub(r"(?i)\b((?:api[_-]?key|token|password|secret)\s*[=:]\s*)\S+", r"\1…", text)
