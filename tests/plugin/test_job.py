"""Children that crash, print noise, hang, are killed, or leave children of their own."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mtmsd_qgis.common.folders import jobs_folder
from mtmsd_qgis.engine import job as job_module
from mtmsd_qgis.engine import job_folders
from mtmsd_qgis.engine.job import CANCELED, DONE, FAILED, Job
from mtmsd_qgis.engine.process import is_alive


def follow(job: Job, cancel_at: str = "") -> list[dict]:
    """Follow a job to its end and return what it said."""
    told: list[dict] = []
    job.follow(told.append, lambda: any(m["type"] == cancel_at for m in told))
    return told


def gone(pid: int, within: float = 10.0) -> bool:
    until = time.monotonic() + within
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not is_alive(pid)


def test_messages_come_in_order_and_noise_between_them_is_only_logged(child):
    python = child("""
        print("OMP: Info #276")
        say(type="hello", version="1")
        sys.stdout.write("[1, 2]\\n{broken\\n\\xfc\\n\\n"); sys.stdout.flush()
        say(type="progress", done=1, total=2)
        say(type="done", results={"n": 3})
    """)
    job = Job.start(python, "info", {"scene": Path("/a b/ü.tif")})
    told = follow(job)
    assert [m["type"] for m in told if m["type"] != "log"] == ["hello", "progress", "done"]
    noise = ["OMP: Info #276", "[1, 2]", "{broken", "ü"]
    assert [m["text"] for m in told if m["type"] == "log"] == noise
    assert (job.outcome.status, job.outcome.results) == (DONE, {"n": 3})
    written = json.loads((job.folder / "job.json").read_text(encoding="utf-8"))
    assert written.pop("owner")["pid"] == os.getpid()
    assert written == {
        "command": "info",
        "arguments": {"scene": "/a b/ü.tif"},
        "when_parent_ends": "stop",
    }


def test_a_job_folder_is_private(child):
    job = Job.start(child("say(type='done')"), "info", {})
    follow(job)
    assert stat.S_IMODE(job.folder.stat().st_mode) == 0o700
    assert job.folder.parent == jobs_folder()


def test_a_flood_of_output_blocks_neither_side(child):
    python = child("""
        for i in range(50_000):
            say(type="metric", step=i, name="loss", value=0.5)
        say(type="done", results={})
    """)
    job = Job.start(python, "info", {})
    time.sleep(0.5)
    longest, told = 0.0, 0
    while not job.finished:
        began = time.thread_time()
        told += len(job.messages())
        longest = max(longest, time.thread_time() - began)
        time.sleep(0.002)
    assert told == 50_001
    assert longest < 0.05


def test_the_engines_error_is_the_outcome_not_its_traceback(child):
    python = child("""
        print("Traceback (most recent call last):", file=sys.stderr)
        say(type="error", code="input", message="No class.", hint="Draw two.")
        sys.exit(1)
    """)
    job = Job.start(python, "train", {})
    follow(job)
    assert (job.outcome.status, job.outcome.sentence) == (FAILED, "No class. Draw two.")


def test_killed_from_outside_gives_a_sentence_and_where_the_log_is(child):
    job = Job.start(child("say(type='hello'); time.sleep(60)"), "map", {})
    while not any(m["type"] == "hello" for m in job.messages(wait=0.1)):
        pass
    os.kill(job.pid, signal.SIGKILL)
    follow(job)
    assert job.outcome.status == FAILED
    assert job.outcome.sentence == (
        "The engine was killed (SIGKILL) before it had a result (perhaps memory ran out). "
        f"The log is {job.folder / 'log.txt'}."
    )


def test_last_words_on_stderr_are_in_the_sentence(child):
    job = Job.start(child("sys.exit('ImportError: libtorch.so')"), "map", {})
    follow(job)
    assert job.outcome.message == (
        "The engine ended with status 1 before it had a result: ImportError: libtorch.so."
    )


def test_cancel_reaches_the_engine_which_may_still_write_its_checkpoint(child, tmp_path):
    python = child(f"""
        say(type="hello")
        assert sys.stdin.readline() == "cancel\\n"
        time.sleep(4)  # longer than the patience with one that has not said hello
        open({str(tmp_path / "checkpoint")!r}, "w").write("whole")
        say(type="error", code="canceled", message="Canceled; run again with Resume.")
        sys.exit(3)
    """)
    job = Job.start(python, "pretrain", {})
    follow(job, cancel_at="hello")
    assert job.outcome.status == CANCELED
    assert (tmp_path / "checkpoint").read_text() == "whole"


@pytest.mark.parametrize("grace", ["GRACE_SECONDS", "START_GRACE_SECONDS"])
def test_cancel_of_an_engine_that_does_not_listen_ends_the_whole_tree(child, grace, monkeypatch):
    monkeypatch.setattr(job_module, grace, 0.5)
    first = "hello" if grace == "GRACE_SECONDS" else "log"
    python = child(f"""
        import subprocess
        grandchild = subprocess.Popen(["sleep", "60"])
        say(type={first!r}, pid=grandchild.pid, text="")
        while True:
            time.sleep(1)
    """)
    job = Job.start(python, "map", {})
    began = time.monotonic()
    told = follow(job, cancel_at=first)
    assert job.outcome.status == CANCELED
    assert time.monotonic() - began < 20
    assert gone(job.pid)
    assert gone(told[0]["pid"])


def test_an_engine_that_says_how_long_it_takes_to_cancel_is_given_so_long(
    child, tmp_path, monkeypatch
):
    monkeypatch.setattr(job_module, "GRACE_SECONDS", 1.0)
    python = child(f"""
        say(type="hello")
        assert sys.stdin.readline() == "cancel\\n"
        say(type="canceling", patience_s=60)
        time.sleep(3)  # the step in hand
        open({str(tmp_path / "checkpoint")!r}, "w").write("whole")
        say(type="error", code="canceled", message="Canceled.")
        sys.exit(3)
    """)
    job = Job.start(python, "pretrain", {})
    follow(job, cancel_at="hello")
    assert job.outcome.status == CANCELED
    assert (tmp_path / "checkpoint").read_text() == "whole"


def test_an_engine_that_takes_longer_than_it_said_is_ended(child, monkeypatch):
    monkeypatch.setattr(job_module, "AFTER_GRACE_SECONDS", 0.2)
    python = child("""
        say(type="hello")
        sys.stdin.readline()
        say(type="canceling", patience_s=0.3)
        time.sleep(60)
    """)
    job = Job.start(python, "map", {})
    began = time.monotonic()
    follow(job, cancel_at="hello")
    assert job.outcome.status == CANCELED
    assert time.monotonic() - began < 20
    assert gone(job.pid)


def test_a_grandchild_that_holds_the_pipe_does_not_hold_the_job(child):
    python = child("""
        import subprocess
        grandchild = subprocess.Popen(["sleep", "60"])
        say(type="done", results={"pid": grandchild.pid})
    """)
    job = Job.start(python, "map", {})
    began = time.monotonic()
    follow(job)
    assert time.monotonic() - began < 20
    assert gone(job.outcome.results["pid"])


def test_a_listener_that_fails_leaves_no_child(child):
    job = Job.start(child("say(type='hello'); time.sleep(60)"), "map", {})

    def fail(message):
        raise RuntimeError("the dialog is gone")

    with pytest.raises(RuntimeError):
        job.follow(fail, lambda: False)
    assert gone(job.pid)


def test_silence_is_said_once_and_nothing_is_killed(child, monkeypatch):
    monkeypatch.setattr(job_module, "SILENCE_SECONDS", 1.0)
    job = Job.start(child("say(type='hello'); time.sleep(3); say(type='done')"), "map", {})
    told = follow(job)
    types = [m["type"] for m in told]
    assert types[types.index("hello") :] == ["hello", "warning", "done"]
    assert "silent for 1 s" in told[-2]["message"]
    assert job.outcome.status == DONE


def test_the_engine_learns_that_qgis_has_gone(child, tmp_path):
    mark = tmp_path / "ended"
    python = child(f"""
        say(type="hello")
        sys.stdin.read()
        open({str(mark)!r}, "w").close()
    """)
    qgis = f"""
