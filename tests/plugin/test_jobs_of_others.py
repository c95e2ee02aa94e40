"""Whose a job is: of this dock, of this QGIS's Toolbox, of another QGIS, of one that has gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from docked import docked  # noqa: F401
from qgis.PyQt.QtCore import Qt, QTimer
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication, QLabel, QMessageBox, QPushButton, QTableWidget

from mtmsd_qgis.engine.job import Job
from mtmsd_qgis.engine.job_folders import is_running, job_folders, process_of, read_note
from mtmsd_qgis.engine.owner import DOCK, LEFT_BEHIND, OTHERS, OWN, Owner, whose
from mtmsd_qgis.engine.process import is_alive
from mtmsd_qgis.jobs.attached_job import Attached

BUSY = """
    import os, signal
    from pathlib import Path
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as if there were no signals
    Path("pid.json").write_text(json.dumps(dict(pid=os.getpid(), created=time.time())))
    log = open("messages.jsonl", "a", buffering=1)
    def both(**m):
        log.write(json.dumps(m) + chr(10))
        try:
            say(**m)
        except OSError:
            pass
    both(type="hello", version="1")
    both(type="warning", message="Band 3 is empty.")
    stop = time.monotonic() + 90
    while time.monotonic() < stop:
        time.sleep(0.05)
        if Path("cancel").exists():
            Path("checkpoint").write_text("whole")
            both(type="error", code="canceled", message="Canceled.")
            sys.exit(3)
"""

SECOND_QGIS = """
import sys
from pathlib import Path
sys.path.insert(0, {build!r})
from qgis.core import QgsApplication
app = QgsApplication([], False)
app.initQgis()
from mtmsd_qgis.engine import interpreter, job
job.CORE = Path({core!r})
ready = interpreter.EngineState(interpreter.READY, "", sys.executable, "the test")
interpreter.probe = lambda *_: ready
from mtmsd_qgis.processing.provider import MtmsdProvider
from mtmsd_qgis.jobs.runs import Run
provider = MtmsdProvider()
QgsApplication.processingRegistry().addProvider(provider)
provider.engine.state(wait=10)
run = Run("mtmsd:pretrain", {{"INPUT": {scene!r}, "OUTPUT": {output!r}}}, "Pretraining")
run.ended.connect(lambda ended: print(ended, flush=True))
run.start()
app.exec()
"""


@pytest.fixture
def second_qgis(child, scene, tmp_path):
    """Another QGIS, with the provider, whose dock runs a job; and that job's folder."""
    import mtmsd_qgis

    child(BUSY)
    code = SECOND_QGIS.format(
        build=str(Path(mtmsd_qgis.__file__).parents[1]),
        core=str(tmp_path / "core"),
        scene=str(scene),
        output=str(tmp_path / "model.safetensors"),
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "MTMSD_PYTHON": sys.executable},
        stdout=subprocess.PIPE,
    )
    stop = time.monotonic() + 60
    while not any((f / "messages.jsonl").is_file() for f in job_folders()):
        assert time.monotonic() < stop, "the second QGIS starts no job"
        assert other.poll() is None
        time.sleep(0.05)
    (folder,) = job_folders()
    yield other, folder
    other.kill()
    other.wait()
    if is_running(folder):
        os.kill(process_of(folder)[0], 9)


def row_of(table: QTableWidget) -> list[str]:
    return [table.item(0, column).text() for column in range(3)] if table.rowCount() else []


def press(box_name: str, button: str, seen: list[str]) -> None:
    """Press a button of a box that is about to be shown."""

    def look() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        assert box.objectName() == box_name
        seen.append(box.text())
        (found,) = [b for b in box.findChildren(QPushButton) if b.text() == button]
        QTest.mouseClick(found, Qt.MouseButton.LeftButton)

    QTimer.singleShot(300, look)


def test_another_qgiss_job_is_shown_as_its_own_and_ends_with_nothing_of_ours(
    docked,  # noqa: F811
    second_qgis,
):
    other, folder = second_qgis
    pid = process_of(folder)[0]
    owner = read_note(folder).owner
    assert (owner.pid, owner.place, whose(owner)) == (other.pid, DOCK, OTHERS)
    docked.dock.jobs.set_open(True)
    docked.dock.jobs.refresh()
    table = docked.part("mtmsdJobTable", QTableWidget)
    docked.wait(lambda: "1 warning" in "".join(row_of(table)), "no job", 15)
    assert row_of(table)[0] == "pretrain (of another QGIS)"
    assert row_of(table)[2] == "running, 1 warning"
    assert docked.dock.running.runs == []
    taken = Attached(folder, "Pretraining").start()
    QTest.qWait(100)
    taken.cancel()
    assert (taken.is_own, taken.outlives) == (False, False)

    seen: list[str] = []
    table.selectRow(0)
    press("mtmsdCancelOfOthers", "Let It Go On", seen)
    docked.click("mtmsdJobCancel")
    assert f"process {other.pid}" in seen[0]
    taken.release()
    docked.unload()
    QTest.qWait(1000)
    assert is_alive(pid), "another QGIS's job was ended"
    assert not (folder / "cancel").exists()
    assert other.poll() is None


