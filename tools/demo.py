#!/usr/bin/env python3
"""The demo: the sample scene and its polygons go in, a QGIS project with a class map comes out.

It does what a user does, in a throw-away profile: switch the plugin on, run ``mtmsd:map``.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path

from qgis_headless import find_qgis_process, find_qgis_python, headless_environment

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "resources/sample"
DEMO = ROOT / "demo"
PLUGIN = "mtmsd_qgis"


def main() -> None:
    """Run the demo and tell where its results are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--settings", default="", help="KEY=VALUE, several with spaces between")
    options = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no process is left behind
    shutil.rmtree(DEMO, ignore_errors=True)
    DEMO.mkdir()
    with tempfile.TemporaryDirectory(prefix="mtmsd-demo-") as folder:
        environment = headless_environment(Path(folder), ROOT / "build")
        qgis = find_qgis_process(environment)
        say(f"{qgis_version(qgis, environment)}, in a throw-away profile")
        enable_plugin(qgis, environment)
        say(f"mtmsd:map on {SAMPLE.relative_to(ROOT)}, preset {options.preset}, {options.device}")
        jobs = Path(environment["XDG_DATA_HOME"]) / "mtmsd/jobs"
        try:
            run = run_map(qgis, environment, jobs, options)
        finally:
            for job in jobs.glob("*/"):
                shutil.copytree(job, DEMO / "job", dirs_exist_ok=True)
        results = run.results
        results["seconds"]["qgis_process"] = run.seconds
        results["peak_memory_gb"] = run.peak_memory_gb
        began = time.monotonic()
        (DEMO / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
        subprocess.run(  # noqa: S603
            [find_qgis_python(), str(ROOT / "tools/demo_project.py"), str(DEMO)],
            env=environment,
            check=True,
        )
        results["seconds"]["project and picture"] = time.monotonic() - began
    (DEMO / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    tell(results)


def say(text: str) -> None:
    """Write a line for the user, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def qgis_version(qgis: str, environment: dict[str, str]) -> str:
    """Return QGIS and its number."""
    answer = subprocess.run(  # noqa: S603
        [qgis, "--version"], env=environment, capture_output=True, text=True, check=True
    )
    found = re.search(r"QGIS \d+\.\d+\.\d+", answer.stdout)
    return found.group() if found else "QGIS"


def enable_plugin(qgis: str, environment: dict[str, str]) -> None:
    """Switch the plugin on in the profile."""
    answer = subprocess.run(  # noqa: S603
        [qgis, "plugins", "enable", PLUGIN],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        sys.exit(f"QGIS does not take the plugin:\n{answer.stdout}{answer.stderr}")


@dataclass
class Run:
    """What came of the job."""

    results: dict = field(default_factory=dict)
    seconds: float = 0.0
    peak_memory_gb: float | None = None


def run_map(qgis: str, environment: dict[str, str], jobs: Path, options: argparse.Namespace) -> Run:
    """Run ``mtmsd:map`` and show its progress as the job's messages tell it."""
    parameters = {
        "INPUT": SAMPLE / "enmap_potsdam.tif",
        "LABELS": SAMPLE / "training_polygons.gpkg",
        "CLASS_FIELD": "class_id",
        "VALIDATION": SAMPLE / "validation_polygons.gpkg",
        "PRESET": options.preset,
        "DEVICE": options.device,
        "SEED": options.seed,
        "SETTINGS": options.settings,
        "OUTPUT": DEMO / "class_map.tif",
        "CONFIDENCE": DEMO / "confidence.tif",
        "REPORT": DEMO / "report.html",
        "OUTPUT_MODEL": DEMO / "model.safetensors",
        "OUTPUT_CLASSIFIER": DEMO / "classifier.safetensors",
    }
    words = [f"--{name}={value}" for name, value in parameters.items() if value != ""]
    run = Run()
    began = time.monotonic()
    progress = Progress()
    log = DEMO / "qgis_process.log"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(  # noqa: S603
            [qgis, "run", "mtmsd:map", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while process.poll() is None:
                time.sleep(0.3)
                progress.show(jobs)
                run.peak_memory_gb = peak_memory(jobs) or run.peak_memory_gb
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    progress.show(jobs)
    run.seconds = time.monotonic() - began
    run.results = progress.results
    if process.returncode != 0 or not run.results:
        sys.exit(
            f"\nmtmsd:map failed; the end of {log}:\n{log.read_text(encoding='utf-8')[-3000:]}"
        )
    return run


class Progress:
    """Follows a job's messages and shows them: a moving line on a terminal, else its phases."""

    def __init__(self) -> None:
        self.results: dict = {}
        self._read = 0
        self._title = ""
        self._began = time.monotonic()

    def show(self, jobs: Path) -> None:
        """Show what came since the last call."""
        for file in jobs.glob("*/messages.jsonl"):
            with file.open("rb") as stream:
                stream.seek(self._read)
                for line in stream:
                    if line.endswith(b"\n"):
                        self._read += len(line)
                        self._tell(json.loads(line))

    def _tell(self, message: dict) -> None:
        kind = message["type"]
        if kind == "phase":
            self._finish()
            self._title, self._began = message["title"], time.monotonic()
            if not sys.stdout.isatty():
                say(f"  {self._title}")
        elif kind == "progress" and sys.stdout.isatty() and message["total"]:
            share = message["done"] / message["total"]
            left = f", {clock(message['eta_s'])} left" if message.get("eta_s") is not None else ""
            sys.stdout.write(f"\r\033[K  {self._title}: {share:4.0%}{left}")
            sys.stdout.flush()
        elif kind == "warning":
            say(f"\r  Note: {message['message']}")
        elif kind == "done":
            self._finish()
            self.results = message["results"]

    def _finish(self) -> None:
        if self._title and sys.stdout.isatty():
            say(f"\r\033[K  {self._title}: {clock(time.monotonic() - self._began)}")
        self._title = ""


def peak_memory(jobs: Path) -> float | None:
    """Return the most memory that the engine has held so far, in GB, where Linux tells it."""
    for file in jobs.glob("*/pid.json"):
        try:
            pid = json.loads(file.read_text(encoding="utf-8"))["pid"]
            status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        except (OSError, ValueError):
            return None
        if found := re.search(r"VmHWM:\s+(\d+) kB", status):
            return round(int(found.group(1)) * 1024 / 1e9, 2)
    return None


def clock(seconds: float) -> str:
    """Return minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def tell(results: dict) -> None:
    """Print where the results are, the accuracy, and the times."""
    files = {
        "QGIS project": "potsdam.qgz",
        "picture of the map": "map.png",
        "class map": "class_map.tif",
        "confidence": "confidence.tif",
        "accuracy report": "report.html",
        "diffusion model": "model.safetensors",
        "classifier": "classifier.safetensors",
    }
    say("\nResults")
    for what, name in files.items():
        if not (DEMO / name).is_file():
            sys.exit(f"{DEMO / name} is missing.")
        say(f"  {what:<20} {DEMO / name}")
    say("\nAccuracy on validation_polygons.gpkg (overall, average, kappa)")
    accuracy = results["accuracy"]
    rows = [("MTMSD", accuracy), *((b["title"], b) for b in accuracy["baselines"])]
    width = max(len(title) for title, _ in rows)
    for title, row in rows:
        say(f"  {title:<{width}} {row['overall']:6.1%} {row['average']:6.1%} {row['kappa']:7.3f}")
    say(textwrap.fill(accuracy["verdict"], 96, initial_indent="  ", subsequent_indent="  "))
    say("\nTimes")
    for what, seconds in results["seconds"].items():
        say(f"  {what:<20} {clock(seconds)}")
    if results["peak_memory_gb"]:
        say(f"\nPeak memory of the engine: {results['peak_memory_gb']} GB")


if __name__ == "__main__":
    main()
