"""Runs the engine as others do: as a child process, in a terminal or in a job folder."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from small_files import cube, rectangle, write_polygons, write_raster

TINY = {
    "width": 32,
    "components": 4,
    "patch_size": 16,
    "iterations": 20,
    "batch_size": 2,
    "learning_rate": 1e-3,
    "classifier.learning_rate": 2e-3,
    "checkpoint_every": 5,
    "precision": "fp32",
    "timesteps": "100,400",
    "channels": 1000,
    "stride": 8,
    "members": 1,
    "epochs": 2,
    "samples_per_epoch": 1500,
}
"""Settings by which the whole chain takes seconds."""


def words(settings: dict[str, Any]) -> list[str]:
    """Return ``--set`` and its pairs."""
    return ["--set", *(f"{key}={value}" for key, value in settings.items())]


def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start ``mtmsd`` with these arguments."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [sys.executable, "-m", "mtmsd", *map(str, arguments)],
        **{**pipes, **options},
    )


def end(process: subprocess.Popen[bytes], timeout: float = 180) -> tuple[int, str, str]:
    """Wait for a process; its status, stdout and stderr."""
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out.decode(), (err or b"").decode()


def job(folder: Path, command: str, arguments: dict[str, Any], parent: str = "stop") -> Path:
    """Write a job folder as the plugin does."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"command": command, "arguments": arguments, "when_parent_ends": parent}
    (folder / "job.json").write_text(json.dumps(content, default=str))
    return folder


def messages(text: str) -> list[dict[str, Any]]:
    """Return the messages in a stream; every line must be one."""
    return [json.loads(line) for line in text.splitlines()]


def wait_for(true: Callable[[], Any], seconds: float = 120) -> Any:
    """Wait until something holds and return it."""
    until = time.monotonic() + seconds
    while not (answer := true()):
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)
    return answer


def checkpoint_of(output: Path) -> Path | None:
    """Return the newest checkpoint for an output that is being made."""
    return max(output.parent.glob(f"{output.name}.work/checkpoints/step-*"), default=None)


def leftovers(folder: Path) -> list[str]:
    """Return what is unfinished in a folder: temporary files of any kind."""
    return [str(p) for p in folder.rglob("*") if p.name.endswith((".part", ".tmp"))]


def fields_scene(folder: Path) -> tuple[Path, Path]:
    """Write a scene of two fields, 40 × 48 px in 6 bands, and three polygons in each."""
    data = cube(6, 40, 48, seed=1)
    data[:3, :, 24:] //= 2
    scene = write_raster(
        folder / "scene.tif", data, wavelengths=[450, 550, 650, 850, 1600, 2200], nodata=-9999
    )
    spots = [(2, 2), (16, 4), (30, 8), (3, 28), (18, 36), (31, 30)]
    labels = write_polygons(
        folder / "labels.gpkg",
        [rectangle(row, col, 4, 5) for row, col in spots],
        class_id=np.array([1, 1, 1, 2, 2, 2]),
        class_name=np.array(["left"] * 3 + ["right"] * 3, object),
    )
    return scene, labels
