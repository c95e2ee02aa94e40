"""Training polygons belong to one QGIS at a time, and to one file."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import BUILD, square
from docked import Docked, docked, rows_of  # noqa: F401
from qgis.core import QgsCoordinateReferenceSystem, QgsProject

from mtmsd_qgis.state.training import journal
from mtmsd_qgis.state.training.journal import journal_path
from mtmsd_qgis.state.training.training_file import create

LEFT, TOP = 300000.0, 5800000.0


@pytest.fixture
def drawn(docked: Docked, scene: Path, tmp_path: Path) -> Docked:  # noqa: F811
    """One class with a saved polygon."""
    docked.open(Path(shutil.copy(scene, tmp_path / "scene.tif")))
    docked.add_class("grass")
    draw(docked, 5)
    docked.click("mtmsdEdit_save")
    return docked


def draw(room: Docked, col: int) -> None:
    before = room.workspace.training.layer.featureCount()
    x, y = LEFT + 30 * col, TOP - 300
    room.drag(x + 2, y - 2, x + 118, y - 118)
    room.wait(lambda: room.workspace.training.layer.featureCount() > before, "not drawn", 5)


@pytest.fixture
def second(tmp_path: Path) -> Iterator[Callable[[Docked], tuple[subprocess.Popen, str]]]:
    """A function that starts a second real QGIS on the same scene; ended after the test."""
    started = []

    def start(room: Docked) -> tuple[subprocess.Popen, str]:
        workspace = room.workspace
        file = workspace.training.path if workspace.training else workspace.state.training
        program = str(Path(__file__).with_name("second_qgis.py"))
        command = [sys.executable, program, str(BUILD), room.workspace.scene_path, str(file)]
        environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.wait()


def saved(room: Docked) -> int:
    return rows_of(room.workspace.state.training)


def test_a_second_qgis_opens_them_read_only_and_says_who_has_them(drawn: Docked, second) -> None:
    draw(drawn, 12)  # not saved: it lies in the journal
    drawn.wait(lambda: journal_path(drawn.workspace.training.path).exists(), "no journal", 5)
    process, words = second(drawn)
    assert f"process {os.getpid()} on " in words
    assert "training.gpkg; here its polygons are read-only" in words
    process.kill()
    process.wait()
    assert saved(drawn) == 1, "the second one wrote what this one had not saved"
    assert drawn.workspace.training.layer.featureCount() == 2
    drawn.click("mtmsdEdit_save")
    assert saved(drawn) == 2


def test_what_another_one_edits_is_read_only_until_it_has_gone(drawn: Docked, second) -> None:
    layer = drawn.workspace.training.layer
    QgsProject.instance().removeMapLayer(layer.id())
    process, words = second(drawn)
    assert words == "ready"
    drawn.click("mtmsdClassAdd")
    drawn.wait_said(f"Another QGIS (process {process.pid} on ")
    assert drawn.workspace.training.layer.readOnly()
    assert not drawn.part("mtmsdDraw_rectangle").isEnabled()
    assert not drawn.part("mtmsdClassDelete").isEnabled()
    drawn.workspace.training.rename(1, "mine")
    assert [c.name for c in drawn.workspace.training.classes] == ["grass"]
    process.kill()  # its unsaved polygon is then recovered here
    process.wait()
    drawn.wait_said("2 training polygons were recovered", 15)
    drawn.wait(lambda: not drawn.workspace.training.layer.readOnly(), "still read-only")
    draw(drawn, 20)
    assert drawn.workspace.training.layer.featureCount() == 3


def test_a_removed_layer_is_opened_again_and_not_begun_anew(drawn: Docked) -> None:
    file = drawn.workspace.training.path
    QgsProject.instance().removeMapLayer(drawn.workspace.training.layer.id())
    drawn.wait(lambda: drawn.workspace.training is None, "it is still there")
    drawn.click("mtmsdClassAdd")
    drawn.wait(lambda: drawn.workspace.training, "no class was added")
    assert drawn.workspace.training.path == file
    assert [c.name for c in drawn.workspace.training.classes] == ["grass", "class 2"]
    assert list(file.parent.glob("training*.gpkg")) == [file]


def test_a_file_that_cannot_be_read_is_said_and_not_replaced(drawn: Docked) -> None:
    file = drawn.workspace.training.path
    QgsProject.instance().removeMapLayer(drawn.workspace.training.layer.id())
    good = file.read_bytes()
    file.write_bytes(b"not a database")
    drawn.click("mtmsdClassAdd")
    drawn.wait_said("training.gpkg cannot be opened as training polygons")
    assert drawn.workspace.training is None
    assert list(file.parent.glob("training*.gpkg")) == [file]
    file.write_bytes(good)
    drawn.click("mtmsdClassAdd")
    drawn.wait(lambda: drawn.workspace.training, "no class was added")
    assert drawn.workspace.training.path == file


def test_a_locked_file_keeps_the_edits_and_is_said(drawn: Docked) -> None:
    draw(drawn, 12)
    with sqlite3.connect(drawn.workspace.training.path) as database:
        database.execute("BEGIN EXCLUSIVE")
        drawn.click("mtmsdEdit_save")
        drawn.wait(lambda: drawn.said, "nothing was said", 30)
        database.rollback()
    database.close()
    assert drawn.workspace.training.layer.featureCount() == 2
    drawn.click("mtmsdEdit_save")
    assert saved(drawn) == 2


def test_a_journal_that_is_removed_while_it_is_read_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "training.gpkg"
    create(file, QgsCoordinateReferenceSystem("EPSG:32633"))
    kept = {"class_id": 1, "class_name": "grass", "color": "#123456"}
    kept["wkb"] = bytes(square(5, 5).asWkb()).hex()
    journal_path(file).write_text(json.dumps({"classes": [], "polygons": [kept]}))
    read = journal._read

    def read_and_lose(path: Path) -> object:
        found = read(path)
        path.unlink()  # as the journal does whose layer was saved, or has left
        return found

    monkeypatch.setattr(journal, "_read", read_and_lose)
    assert journal.restore(file) == ([], 1)
    assert rows_of(file) == 1
