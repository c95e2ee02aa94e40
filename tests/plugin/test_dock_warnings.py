"""What the engine warns of stands in its section, in the list of jobs, and in amber."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from docked import docked  # noqa: F401
from job_stage import note, until_end
from qgis.PyQt.QtWidgets import QTableWidget

from mtmsd_qgis.engine.job_folders import new_job_folder
from mtmsd_qgis.gui.widgets.section import WARNED
from mtmsd_qgis.jobs.job_list import JobList
from mtmsd_qgis.jobs.runs import DONE, Run, Warnings

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