import sys; sys.path.insert(0, {str(Path(job_module.__file__).parents[2])!r})
from pathlib import Path
from mtmsd_qgis.engine import job
job.CORE = Path({str(tmp_path / "core")!r})
running = job.Job.start({python!r}, "map", {{}})
while not running.messages(wait=0.1): pass
import os; os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", qgis], check=False)
    until = time.monotonic() + 20
    while not mark.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert mark.exists()


def test_a_job_is_taken_up_again_by_another_qgis_and_can_be_canceled(engine_python, tmp_path):
    # A real engine: pid.json and messages.jsonl are its own.
    job = Job.start(engine_python, "doctor", {}, when_parent_ends="continue")
    while not (job.folder / "pid.json").exists():
        time.sleep(0.02)
    again = Job.attach(job.folder)
    assert job_folders.is_running(job.folder)
    assert job_folders.job_folders() == [job.folder]
    told = follow(again)
    follow(job)
    assert [m["type"] for m in told if m["type"] != "heartbeat"] == ["hello", "done"]
    assert again.outcome == job.outcome
    assert again.outcome.results["devices"][0]["ok"]
    assert not job_folders.is_running(job.folder)


def test_old_job_folders_go_young_and_running_ones_stay(child, monkeypatch):
    monkeypatch.setattr(job_folders, "KEPT_JOBS", 3)
    old = [job_folders.new_job_folder(f"old{i}") for i in range(4)]
    for folder in old:
        os.utime(folder, (0, 0))
    (old[0] / "pid.json").write_text(json.dumps({"pid": os.getpid()}))
    os.utime(old[0], (0, 0))
    new = job_folders.new_job_folder("z")
    assert sorted(jobs_folder().iterdir()) == sorted([old[0], old[2], old[3], new])


def test_a_data_folder_that_cannot_be_made_is_an_error_with_its_name(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match="file"):
        job_folders.new_job_folder("map")


def test_a_long_file_of_messages_is_read_in_pieces_and_whole(tmp_path):
    line = json.dumps({"type": "metric", "step": 1, "name": "loss", "value": 0.5}) + "\n"
    (tmp_path / "messages.jsonl").write_text(line * 40_000 + '{"type": "do')
    (tmp_path / "pid.json").write_text(json.dumps({"pid": 2**22 + 1}))
    job = Job.attach(tmp_path)
    pieces = []
    while not job.finished:
        pieces.append(len(job.messages()))
    assert sum(pieces) == 40_000
    assert max(pieces) < 40_000
    assert job.outcome.sentence.startswith("The engine ended without a result.")
