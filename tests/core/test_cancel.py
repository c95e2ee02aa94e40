"""Cancel: it takes effect at once, keeps what is worth keeping, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from mtmsd.jobs.cancel import LOOK_S, CancelSwitch
from running import (
    TINY,
    checkpoint_of,
    end,
    fields_scene,
    leftovers,
    messages,
    start,
    wait_for,
    words,
)

pytestmark = pytest.mark.slow

LONG = TINY | {"iterations": 20_000, "checkpoint_every": 20_000}


def at_once() -> float:
    """Return seconds: 2.5 on a machine that does nothing else, more on one that is shared."""
    return 2.5 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


STUBBORN = """
import os, subprocess, sys, time, types
from dataclasses import dataclass
from pathlib import Path
import mtmsd.commands.runner as runner
from mtmsd.commands.registry import COMMANDS

@dataclass
class Arguments:
    part: Path

def run(arguments, reporter):
    with open(arguments.part, "w") as part:
        child = subprocess.Popen(["sleep", "60"])
        part.write(str(child.pid))
        part.flush()
        reporter.phase("busy", "Busy")
        time.sleep(60)

COMMANDS["busy"] = types.SimpleNamespace(Arguments=Arguments, run=run)
sys.exit(runner.run_job(Path(sys.argv[1])))
"""
"""An engine whose job never looks whether it is canceled."""


@pytest.fixture(params=["1", "3"], ids=["one-thread", "three-threads"])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine computes in one thread, or in several side by side."""
    monkeypatch.setenv("OMP_NUM_THREADS", request.param)


def seconds_until_gone(process: subprocess.Popen) -> float:
    began = time.monotonic()
    process.wait(40)
    return time.monotonic() - began


def learning(process: subprocess.Popen) -> None:
    """Wait until a process that prints messages has made its second optimiser step."""
    while b'"phase": "pretrain", "done": 2' not in process.stdout.readline():
        assert process.poll() is None


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return fields_scene(tmp_path)[0]


@pytest.fixture
def model(trained: Path) -> Path:
    """A diffusion model, with its scene and labels beside it."""
    return trained / "model.safetensors"


@pytest.mark.parametrize(
    ("phase", "settings", "threads"),
    [
        ("features", {"stride": 1}, "3"),
        ("holdout", {"epochs": 3_000}, "3"),
        ("classify", {"features": "patchwise"}, "3"),
        ("classify", {"features": "patchwise"}, "1"),
    ],
)
def test_cancel_in_every_phase_leaves_nothing_half_done(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    phase: str,
    settings: dict,
    threads: str,
):
    """The engine computes in several threads side by side, or in one."""
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    inputs = [model.with_name("scene.tif"), model.with_name("labels.gpkg"), "--model", model]
    outputs = ["-o", tmp_path / "map.tif", "--confidence", tmp_path / "confidence.tif"]
    holdout = "0.25" if phase == "holdout" else "0"
    process = start(
        "map", *inputs, *outputs, "--json", "--holdout", holdout, "--classifier", "mtmsd",
        *words(TINY | settings),
    )  # fmt: skip
    while f'"name": "{phase}"'.encode() not in process.stdout.readline():
        assert process.poll() is None
    process.terminate()
    assert seconds_until_gone(process) < at_once()
    status, out, _ = end(process)
    assert (status, messages(out)[-1]["code"]) == (3, "canceled")
    kept = {"map.classifier.safetensors"} if phase == "classify" else set()
    assert {path.name for path in tmp_path.iterdir() if path.suffix != ".work"} == kept
    assert leftovers(tmp_path) == []


@pytest.mark.usefixtures("threads")
def test_a_signal_ends_pretraining_with_a_checkpoint(scene: Path):
    model = scene.with_name("model.safetensors")
    process = start("pretrain", scene, "-o", model, "--json", *words(LONG))
    learning(process)
    process.terminate()
    assert seconds_until_gone(process) < at_once()
    status, out, _ = end(process)
    assert status == 3
    assert messages(out)[-1] == {
        "type": "error", "code": "canceled", "message": "Canceled.", "hint": ""
    }  # fmt: skip
    assert not model.exists()
    assert checkpoint_of(model) is not None
    assert leftovers(scene.parent) == []


def test_ctrl_c_in_a_terminal_says_how_to_go_on(scene: Path):
    model = scene.with_name("model.safetensors")
    process = start("pretrain", scene, "-o", model, *words(LONG | {"checkpoint_every": 2}))
    wait_for(lambda: checkpoint_of(model))
    process.send_signal(signal.SIGINT)
    status, out, err = end(process)
    assert (status, out) == (3, "")
    assert "Traceback" not in err
    assert f"Continue with: mtmsd pretrain {scene} -o {model}" in err
    assert err.split("Continue with: ")[1].splitlines()[0].endswith(" --resume")


def test_a_cancel_line_while_libraries_are_still_loading(scene: Path):
    folder = scene.parent / "job"
    folder.mkdir()
    arguments = {"scene": str(scene), "output": str(scene.with_name("m.st")), "settings": LONG}
    (folder / "job.json").write_text(json.dumps({"command": "pretrain", "arguments": arguments}))
    process = start("run", folder)
    wait_for((folder / "pid.json").exists)
    process.stdin.write(b"cancel\n")
    process.stdin.flush()
    assert seconds_until_gone(process) < at_once()
    status, out, _ = end(process)
    assert (status, messages(out)[-1]["code"]) == (3, "canceled")


