"""Jobs that outlive the one who started them, and processes that are not ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import write_raster
from docked import docked  # noqa: F401
from job_stage import note, until_end
from osgeo import gdal
from qgis.core import QgsProject
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QDialog, QPlainTextEdit, QTableWidget

from mtmsd_qgis.engine.job import LEFT, Job, LetGoError
from mtmsd_qgis.engine.job_folders import is_running, new_job_folder
from mtmsd_qgis.engine.messages import FileMessages
from mtmsd_qgis.engine.process import is_alive
from mtmsd_qgis.jobs.attached_job import Attached
from mtmsd_qgis.jobs.job_list import JobList
from mtmsd_qgis.jobs.runs import CANCELED, DONE, FAILED
from mtmsd_qgis.state.scene_state import JobNote

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
    monkeypatch.setattr("mtmsd_qgis.jobs.attached_job.START_SECONDS", 0.2)
    folder = new_job_folder("pretrain")
    outcome = until_end(Attached(folder, "Pretraining").start())
    assert outcome.status == FAILED
    assert str(folder) in outcome.sentence
    assert os.path.isdir(folder)


def test_the_table_tells_how_jobs_ended_and_shows_their_log(docked, stranger):  # noqa: F811
    made = note(new_job_folder("a"), 1, 0.0)
    (made / "messages.jsonl").write_text('{"type": "done", "results": {}}\n')
    broken = note(new_job_folder("b"), 1, 0.0)
    (broken / "messages.jsonl").write_text(
        '{"type": "error", "code": "x", "message": "No disk."}\n'
    )
    (broken / "log.txt").write_text("what the engine printed")
    works = note(new_job_folder("c"), stranger.pid, time.time())
    for folder in (made, broken, works):
        os.utime(folder / "job.json", (time.time() - 60,) * 2)
    section = docked.dock.jobs
    section.set_open(True)
    section.refresh()
    table = docked.part("mtmsdJobTable", QTableWidget)
    docked.wait(lambda: table.rowCount() == 3, "not three jobs")
    states = {table.item(row, 2).text() for row in range(3)}
    assert states == {"running", "failed: No disk.", "done"}
    assert docked.text("mtmsdJobsState") == "1 running"

    row = next(r for r in range(3) if "No disk" in table.item(r, 2).text())
    place = table.visualItemRect(table.item(row, 0)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    docked.click("mtmsdLog")
    dialog = docked.wait(lambda: docked.dock.findChild(QDialog, "mtmsdLogDialog"), "no log")
    text = dialog.findChild(QPlainTextEdit).toPlainText()
    assert "what the engine printed" in text
    assert '"message": "No disk."' in text
    dialog.close()

    docked.click("mtmsdCancel")  # of the job that was found running
    assert stranger.wait(10) is not None
    docked.wait(lambda: docked.text("mtmsdJobsState") == "None running; 3 ended", "it still runs")


def class_map(path: Path, values: np.ndarray) -> Path:
    write_raster(path, values[None])
    classes = [{"value": 1, "name": "grass", "color": "#00ff00"}]
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.SetMetadataItem("MTMSD", json.dumps({"classes": classes}))
    return path


def test_a_map_that_was_made_while_qgis_was_closed_is_shown(docked, scene, tmp_path):  # noqa: F811
    own = Path(shutil.copy(scene, tmp_path / "scene.tif"))
    layer = docked.open(own)
    made = class_map(tmp_path / "map.tif", np.ones((32, 40), "uint8"))
    folder = note(new_job_folder("classify"), 1, 0.0)
    done = {"type": "done", "results": {"map": str(made), "pixels": {"grass": 1280}}}
    (folder / "messages.jsonl").write_text(json.dumps(done) + "\n")
    step = {"output": str(made), "extent": None, "confidence": str(tmp_path / "confidence.tif")}
    docked.workspace.change(map_job=JobNote(folder, step))
    QgsProject.instance().removeMapLayer(layer.id())
    docked.open(own)
    docked.wait_said("Mapping the scene came to its end while QGIS was closed")
    found = [x for x in QgsProject.instance().mapLayers().values() if x.source() == str(made)]
    assert [x.renderer().classes()[0].label for x in found] == ["grass"]
    legend = docked.part("mtmsdLegend", QTableWidget)
    assert [legend.item(0, column).text() for column in (1, 2, 3)] == ["grass", "1,280", "115.2 ha"]
    assert docked.workspace.state.map == made
    assert docked.workspace.state.map_job is None
    docked.open(own, "again")
    docked.dock.map.refresh()
    assert sum(x.source() == str(made) for x in QgsProject.instance().mapLayers().values()) == 1


def test_job_folders_are_looked_at_only_where_they_can_be_seen(docked, monkeypatch):  # noqa: F811
    looks = []
    read = JobList.read
    monkeypatch.setattr(JobList, "read", lambda self: looks.append(0) or read(self))
    section = docked.dock.jobs
    section._timer.setInterval(50)

    def looks_in(seconds: float) -> int:
        QTest.qWait(300)  # what was begun
        looks.clear()
        QTest.qWait(round(1000 * seconds))
        return len(looks)

    section.set_open(False)
    assert looks_in(1) == 0, "folded"
    section.set_open(True)
    QTest.qWait(200)  # what is below moves
    docked.part("mtmsdScroll").ensureWidgetVisible(docked.part("mtmsdJobTable"))
    assert looks_in(1) > 3, "in sight"
    docked.dock.close()
    assert looks_in(1) == 0, "the dock is closed"
    new_job_folder("map")
    assert looks_in(2) == 0, "a new job, and the dock is closed"
    docked.dock.show()
    assert looks_in(1) > 3, "in sight again"
