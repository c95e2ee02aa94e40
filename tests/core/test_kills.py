"""Killed at any moment, the next run goes on, and ends with what an unbroken one gives.

``make test-kill`` kills a hundred times; ``make test`` a few.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mtmsd.commands.runner import run_job
from mtmsd.files.tensor_file import load_tensors
from running import TINY, job, leftovers
from small_files import cube, rectangle, write_polygons, write_raster

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("MTMSD_KILLS", "2"))
"""For each of the three commands."""
SETTINGS = TINY | {"checkpoint_every": 3, "epochs": 4, "samples_per_epoch": 0, "stride": 16}
OUTPUTS = {
    "pretrain": {"output": "model.safetensors"},
    "train": {"output": "classifier.safetensors"},
    "classify": {"output": "map.tif", "confidence": "confidence.tif"},
}
PHASES = {"pretrain": "pretrain", "train": "fit", "classify": "classify"}
"""After whose beginning two of three kills are counted."""

# The engine starts from a process that has its libraries loaded: a hundred starts in minutes.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    ["mtmsd.commands.map", "mtmsd.mapping.mapper", "mtmsd.assess.assess"]
)


def run(folder: Path, resume: bool) -> None:
    os._exit(run_job(folder, resume=resume))


class Killed:
    """One command in a folder of its own, run and killed again and again."""

    def __init__(self, folder: Path, command: str, arguments: dict[str, Any]) -> None:
        files = {name: folder / file for name, file in OUTPUTS[command].items()}
        self.files = list(files.values())
        self.folder = job(folder / "job", command, arguments | files, parent="continue")

    def attempt(self, resume: bool, seconds: float | None = None, phase: str = "") -> bool:
        """Run, for so many seconds at most after a phase began; whether it came to its end."""
        (self.folder / "messages.jsonl").unlink(missing_ok=True)
        process = _processes.Process(target=run, args=(self.folder, resume))
        process.start()
        while phase and process.is_alive() and self.last_phase() != phase:
            time.sleep(0.005)
        process.join(seconds)
        process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL), self.last_phase()
        return process.exitcode == 0

    def last_phase(self) -> str:
        """Where it was killed."""
        file = self.folder / "messages.jsonl"
        told = file.read_text().splitlines() if file.exists() else []
        whole = [json.loads(line) for line in told if line.endswith("}")]
        names = [m.get("name", m["type"]) for m in whole if m["type"] in ("hello", "phase", "done")]
        return names[-1] if names else "start"

    def contents(self) -> dict[str, Any]:
        """What is there under a final name, with what tells it from anything else."""
        return {file.name: content(file) for file in self.files if file.exists()}


def content(file: Path) -> Any:
    """Return the bytes of a map, or tensors and metadata of a model but for the clock's times."""
    if file.suffix == ".tif":
        return file.read_bytes()
    kind = "classifier" if "classifier" in file.name else "diffusion-model"
    tensors, metadata = load_tensors(file, kind)
    for baseline in metadata.get("metadata", {}).get("accuracy", {}).get("baselines", ()):
        baseline.pop("seconds", None)
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}, metadata


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The unbroken runs of the three commands, their contents and their seconds."""
    folder = tmp_path_factory.mktemp("unbroken")
    data = cube(6, 12, 1600, seed=1)  # five blocks of a map
    data[:3, :, 800:] //= 2
    scene = write_raster(folder / "scene.tif", data, nodata=-9999)
    spots = [(2, 20), (6, 300), (4, 700), (3, 900), (5, 1200), (7, 1500)]
    labels = write_polygons(
        folder / "labels.gpkg", [rectangle(row, col, 4, 5) for row, col in spots],
        class_id=[1, 1, 1, 2, 2, 2],
    )  # fmt: skip
    model, classifier = folder / "model.safetensors", folder / "classifier.safetensors"
    method = {"scene": scene, "settings": SETTINGS, "seed": 5, "device": "cpu"}
    arguments = {
        "pretrain": method,
        "train": method | {"labels": labels, "model": model, "classifier": "mtmsd"},
        "classify": {"scene": scene, "classifier": classifier, "device": "cpu"},
    }
    warm_up = _processes.Process(target=int)
    warm_up.start()
    warm_up.join()
    unbroken = {}
    for command, values in arguments.items():
        whole = Killed(folder, command, values)
        started = time.monotonic()
        assert whole.attempt(resume=False)
        unbroken[command] = (values, whole.contents(), time.monotonic() - started)
    return unbroken


@pytest.mark.parametrize("command", OUTPUTS)
def test_killed_at_any_moment_it_goes_on_to_the_same_files(
    given: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
    command: str,
):
    arguments, expected, seconds = given[command]
    moments = random.Random(command)  # noqa: S311
    where: Counter[str] = Counter()
    rounds = 0
    while where.total() < KILLS:
        run = Killed(tmp_path_factory.mktemp(command), command, arguments)
        rounds += 1
        started, began = False, time.monotonic()
        while not run.attempt(
            resume=started,
            seconds=moments.uniform(0.02, seconds) if where.total() < KILLS else None,
            phase=moments.choice(("", PHASES[command], PHASES[command])),
        ):
            started = True
            where[run.last_phase()] += 1
            whole = run.contents()
            assert whole == {name: expected[name] for name in whole}
        if not started:
            seconds = min(seconds, time.monotonic() - began)
        assert run.contents() == expected
        folder = run.folder.parent
        assert leftovers(folder) == []
        assert not list(folder.glob("*.work"))
    report = f"{command}: killed {where.total()} times in {rounds} runs, {dict(where)}"
    sys.stdout.write(f"{report}\n")
