"""Jobs that outlive the one who started them, and processes that are not ours."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import write_raster
from docked import docked  # noqa: F401
from osgeo import gdal
from qgis.core import QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QComboBox, QDialog, QPlainTextEdit, QTableWidget

from mtmsd_qgis.engine.job import LEFT, Job, LetGoError
from mtmsd_qgis.engine.job_folders import is_running, new_job_folder
from mtmsd_qgis.engine.messages import FileMessages
from mtmsd_qgis.engine.process import is_alive
from mtmsd_qgis.gui.widgets.section import WARNED
from mtmsd_qgis.jobs.attached_job import Attached
from mtmsd_qgis.jobs.job_list import JobList
from mtmsd_qgis.jobs.runs import CANCELED, DONE, FAILED, Ended, Run, Warnings
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


def test_a_plugin_that_is_disabled_ends_its_jobs(docked, scene, tmp_path):  # noqa: F811
    docked.open(Path(shutil.copy(scene, tmp_path / "scene.tif")))
    docked.workspace.change(settings="width=32 iterations=4000 batch_size=2")
    docked.click("mtmsdPretrain")
    docked.wait(lambda: "of 4,000" in docked.text("mtmsdPretrainingState"), "no step", 120)
    pid = Job.attach(docked.dock.running.runs[0].folder).pid
    assert is_alive(pid)
    docked.unload()
    stop = time.monotonic() + 40
    while is_alive(pid) and time.monotonic() < stop:
        QTest.qWait(50)  # the thread that ends the engine outlives the dock
    assert not is_alive(pid)
    QTest.qWait(500)


def test_why_pretraining_failed_stays_to_be_read(docked, scene, tmp_path):  # noqa: F811
    docked.open(Path(shutil.copy(scene, tmp_path / "scene.tif")))
    docked.workspace.change(settings="width=32 iterations=4000 batch_size=2 checkpoint_every=1")
    docked.click("mtmsdPretrain")
    docked.wait(lambda: "of 4,000" in docked.text("mtmsdPretrainingState"), "no step", 120)
    os.kill(Job.attach(docked.dock.running.runs[0].folder).pid, signal.SIGKILL)
    docked.wait(lambda: "SIGKILL" in docked.text("mtmsdPretrainingState"), "it is not told", 20)
    docked.part("mtmsdPreset", QComboBox).setCurrentIndex(0)
    assert "SIGKILL" in docked.text("mtmsdPretrainingState")
    docked.open(Path(shutil.copy(scene, tmp_path / "other.tif")))
    assert "SIGKILL" not in docked.text("mtmsdPretrainingState")


def test_what_only_measures_the_speed_ends_with_qgis(docked, scene, tmp_path):  # noqa: F811
    docked.open(Path(shutil.copy(scene, tmp_path / "scene.tif")))
    docked.click("mtmsdMeasure")
    folder = docked.wait(lambda: docked.dock.running.runs[0].folder, "no job")
    assert json.loads((folder / "job.json").read_text())["when_parent_ends"] == "stop"
    docked.click("mtmsdCancel")
    docked.wait(lambda: not docked.dock.running.runs, "it goes on")


WARNS = """
    say(type="hello", version="1")
    for _ in range(2):
        say(type="warning", message="984 of 4,999 pixels count.")
    say(type="warning", message="Class 2 has few pixels.")
    say(type="done", results={})
"""


@pytest.fixture
def started(docked, child_is_engine, scene, tmp_path):  # noqa: F811
    """Return a function that runs a program as the dock's pretraining."""

    def start(program: str) -> Run:
        child_is_engine(program)
        docked.workspace.engine.recheck()
        docked.wait(lambda: docked.workspace.engine.state().python == sys.executable, "no engine")
        parameters = {"INPUT": str(scene), "OUTPUT": str(tmp_path / "model.safetensors")}
        run = Run("mtmsd:pretrain", parameters, "Pretraining", docked.dock.pretraining)
        docked.dock.running.watch(run)
        return run.start()

    return start


def test_what_the_engine_warned_of_is_told_at_the_end_and_each_once(started):
    ended = until_end(started(WARNS))
    assert ended.status == DONE
    assert ended.warnings == ("984 of 4,999 pixels count.", "Class 2 has few pixels.")