def test_a_file_in_the_job_folder_cancels_with_a_checkpoint_and_only_once(scene: Path):
    model, folder = scene.with_name("model.safetensors"), scene.parent / "job"
    folder.mkdir()
    arguments = {"scene": str(scene), "output": str(model), "settings": LONG}
    job = {"command": "pretrain", "arguments": arguments, "when_parent_ends": "continue"}
    (folder / "job.json").write_text(json.dumps(job))
    process = start("run", folder)
    learning(process)
    (folder / "cancel").touch()
    assert seconds_until_gone(process) < at_once() + LOOK_S
    status, out, _ = end(process)
    assert (status, messages(out)[-1]["code"]) == (3, "canceled")
    assert checkpoint_of(model) is not None
    assert not (folder / "cancel").exists(), "the next run would be canceled at once"


STEP_IN_HAND = """
import sys, time, types
from dataclasses import dataclass
from pathlib import Path
import mtmsd.commands.runner as runner
from mtmsd.commands.registry import COMMANDS
from mtmsd.errors import Canceled

@dataclass
class Arguments:
    checkpoint: Path

def run(arguments, reporter):
    reporter.phase("pretrain", "Learning")
    done = 0
    try:
        while True:
            reporter.progress(done, 9, "step")
            time.sleep(3)
            done += 1
    except Canceled:
        arguments.checkpoint.write_text(str(done))
        raise

COMMANDS["slow"] = types.SimpleNamespace(Arguments=Arguments, run=run)
sys.exit(runner.run_job(Path(sys.argv[1])))
"""
"""An engine whose steps take 3 s."""


def test_the_step_in_hand_is_waited_for_and_kept(tmp_path: Path):
    content = {"command": "slow", "arguments": {"checkpoint": str(tmp_path / "checkpoint")}}
    (tmp_path / "job.json").write_text(json.dumps(content))
    process = subprocess.Popen(
        [sys.executable, "-c", STEP_IN_HAND, tmp_path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    while b'"progress"' not in process.stdout.readline():
        assert process.poll() is None
    process.stdin.write(b"cancel\n")
    process.stdin.flush()
    out, _ = process.communicate(timeout=40)
    told = [m for m in messages(out.decode()) if m["type"] != "heartbeat"]
    assert [m["type"] for m in told] == ["canceling", "error"]
    assert told[0]["patience_s"] == 60, "30 s for the step, 30 s for the checkpoint"
    assert told[1]["code"] == "canceled"
    assert process.returncode == 3
    assert (tmp_path / "checkpoint").read_text() == "1"


def test_the_patience_is_three_times_the_last_step_and_30_s_at_least(
    monkeypatch: pytest.MonkeyPatch,
):
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    switch = CancelSwitch()
    assert switch.patience == 1.5, "nothing has begun"
    switch.step()
    assert switch.patience == 30
    for seconds, patience in ((2, 30), (9, 30), (40, 120), (50, 150)):
        now += seconds
        switch.step()
        assert switch.patience == patience
    for _ in range(20):  # faster again
        now += 11
        switch.step()
    assert switch.patience == 33
    switch.phase()
    assert switch.patience == 1.5


@pytest.mark.parametrize("how", ["line", "file", "parent gone", "ctrl-c twice"])
def test_a_job_that_does_not_obey_is_ended_with_all_its_children(tmp_path: Path, how: str):
    part = tmp_path / ".map.tif.part"
    content = {"command": "busy", "arguments": {"part": str(part)}}
    (tmp_path / "job.json").write_text(json.dumps(content))
    process = subprocess.Popen(
        [sys.executable, "-c", STUBBORN, tmp_path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    child = psutil.Process(int(wait_for(lambda: part.exists() and part.read_text())))
    wait_for(lambda: "busy" in (tmp_path / "messages.jsonl").read_text())
    if how == "line":
        process.stdin.write(b"cancel\n")
        process.stdin.flush()
    elif how == "file":
        (tmp_path / "cancel").touch()
    elif how == "parent gone":
        process.stdout.close()
        process.stdin.close()
    else:
        process.send_signal(signal.SIGINT)
    if how == "ctrl-c twice":
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
    assert seconds_until_gone(process) < at_once() / (2 if how == "ctrl-c twice" else 1)
    assert process.returncode == 3
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert not part.exists()
    assert messages((tmp_path / "messages.jsonl").read_text())[-1]["code"] == "canceled"
    process.stdin.close()
    process.stdout.close()


def test_grace_is_given_to_who_has_noticed_and_to_no_one_else():
    ended: list[float] = []
    began = time.monotonic()

    def switch(patience: float, grace: float) -> CancelSwitch:
        made = CancelSwitch(patience, grace)
        made.on_forced_end = lambda: ended.append(time.monotonic() - began)
        made.request()
        return made

    switch(0.05, 60)
    wait_for(lambda: ended, 2)
    writing = switch(0.05, 0.3)
    writing.notice()
    time.sleep(0.15)
    assert len(ended) == 1
    wait_for(lambda: len(ended) == 2, 2)
    finished = switch(0.05, 0.05)
    finished.close()
    time.sleep(0.15)
    assert len(ended) == 2


def test_a_reader_that_does_not_read_cannot_hold_up_a_cancel(tmp_path: Path):
    code = """
import os, sys
from mtmsd.cli import main
from mtmsd.jobs.cancel import CancelSwitch, SignalWatch
from mtmsd.commands.execute import _end_process
from mtmsd.jobs.messages import MessageReporter, MessageStream
switch = CancelSwitch(patience=0.2)
reporter = MessageReporter(MessageStream({1: print}), switch)
switch.on_forced_end = lambda: _end_process(reporter)
with SignalWatch(switch):
    while True:
        reporter.warning("x" * 1000)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    pipe_is_full = 0.5
    assert process.stdout.read(1) == b"{"
    time.sleep(pipe_is_full)
    os.kill(process.pid, signal.SIGTERM)
    assert seconds_until_gone(process) < at_once()
    assert process.returncode == 3
    process.stdout.close()
