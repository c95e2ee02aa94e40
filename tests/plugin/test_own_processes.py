"""Only own processes are ended: known by number and start, on Linux, Windows and macOS."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mtmsd_qgis.engine import job_folders, process
from mtmsd_qgis.engine.job import Job
from mtmsd_qgis.engine.process import Process, filetime_seconds, is_same, look, parse_ps
from mtmsd_qgis.setup.environment_folder import Place

AT = 1_795_813_827.0
"""Fri Nov 27 21:10:27 2026, in UTC."""
FOLDER = "20261127-211027-map-1a2b3c"


@pytest.fixture
def stranger():
    """A process of somebody else."""
    code = "import time; print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as started:
        started.stdout.readline()  # it is no copy of this process any more
        yield started
        started.kill()


def note(folder: Path, **facts) -> Path:
    (folder / "pid.json").write_text(json.dumps(facts))
    (folder / "job.json").write_text('{"command": "map", "arguments": {}}')
    return folder


@pytest.mark.parametrize("created", [AT, 0.0, None, "before"])
def test_a_stranger_that_has_the_number_lives_on(stranger, created):
    if created == "before":
        created = look(stranger.pid).began - 60
    folder = note(job_folders.new_job_folder("map"), pid=stranger.pid, created=created)
    assert not job_folders.is_running(folder)
    job = Job.attach(folder)
    job.cancel()
    job.end()
    while not job.finished:
        job.messages(wait=0.02)
    assert stranger.poll() is None, "a stranger's process was ended"


@pytest.mark.parametrize("asks", ["/proc", "ps"])
def test_the_one_that_is_meant_is_ended(stranger, asks, monkeypatch):
    if asks == "ps":  # as on macOS
        monkeypatch.setattr(process, "_linux_process", process._ps_process)
    began = look(stranger.pid).began
    assert abs(began - time.time()) < 10
    assert "time.sleep(60)" in look(stranger.pid).command
    process.end_same(stranger.pid, began - 60)
    assert stranger.poll() is None
    process.end_same(stranger.pid, began + 1.5)
    assert stranger.wait(5) == -9


@pytest.mark.parametrize("created", [AT, None, "then"])
def test_a_set_up_that_broke_off_ends_no_stranger_that_has_its_tools_number(
    stranger, tmp_path, created
):
    place = Place(tmp_path / "engine")
    place.child.write_text(json.dumps({"pid": stranger.pid, "created": created}))
    place.recover()
    assert stranger.poll() is None
    assert not place.child.exists()
    place.note_child(stranger.pid)
    place.recover()
    assert stranger.wait(5) == -9


def test_a_job_in_a_terminals_group_does_not_take_the_group_with_it(stranger):
    other = subprocess.Popen(["sleep", "60"])  # of the same group as the test itself
    process.end_same(stranger.pid, look(stranger.pid).began)
    assert stranger.wait(5) == -9
    assert other.poll() is None
    other.kill()
    other.wait()


def test_a_child_whose_number_was_given_again_is_not_ended_twice(child, stranger):
    job = Job.start(child("say(type='done')"), "map", {})
    job._process.wait()
    while not job._source.at_end:
        job._source.take(0.1)
    job.pid = stranger.pid
    job.end()
    while not job.finished:
        job.messages(wait=0.02)
    assert stranger.poll() is None


def test_a_clock_that_was_put_hides_no_job_that_names_its_folder():
    code = "import time; time.sleep(60)"
    running = subprocess.Popen([sys.executable, "-c", code, f"/jobs/{FOLDER}"])
    try:
        assert is_same(running.pid, AT, FOLDER)
        assert not is_same(running.pid, AT, FOLDER.replace("1a", "2b"))
        assert not is_same(running.pid, AT)
    finally:
        running.kill()
        running.wait()


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1, 2**70])
def test_numbers_that_name_no_process_or_whole_groups(pid):
    assert not process.is_alive(pid)
    assert look(pid) is None
    assert not is_same(pid, time.time())
    process.end_same(pid, time.time())
    process.end_tree(min(pid, 1))


@pytest.mark.parametrize("text", ["[]", '{"pid": "x"}', '{"pid": 7, "created": "x"}', "7", ""])
def test_a_broken_note_of_a_process_names_none(text, tmp_path):
    (tmp_path / "pid.json").write_text(text)
    assert not job_folders.is_running(tmp_path)


@pytest.mark.parametrize(
    ("stat", "expected"),
    [
        ("7 (python) S 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 12345 1", 1_000_123.45),
        ("7 (my (odd) name) R 1 7 7 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 200 1", 1_000_002.0),
        ("7 (python) Z 1 7 7 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 200 1", None),
        ("7 (python", None),
    ],
)
def test_linux_tells_when_a_process_began(tmp_path, stat, expected):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text(stat)
    (tmp_path / "7" / "cmdline").write_bytes(b"python\0-m\0mtmsd\0")
    (tmp_path / "stat").write_text("cpu 1 2 3\nbtime 1000000\nprocesses 9\n")
    found = process._linux_process(7, tmp_path)
    ticks = os.sysconf("SC_CLK_TCK") / 100
    if expected is not None:
        expected = 1_000_000 + (expected - 1_000_000) / ticks
    assert found == (Process(expected, "python -m mtmsd") if expected is not None else None)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (  # macOS 14
            "Ss   Fri Nov 27 21:10:27 2026     /opt/engine/bin/python -m mtmsd run /jobs/a b\n",
            Process(AT, "/opt/engine/bin/python -m mtmsd run /jobs/a b"),
        ),
        ("S+   Fri 27 Nov 21:10:27 2026 sleep 60", Process(AT, "sleep 60")),  # the day first
        ("R    Tue Dec  1 09:05:03 2026     ps", Process(AT + 302_076.0, "ps")),
        ("Z+   Fri Nov 27 21:10:27 2026     <defunct>", None),
        ("S    Fri Nov 27 21:10:27 2026", Process(AT, "")),
        ("S    ven. nov. 27 21:10:27 2026 sleep", Process(AT, "sleep")),
        ("S    Fr 27 Dez 21:10:27 2026 sleep", None),  # the locale was not obeyed
        ("", None),
        ("ps: illegal option -- o", None),
    ],
)
def test_ps_tells_when_a_process_began(line, expected):
    assert parse_ps(line) == expected


@pytest.mark.parametrize(
    ("low", "high", "seconds"),
    [
        (3577643008, 27111902, 0.0),  # 1970
        (3577643008 + 15_000_000, 27111902, 1.5),
        (0x00000000, 0x01D00000, 1_415_965_319.4),
    ],
)
def test_windows_counts_from_1601(low, high, seconds):
    assert filetime_seconds(low, high) == pytest.approx(seconds, abs=0.1)


class Kernel:
    """Answers as Windows' kernel32 does."""

    def __init__(self, exit_code: int = 259, opens: int = 0x1_0000_0004, tells: int = 1):
        self.exit_code, self.opens, self.tells = exit_code, opens, tells
        self.closed: list[int] = []

    def OpenProcess(self, access, inherit, pid):
        return self.opens if pid == 7 else None

    def GetExitCodeProcess(self, handle, status):
        assert handle.value == self.opens
        status._obj.value = self.exit_code
        return self.tells

    def GetProcessTimes(self, handle, creation, *others):
        assert len(others) == 3
        ticks = round((AT + 11_644_473_600) * 10_000_000)
        creation._obj[:] = [ticks & 0xFFFFFFFF, ticks >> 32]
        return self.tells

    def CloseHandle(self, handle):
        self.closed.append(handle.value)


@pytest.mark.parametrize(
    ("kernel", "pid", "expected"),
    [
        (Kernel(), 7, Process(AT)),
        (Kernel(), 8, None),
        (Kernel(exit_code=0), 7, None),  # ended, and somebody still holds it
        (Kernel(tells=0), 7, None),
    ],
)
def test_windows_tells_when_a_process_began(kernel, pid, expected, monkeypatch):
    assert process._windows_process(pid, kernel) == expected
    assert kernel.closed == ([kernel.opens] if pid == 7 else [])
    monkeypatch.setattr(process, "WINDOWS", True)
    monkeypatch.setattr(process, "_kernel", lambda: kernel)
    assert is_same(pid, AT) == (expected is not None)
    assert not is_same(pid, AT - 60)
    assert not is_same(pid, None, FOLDER)
    assert ctypes.sizeof(ctypes.c_void_p) == 8
