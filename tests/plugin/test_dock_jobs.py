"""Jobs that outlive the one who started them, and processes that are not ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from qgis.PyQt.QtTest import QTest

from mtmsd_qgis.dock.attached import Attached
from mtmsd_qgis.dock.runs import CANCELED, DONE, FAILED, Ended
from mtmsd_qgis.engine.job import LEFT, Job, LetGoError
from mtmsd_qgis.engine.job_folders import is_running, new_job_folder
from mtmsd_qgis.engine.messages import FileMessages
from mtmsd_qgis.engine.process import is_alive

WORKER = """
    import os
    from pathlib import Path
    Path("pid.json").write_text(json.dumps(dict(pid=os.getpid(), created=time.time())))
    log = open("messages.jsonl", "a", buffering=1)
    def both(**m):
        log.write(json.dumps(m) + chr(10))
        try:
            say(**m)
        except OSError:
            pass
    both(type="hello", version="1")
    for step in range(60):
        both(type="progress", done=step, total=60, unit="step")
        time.sleep(0.05)
    both(type="done", results=dict(n=3))
"""


def gone(pid: int, within: float = 10.0) -> bool:
    until = time.monotonic() + within
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not is_alive(pid)


def until_end(run: Attached, seconds: float = 20) -> Ended:
    ends: list[Ended] = []
    run.ended.connect(ends.append)
    stop = time.monotonic() + seconds
    while not ends and time.monotonic() < stop:
        QTest.qWait(20)
    assert ends, "it does not end"
    return ends[0]


def note(folder: Path, pid: int, created: float | None) -> Path:
    (folder / "pid.json").write_text(json.dumps({"pid": pid, "created": created}))
    (folder / "job.json").write_text('{"command": "pretrain", "arguments": {}}')
    return folder


@pytest.fixture
def stranger():
    """A process of somebody else, in a group of its own."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_a_job_that_is_let_go_ends_by_itself_and_is_taken_up(child, qgis_app):
    job = Job.start(child(WORKER), "pretrain", {}, when_parent_ends="continue")
    told = []

    def enough() -> bool:
        if any(m["type"] == "progress" for m in told):
            raise LetGoError
        return False

    assert job.follow(told.append, enough).status == LEFT
    assert is_alive(job.pid)
    run = Attached(job.folder, "Pretraining").start()
    assert run.was_running
    percents = []
    run.progressed.connect(percents.append)
    outcome = until_end(run)
    assert (outcome.status, run.answer) == (DONE, {"n": 3})
    assert percents == sorted(percents)
    assert len(percents) > 1
    again = Attached(job.folder, "Pretraining").start()  # when it has long ended
    assert not again.was_running
    assert until_end(again).results == {"n": 3}


def test_a_process_that_only_has_the_number_is_left_alone(stranger, qgis_app):
    folder = note(new_job_folder("pretrain"), stranger.pid, time.time() - 86_400)
    assert is_alive(stranger.pid)
    assert not is_running(folder)
    job = Job.attach(folder)
    job.cancel()
    job.end()
    assert stranger.poll() is None, "a stranger's process was ended"
    outcome = until_end(Attached(folder, "Pretraining").start())
    assert outcome.status == FAILED
    assert "ended without a result" in outcome.sentence


def test_cancel_reaches_a_job_that_was_taken_up(stranger, qgis_app):
    folder = note(new_job_folder("pretrain"), stranger.pid, time.time())
    run = Attached(folder, "Pretraining").start()
    QTest.qWait(100)
    run.cancel()
    assert gone(stranger.pid) or stranger.wait(5) is not None
    assert until_end(run).status == CANCELED


def test_many_messages_and_a_long_one_are_read_in_parts(tmp_path):
    lines = [{"type": "metric", "step": i, "name": "loss", "value": 0.5} for i in range(3000)]
    lines.insert(1500, {"type": "done", "results": {"text": "x" * 300_000}})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "messages.jsonl").write_text(text + '{"type": "half')
    source, found, most = FileMessages(tmp_path), [], 0
    while part := source.take(0):
        found += part
        most = max(most, len(part))
    assert found == lines
    assert most < 1500
    with (tmp_path / "messages.jsonl").open("a") as file:
        file.write('written"}\n')
    assert source.take(0) == [{"type": "halfwritten"}]
    assert source.at_end


def test_nobody_waits_for_a_job_that_was_never_begun(qgis_app, monkeypatch):
    monkeypatch.setattr("mtmsd_qgis.dock.attached.START_SECONDS", 0.2)
    folder = new_job_folder("pretrain")
    outcome = until_end(Attached(folder, "Pretraining").start())
    assert outcome.status == FAILED
    assert str(folder) in outcome.sentence
    assert os.path.isdir(folder)
