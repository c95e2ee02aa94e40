"""The job folder: what goes in, what comes out, who else may be there."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import types
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from mtmsd.commands import classify, map, pretrain
from mtmsd.commands.arguments import build
from mtmsd.commands.execute import execute
from mtmsd.commands.outputs import check_outputs
from mtmsd.commands.registry import COMMANDS
from mtmsd.errors import InputError
from mtmsd.jobs.cancel import CancelSwitch
from mtmsd.jobs.claim import claimed
from mtmsd.jobs.failures import explain
from mtmsd.jobs.reporter import JobReporter
from running import TINY, end, fields_scene, job, messages, start, wait_for

pytestmark = pytest.mark.slow


class Listener(JobReporter):
    """Keeps the last thing it was told."""

    def __init__(self) -> None:
        super().__init__(CancelSwitch())
        self.last = None

    def done(self, results):
        self.last = results

    def error(self, error):
        self.last = error


def run(folder: Path, *options: str) -> tuple[int, list[dict]]:
    """Run a job folder; its status and messages."""
    status, out, _ = end(start("run", folder, *options))
    return status, messages(out)


def test_a_job_leaves_its_messages_its_log_and_its_process_in_a_private_folder(
    tmp_path: Path, raster: Path
):
    folder = job(tmp_path / "job", "info", {"scene": raster}, parent="continue")
    folder.chmod(0o755)
    process = start("run", folder)
    status, out, err = end(process)
    assert (status, err) == (0, "")
    told = messages(out)
    assert [m["type"] for m in told] == ["hello", "done"]
    assert told[0]["version"] == "0.1.0"
    assert told[1]["results"]["bands"] == 6
    assert messages((folder / "messages.jsonl").read_text()) == told
    assert json.loads((folder / "pid.json").read_text())["pid"] == process.pid
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / "log.txt").exists()


def test_paths_of_a_job_are_relative_to_its_folder_so_that_it_can_be_copied(
    tmp_path: Path, raster: Path
):
    folder = job(tmp_path / "job", "info", {"scene": "scene.tif"}, parent="continue")
    raster.rename(folder / "scene.tif")
    status, told = run(folder)
    assert status == 0
    assert told[-1]["results"]["path"] == str(folder / "scene.tif")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "There is no job.json in"),
        ("{", "does not describe a job"),
        ("[]", "does not describe a job"),
        ('{"command": "info", "arguments": [], "when_parent_ends": "stop"}', "does not describe"),
        ('{"command": "info", "arguments": {}, "when_parent_ends": "go"}', "does not describe"),
        ('{"command": "fly", "arguments": {}}', "There is no command 'fly'."),
        ('{"command": "info", "arguments": {}}', "The argument 'scene' is missing."),
        ('{"command": "info", "arguments": {"scene": 3}}', "The argument 'scene' cannot be 3."),
        ('{"command": "info", "arguments": {"scene": "x", "sea": 1}}', "no argument 'sea'"),
    ],
)
def test_a_job_that_cannot_be_understood(tmp_path: Path, text: str | None, sentence: str):
    if text is not None:
        (tmp_path / "job.json").write_text(text)
    status, told = run(tmp_path)
    assert status == 1
    assert told[-1]["type"] == "error"
    assert sentence in told[-1]["message"]


def test_a_job_that_runs_is_not_started_again(tmp_path: Path):
    other = subprocess.Popen(["sleep", "60"])
    try:
        created = psutil.Process(other.pid).create_time()
        job(tmp_path, "info", {"scene": "x"})
        (tmp_path / "pid.json").write_text(json.dumps({"pid": other.pid, "created": created}))
        status, told = run(tmp_path)
        assert status == 1
        assert f"Process {other.pid} is working on the job" in told[-1]["message"]
        # the same number, but another process: that job has ended
        note = {"pid": other.pid, "created": created - 100}
        (tmp_path / "pid.json").write_text(json.dumps(note))
        with claimed(tmp_path, "the job"):
            assert json.loads((tmp_path / "pid.json").read_text())["pid"] == os.getpid()
    finally:
        other.kill()
        other.wait()


@pytest.fixture
def long_job(tmp_path: Path):
    """Makes a job folder whose pretraining takes minutes."""
    scene, _ = fields_scene(tmp_path)
    settings = TINY | {"iterations": 20_000, "checkpoint_every": 20_000}

    def make(parent: str) -> Path:
        arguments = {"scene": scene, "output": tmp_path / "model.safetensors"}
        return job(tmp_path / "job", "pretrain", arguments | {"settings": settings}, parent=parent)

    return make


def learning(folder: Path) -> bool:
    """Whether the pretraining of a job has begun."""
    file = folder / "messages.jsonl"
    return file.exists() and '"phase": "pretrain", "done": 2' in file.read_text()


def last_message(folder: Path) -> dict:
    return messages((folder / "messages.jsonl").read_text())[-1]


@pytest.mark.parametrize("lost", ["stdin", "stdout"])
def test_the_job_ends_with_its_parent_when_it_shall(long_job, lost: str):
    folder = long_job("stop")
    process = start("run", folder)
    wait_for(lambda: learning(folder))
    getattr(process, lost).close()
    assert process.wait(10) == 3
    assert last_message(folder)["code"] == "canceled"
    process.stdout.close()


def test_the_job_outlives_its_parent_when_it_shall(long_job, tmp_path: Path):
    folder = long_job("continue")
    process = start("run", folder)
    wait_for(lambda: learning(folder))
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()
    so_far = len((folder / "messages.jsonl").read_text())
    wait_for(lambda: len((folder / "messages.jsonl").read_text()) > so_far + 500)
    assert process.poll() is None
    process.terminate()
    assert process.wait(10) == 3
    assert last_message(folder)["code"] == "canceled"


def test_two_jobs_do_not_write_one_output(long_job, tmp_path: Path):
    folder = long_job("stop")
    process = start("run", folder)
    wait_for(lambda: learning(folder))
    same = json.loads((folder / "job.json").read_text())["arguments"]
    second = job(tmp_path / "second", "pretrain", same, parent="continue")
    status, told = run(second)
    assert status == 1
    assert f"Process {process.pid} is working on" in told[-1]["message"]
    process.terminate()
    assert end(process)[0] == 3


def test_an_unforeseen_error_is_a_sentence_and_its_traceback_is_kept(
    monkeypatch: pytest.MonkeyPatch,
):
    @dataclass
    class Arguments:
        pass

    def fail(arguments, reporter):
        raise ZeroDivisionError("by zero\nand more")

    monkeypatch.setitem(COMMANDS, "fail", types.SimpleNamespace(Arguments=Arguments, run=fail))
    kept: list[str] = []
    listener = Listener()
    status = execute("fail", {}, listener, lambda text: kept.append(text) or "the log")
    assert status == 4
    assert str(listener.last) == (
        "The engine failed unexpectedly (ZeroDivisionError: by zero). "
        "The details are in the log; please report them."
    )
    assert "in fail" in kept[0]


@pytest.mark.parametrize(
    ("error", "code", "status", "part"),
    [
        (MemoryError(), "no-memory", 4, "Lower batch_size"),
        (RuntimeError("[enforce fail] can't allocate memory: 8 bytes"), "no-memory", 4, "Lower"),
        (RuntimeError("MPS backend out of memory"), "no-memory", 4, "--device cpu"),
        (OSError(28, "No space left on device", "/a/b"), "disk-full", 4, "/a/b"),
        (OSError(122, "Disk quota exceeded"), "disk-full", 4, "quota"),
        (OSError("m.st could not be written: No space left on device"), "disk-full", 4, "full"),
        (OSError(30, "Read-only file system", "/a/b"), "input", 1, "/a/b"),
        (PermissionError(13, "Permission denied", "/a/b"), "input", 1, "/a/b"),
        (FileNotFoundError(2, "No such file", "/a/b"), "input", 1, "/a/b does not exist"),
        (OSError(5, "Input/output error", "/a/b"), "disk", 4, "/a/b"),
        (KeyboardInterrupt(), "canceled", 3, "Canceled"),
    ],
)
def test_failures_of_the_machine_are_sentences(error, code: str, status: int, part: str):
    known = explain(error)
    assert (known.code, known.exit_status) == (code, status)
    assert part in str(known)


def test_memory_of_the_device_that_runs_out():
    import torch

    known = explain(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert (known.code, known.exit_status) == ("no-memory", 4)


def test_arguments_are_what_the_dataclass_says(tmp_path: Path):
    made = build(
        classify.Arguments,
        {"scene": "s.tif", "output": "m.tif", "classifier": "/c.st", "confidence": "",
         "extent": [1, 2, 3, 4]},
        tmp_path,
    )  # fmt: skip
    assert made.output == tmp_path / "m.tif"
    assert made.classifier == Path("/c.st")
    assert made.confidence is None
    assert made.extent == (1.0, 2.0, 3.0, 4.0)
    made = build(
        map.Arguments,
        {"scene": "s", "labels": "l", "output": "m", "settings": {"timesteps": [50, 100]}},
    )
    assert made.settings == {"timesteps": "50,100"}
    for wrong in ({"seed": 1.5}, {"seed": True}, {"resume": "no"}, {"settings": 3}, {"device": 0}):
        name = next(iter(wrong))
        with pytest.raises(InputError, match=f"'{name}' cannot be"):
            build(pretrain.Arguments, {"scene": "s", "output": "m", **wrong})


def test_an_output_never_overwrites_an_input(tmp_path: Path):
    scene = tmp_path / "scene.tif"
    scene.touch()
    link = tmp_path / "link.tif"
    link.symlink_to(scene)
    for target in (scene, link, tmp_path / "x" / ".." / "scene.tif"):
        with pytest.raises(InputError, match="is also an input"):
            check_outputs([scene], [target])
    with pytest.raises(InputError, match="is also an input"):
        check_outputs([f"{scene}|layername=fields"], [scene])
    with pytest.raises(InputError, match="Two outputs have the same name"):
        check_outputs([], [tmp_path / "a.tif", None, tmp_path / "a.tif"])


def test_an_output_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path):
    with pytest.raises(InputError, match=r"folder .*/missing of the output m.tif does not exist"):
        check_outputs([], [tmp_path / "missing" / "m.tif"])
    with pytest.raises(InputError, match="is a folder"):
        check_outputs([], [tmp_path])
    with pytest.raises(InputError, match="cannot be written to"):
        check_outputs([], [Path("/proc/m.tif")])
    check_outputs([], [tmp_path / "m.tif"])
    assert list(tmp_path.iterdir()) == []
