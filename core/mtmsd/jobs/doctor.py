"""Job ``doctor``: is this installation sound, and what can it compute on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import time
from dataclasses import dataclass
from typing import Any

import mtmsd
from mtmsd.errors import MachineError
from mtmsd.reporting import Reporter

PACKAGES = (
    "torch", "numpy", "rasterio", "pyogrio", "shapely", "scikit-learn", "scikit-image", "scipy",
    "safetensors", "click", "rich", "psutil", "jinja2", "matplotlib",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """``doctor`` needs nothing."""


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Return versions, memory, and each device with the outcome of a real tensor operation.

    Raises
    ------
    MachineError
        A package is missing or not even the CPU computes.
    """
    packages = {name: _version(name) for name in PACKAGES}
    missing = [name for name, version in packages.items() if version is None]
    if missing:
        raise MachineError(
            f"The engine's Python {sys.executable} lacks {', '.join(missing)}.",
            hint="Install them into it, or choose another interpreter.",
            code="no-package",
        )
    import psutil

    start = time.perf_counter()
    from mtmsd import device

    loading = time.perf_counter() - start
    devices = device.report()
    if not any(row["ok"] for row in devices):
        raise MachineError(
            f"No device computes ({devices[0]['error']}).", hint="Install torch again."
        )
    memory = psutil.virtual_memory()
    return {
        "mtmsd": mtmsd.__version__,
        "python": platform.python_version(),
        "interpreter": sys.executable,
        "system": platform.platform(),
        "packages": packages,
        "cpus": os.cpu_count(),
        "memory": {"total_bytes": memory.total, "free_bytes": memory.available},
        "torch_loads_in_s": loading,
        "devices": devices,
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
