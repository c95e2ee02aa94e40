"""The stream of messages: whole lines of JSON, whatever happens around it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from mtmsd.errors import Canceled
from mtmsd.jobs import messages as module
from mtmsd.jobs.cancel import CancelSwitch
from mtmsd.jobs.messages import MessageReporter, MessageStream, plain
from mtmsd.jobs.reporter import Pace
from running import messages


@pytest.fixture
def told(tmp_path: Path):
    """A reporter, and a function that returns what it has told so far."""
    file = tmp_path / "messages.jsonl"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    switch = CancelSwitch()
    yield MessageReporter(MessageStream({descriptor: pytest.fail}), switch), file
    switch.close()
    os.close(descriptor)


def test_a_print_of_a_library_or_of_a_child_does_not_break_the_stream():
    code = """
import os, subprocess
from mtmsd.jobs.messages import MessageStream, take_stdout
stream = MessageStream({take_stdout(): print})
print("from Python", flush=True)
os.write(1, b"from C\\n")
subprocess.run(["echo", "from a child"])
stream.send("done", results={})
"""
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert child.stdout == b'{"type": "done", "results": {}}\n'
    assert child.stderr == b"from Python\nfrom C\nfrom a child\n"


def test_values_that_json_lacks():
    value = {
        "loss": float("nan"),
        "best": -math.inf,
        "path": Path("/data/\udcff.tif"),  # a name that is not UTF-8
        "counts": np.array([1, 2], np.uint16),
        "score": np.float32(0.5),
        3: (np.int64(7), None, True),
    }
    line = json.dumps(plain(value), allow_nan=False)
    line.encode("ascii")
    assert json.loads(line) == {
        "loss": None,
        "best": None,
        "path": "/data/\udcff.tif",
        "counts": [1, 2],
        "score": 0.5,
        "3": [7, None, True],
    }


def test_every_type_of_message_has_its_fields(told):
    reporter, file = told
    reporter.phase("pretrain", "Learning the scene")
    reporter.progress(1, 4, "step")
    reporter.metric(1, "loss", 0.5)
    reporter.artifact("model", Path("m.safetensors"))
    reporter.warning("Two bands are constant.")
    reporter.done({"model": Path("m.safetensors")})
    assert messages(file.read_text()) == [
        {"type": "phase", "name": "pretrain", "title": "Learning the scene"},
        {"type": "progress", "phase": "pretrain", "done": 1, "total": 4, "unit": "step",
         "eta_s": None},
        {"type": "metric", "step": 1, "name": "loss", "value": 0.5},
        {"type": "artifact", "kind": "model", "path": "m.safetensors"},
        {"type": "warning", "message": "Two bands are constant."},
        {"type": "done", "results": {"model": "m.safetensors"}},
    ]  # fmt: skip


def test_nothing_follows_the_last_message(told):
    reporter, file = told
    reporter.error(Canceled())
    reporter.warning("late")
    reporter.done({})
    assert [m["type"] for m in messages(file.read_text())] == ["error"]


def test_a_fast_loop_does_not_flood_the_stream_and_its_end_is_told(told):
    reporter, file = told
    for i in range(10_001):
        reporter.progress(i, 10_000, "px")
    lines = messages(file.read_text())
    assert len(lines) < 20
    assert lines[0]["done"] == 0
    assert lines[-1]["done"] == 10_000


def test_time_left_is_that_of_a_steady_pace(monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    pace = Pace()
    pace.due(200, 1000)  # resumed: the first 200 took no time here
    for done in (210, 220, 230):
        now += 1.0
        pace.due(done, 1000)
    assert pace.remaining(230, 1000) == pytest.approx(77.0)


def test_a_heartbeat_is_sent_while_the_main_thread_computes(told, monkeypatch: pytest.MonkeyPatch):
    reporter, file = told
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.05)
    with reporter:
        time.sleep(0.4)
    count = len(messages(file.read_text()))
    assert 3 <= count <= 8
    time.sleep(0.15)
    assert len(messages(file.read_text())) == count, "it beats after the end"


def test_a_reader_that_has_gone_is_told_once_and_the_file_goes_on(tmp_path: Path):
    reading, writing = os.pipe()
    os.close(reading)
    file = tmp_path / "messages.jsonl"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    gone: list[OSError] = []
    stream = MessageStream({descriptor: pytest.fail, writing: gone.append})
    stream.send("phase", name="a", title="A")
    stream.send("phase", name="b", title="B")
    os.close(writing)
    os.close(descriptor)
    assert [type(error) for error in gone] == [BrokenPipeError]
    assert [m["name"] for m in messages(file.read_text())] == ["a", "b"]