def test_another_qgiss_job_is_canceled_only_when_asked_for_once_more(docked, second_qgis):  # noqa: F811
    _, folder = second_qgis
    pid = process_of(folder)[0]
    docked.dock.jobs.set_open(True)
    docked.dock.jobs.refresh()
    table = docked.part("mtmsdJobTable", QTableWidget)
    docked.wait(lambda: "1 warning" in "".join(row_of(table)), "no job", 15)
    table.selectRow(0)
    press("mtmsdCancelOfOthers", "Cancel Their Job", [])
    docked.click("mtmsdJobCancel")
    docked.wait(lambda: not is_alive(pid), "it goes on")
    docked.wait(lambda: "canceled" in row_of(table)[2], "its end is not shown")
    assert (folder / "checkpoint").read_text() == "whole", "it was ended, not canceled"


def test_a_job_whose_qgis_has_gone_is_taken_up_and_not_ended_with_the_plugin(
    docked,  # noqa: F811
    second_qgis,
):
    other, folder = second_qgis
    pid = process_of(folder)[0]
    other.kill()
    other.wait()
    assert whose(read_note(folder).owner) == LEFT_BEHIND
    docked.dock.jobs.refresh()
    (run,) = docked.wait(lambda: docked.dock.running.runs, "it is not taken up", 15)
    assert (run.title, run.outlives, run.is_own) == (
        "pretrain (of an earlier QGIS)",
        True,
        True,
    )
    docked.wait(lambda: docked.part("mtmsdJobWarnings", QLabel).isVisible(), "no warning")
    assert docked.text("mtmsdJobWarnings") == "1 warning"
    assert docked.part("mtmsdJobWarnings").toolTip() == "Band 3 is empty."
    docked.unload()
    QTest.qWait(500)
    assert is_alive(pid)


def test_a_job_of_the_toolbox_is_not_promised_to_outlive_qgis(docked, child):  # noqa: F811
    job = Job.start(child(BUSY), "map", {})
    docked.wait((job.folder / "messages.jsonl").is_file, "the job does not begin")
    assert whose(read_note(job.folder).owner) == OWN
    docked.dock.jobs.refresh()
    (run,) = docked.wait(lambda: docked.dock.running.runs, "it is not shown", 15)
    assert (run.title, run.outlives) == ("map (from the Toolbox)", False)
    assert docked.dock._closing.allowExit(), "asks what shall become of what ends anyway"
    docked.click("mtmsdCancel")
    docked.wait(lambda: not docked.dock.running.runs, "it goes on")
    assert (job.folder / "checkpoint").read_text() == "whole"
    job.messages(wait=1)


def test_the_docks_own_job_is_never_shown_twice(docked, child):  # noqa: F811
    job = Job.start(child(BUSY), "map", {}, place=DOCK)
    docked.wait((job.folder / "messages.jsonl").is_file, "the job does not begin")
    docked.dock.jobs.refresh()
    QTest.qWait(500)
    assert docked.dock.running.runs == []  # a run follows it, or is about to
    job.end()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, OWN),
        ({"pid": 2**22 + 1}, LEFT_BEHIND),
        ({"created": 1000.0}, LEFT_BEHIND),  # this number was another's then
        ({"host": "elsewhere"}, OTHERS),
        ({"user": "somebody"}, OTHERS),
        ({"pid": os.getppid(), "created": "its own"}, OTHERS),
    ],
)
def test_whose_a_job_is(change, expected):
    from mtmsd_qgis.engine.process import look

    note = {**Owner.here(DOCK).note(), **change}
    if note["created"] == "its own":
        note["created"] = look(note["pid"]).began
    assert whose(Owner.read(json.loads(json.dumps(note)))) == expected


@pytest.mark.parametrize("note", [None, [], {}, {"pid": "x"}, {"host": 1, "user": 2, "pid": None}])
def test_an_owner_that_cannot_be_read_is_none(note):
    assert Owner.read(note) is None


def test_a_job_on_another_machine_runs_as_long_as_it_is_heard(tmp_path):
    owner = {**Owner.here(DOCK).note(), "host": "elsewhere"}
    (tmp_path / "job.json").write_text(json.dumps({"command": "map", "owner": owner}))
    (tmp_path / "pid.json").write_text(json.dumps({"pid": os.getpid(), "created": time.time()}))
    assert not is_running(tmp_path)
    (tmp_path / "messages.jsonl").write_text('{"type": "heartbeat"}\n')
    assert is_running(tmp_path)
    os.utime(tmp_path / "messages.jsonl", (time.time() - 120,) * 2)
    assert not is_running(tmp_path)