def test_what_the_engine_warned_of_stands_in_the_section_of_its_scene(
    docked,  # noqa: F811
    scene,
    tmp_path,
    child_is_engine,
):
    first = docked.open(Path(shutil.copy(scene, tmp_path / "first.tif")))
    second = docked.open(Path(shutil.copy(scene, tmp_path / "second.tif")))
    child_is_engine(WARNS.replace('say(type="done", results={})', "sys.exit(4)"))
    docked.workspace.engine.recheck()
    docked.wait(lambda: docked.workspace.engine.state().python == sys.executable, "no engine")
    docked.click("mtmsdPretrain")
    said = docked.part("mtmsdPretrainingWarnings")
    docked.wait(said.text, "the section does not say it")
    docked.wait(lambda: not docked.dock.running.runs, "it does not end")
    assert said.text() == "984 of 4,999 pixels count.\nClass 2 has few pixels."
    assert said.isVisible()
    chooser = docked.part("mtmsdSceneLayer")
    chooser.setLayer(first)
    docked.wait(lambda: not said.isVisible(), "said of another scene")
    chooser.setLayer(second)
    docked.wait(lambda: "984" in said.text(), "it is forgotten")


def test_what_the_engine_warned_of_while_outlining_stands_in_the_map_section(
    docked,  # noqa: F811
    scene,
    child_is_engine,
):
    docked.open(scene)
    docked.workspace.change(map=scene)
    child_is_engine(WARNS.replace('say(type="done", results={})', "sys.exit(4)"))
    docked.workspace.engine.recheck()
    docked.wait(lambda: docked.workspace.engine.state().python == sys.executable, "no engine")
    docked.click("mtmsdPolygonize")
    said = docked.part("mtmsdMapWarnings")
    docked.wait(lambda: not docked.dock.running.runs and said.text(), "the section is silent")
    assert said.text() == "984 of 4,999 pixels count.\nClass 2 has few pixels."


def test_what_was_done_with_warnings_is_amber(docked):  # noqa: F811
    section = docked.dock.pretraining
    section.set_state(DONE, "Model: m.safetensors")
    assert section._dot.toolTip() == "Done"
    section.warn(("Class 2 has few pixels.",))
    assert section._dot.toolTip() == "Done, with warnings"
    section.warn(())
    assert section._dot.toolTip() == "Done"


def test_pictures_of_maps_are_not_offered_as_a_scene(docked, scene):  # noqa: F811
    picture = QgsRasterLayer("type=xyz&url=http://127.0.0.1/{z}/{x}/{y}.png", "map", "wms")
    assert picture.isValid()
    raster = QgsRasterLayer(str(scene), "scene")
    QgsProject.instance().addMapLayers([picture, raster])
    chooser = docked.part("mtmsdSceneLayer")
    offered = [chooser.layer(row) for row in range(chooser.count())]
    assert raster in offered
    assert picture not in offered


def test_silence_that_passes_makes_no_job_amber(qgis_app):
    warnings = Warnings()
    assert not warnings.take({"type": "warning", "message": "Silent for 60 s.", "passing": True})
    assert not warnings.take({"type": "metric", "message": "x"})
    assert warnings == []


def test_a_job_with_warnings_is_amber_in_the_list_and_says_them(docked):  # noqa: F811
    folder = note(new_job_folder("train"), 1, 0.0)
    lines = [
        {"type": "warning", "message": "984 of 4,999 pixels count."},
        {"type": "metric", "step": 1, "name": 'a "warning" in a name', "value": 1},
        {"type": "warning", "message": "984 of 4,999 pixels count."},
        {"type": "warning", "message": "Class 2 has few pixels."},
        {"type": "done", "results": {}},
    ]
    log = folder / "messages.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines[:2]) + '{"type": "warn')
    listed = JobList()
    assert [line.warnings for line in listed.read()] == [("984 of 4,999 pixels count.",)]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (line,) = listed.read()
    assert line.warnings == ("984 of 4,999 pixels count.", "Class 2 has few pixels.")
    section = docked.dock.jobs
    section.set_open(True)
    section.refresh()
    table = docked.part("mtmsdJobTable", QTableWidget)
    docked.wait(lambda: table.rowCount() == 1, "no job")
    assert table.item(0, 2).text() == "done, 2 warnings"
    assert section.kind == WARNED
    assert docked.text("mtmsdJobsState") == "None running; 1 ended, the last with 2 warnings"
    table.selectRow(0)
    assert docked.text("mtmsdJobDetail") == "\n".join(line.warnings)
    log.write_text('{"type": "done", "results": {}}\n')  # it was run again
    assert [line.warnings for line in listed.read()] == [()]


def test_cancel_just_after_the_end_does_not_deny_what_was_made(started):
    run = started("say(type='hello'); say(type='done', results={'n': 3})")
    run.told.connect(lambda message: run.cancel() if message["type"] == "done" else None)
    assert until_end(run).status == DONE


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
