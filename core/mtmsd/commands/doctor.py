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
from mtmsd.mapping.runtimes import RUNTIMES
from mtmsd.reporting import Reporter

ONNXRUNTIMES = ("onnxruntime", "onnxruntime-gpu")
"""Two packages of one module: either will do, both are one too many."""
PACKAGES = (
    "torch", *ONNXRUNTIMES, "onnx", "numpy", "rasterio", "pyogrio", "shapely", "scikit-learn",
    "scikit-image", "scipy", "safetensors", "click", "rich", "psutil", "jinja2", "matplotlib",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """``doctor`` needs nothing."""


def run(arguments: Arguments, reporter: Reporter) -> dict[str, Any]:
    """Return versions, memory, and each device with the outcome of a real tensor operation.

    Without torch, but with onnxruntime, the engine is a ``light`` one: it classifies with
    exported classifiers, and its devices are those of onnxruntime. ``providers`` names those of
    onnxruntime's that computed a graph; a warning says which one that is there did not, and why.

    Raises
    ------
    MachineError
        A package is missing, a raster cannot be written and read, or not even the CPU computes.
    """
    packages = {name: _version(name) for name in PACKAGES}
    light = packages["torch"] is None and any(packages[name] for name in ONNXRUNTIMES)
    spared = {*ONNXRUNTIMES, *(["torch"] if light else [])}
    missing = [n for n, version in packages.items() if version is None and n not in spared]
    if missing:
        raise MachineError(
            f"The engine's Python {sys.executable} lacks {', '.join(missing)}.",
            hint="Install them into it, or choose another interpreter.",
            code="no-package",
        )
    _check_raster()
    import psutil

    runtime = RUNTIMES["onnx" if light else "torch"]
    start = time.perf_counter()
    try:
        report = runtime.devices.report
    except (ImportError, AttributeError) as error:  # as two builds in one folder leave it
        raise MachineError(
            f"{runtime.package} cannot be imported ({error}).",
            hint="Uninstall it, and install it again.",
            code="no-package",
        ) from error
    loading = time.perf_counter() - start
    devices = report()
    exported = devices if light else _onnxruntime_devices(reporter)
    _warn(packages, exported, reporter)
    if not any(row["ok"] for row in devices):
        raise MachineError(
            f"No device computes ({devices[0]['error']}).", hint=f"Install {runtime.package} again."
        )
    memory = psutil.virtual_memory()
    return {
        "mtmsd": mtmsd.__version__,
        "kind": "light" if light else "full",
        "python": platform.python_version(),
        "interpreter": sys.executable,
        "system": platform.platform(),
        "packages": packages,
        "cpus": os.cpu_count(),
        "memory": {"total_bytes": memory.total, "free_bytes": memory.available},
        "runtime": runtime.package,
        "runtime_loads_in_s": loading,
        "devices": devices,
        "providers": [row["provider"] for row in exported if row["ok"]],
    }


def _onnxruntime_devices(reporter: Reporter) -> list[dict[str, Any]]:
    """Return what onnxruntime computes on beside torch; nothing where it is not there."""
    runtime = RUNTIMES["onnx"]
    if not runtime.there:
        return []
    try:
        return runtime.devices.report()
    except (ImportError, AttributeError) as error:
        reporter.warning(f"onnxruntime cannot be imported ({error}); install it again.")
        return []


def _warn(
    packages: dict[str, str | None], devices: list[dict[str, Any]], reporter: Reporter
) -> None:
    """Say what keeps exported classifiers from the card."""
    if all(packages[name] for name in ONNXRUNTIMES):
        reporter.warning(
            "onnxruntime and onnxruntime-gpu are both installed, but they are the same module, and "
            "parts of one lie over the other: uninstall both, then install the one you want."
        )
    for row in devices:
        if not row["ok"] and row["name"] != "cpu":
            reporter.warning(
                f"onnxruntime does not compute by {row['provider']} here ({row['error']}); "
                "exported classifiers are mapped on the processor."
            )


def _check_raster() -> None:
    """Write a raster with a coordinate system and read it again: GDAL and PROJ are whole."""
    import numpy as np
    import rasterio
    from rasterio.errors import CRSError, RasterioError

    written = np.arange(12, dtype="uint16").reshape(1, 3, 4)
    try:
        with rasterio.MemoryFile() as file:
            with file.open(
                driver="GTiff", count=1, height=3, width=4, dtype="uint16", crs="EPSG:32633",
                transform=rasterio.Affine(30, 0, 300_000, 0, -30, 5_800_000),
            ) as raster:  # fmt: skip
                raster.write(written)
            with file.open() as raster:
                same = np.array_equal(raster.read(), written) and raster.crs.to_epsg() == 32633
    except (RasterioError, CRSError) as error:
        raise MachineError(
            f"A raster cannot be written and read ({error}).", hint="Install rasterio again."
        ) from error
    if not same:
        raise MachineError(
            "A raster that was written is read as another.", hint="Install rasterio again."
        )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
