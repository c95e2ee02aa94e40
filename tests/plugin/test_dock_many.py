"""Thousands of polygons do not hold up the window."""

from __future__ import annotations

import gc
import shutil
import threading
import time
from pathlib import Path

import pytest
from conftest import square
from docked import Docked, docked  # noqa: F401
from qgis.core import QgsProject
from qgis.PyQt.QtCore import QTimer

from mtmsd_qgis.state.training.classes import Label, Source
from mtmsd_qgis.state.training.import_plan import plan
from mtmsd_qgis.state.training.journal import journal_path
from mtmsd_qgis.state.training.label_import import Intake
from mtmsd_qgis.state.training.spectra import SpectraReader
from mtmsd_qgis.state.training.training_file import create

pytestmark = pytest.mark.slow

COUNT = 3000
LONGEST_S = 0.05
OPENING_S = 0.15
"""A raster and a layer of so many polygons are opened; 0.05 on an idle machine."""


class Ticker:
    """The longest computing time of the main thread between two turns of the event loop."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._last = time.thread_time()
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(1)

    def _tick(self) -> None:
        now = time.thread_time()
        self.worst, self._last = max(self.worst, now - self._last), now


def test_three_thousand_polygons_are_taken_in_slices(
    docked: Docked,  # noqa: F811
    scene: Path,
    tmp_path: Path,
) -> None:
    docked.open(Path(shutil.copy(scene, tmp_path / "scene.tif")))
    docked.workspace.with_training(lambda _training: None)
    training = docked.wait(lambda: docked.workspace.training, "no training polygons")
    shapes = [square(row, col, 2) for row in range(28) for col in range(36)]
    wkbs = [bytes(shape.asWkb()) for shape in shapes]
    labels = [Label(wkbs[i % len(wkbs)], f"class {i % 5}") for i in range(COUNT)]
    reader = SpectraReader(docked.workspace.scene_path, [1])
    stalls: list[float] = []  # a machine that wakes or is shared takes twice as long for a while
    while not stalls or (stalls[-1] >= LONGEST_S and len(stalls) < 3):
        if stalls:
            training.undo_stack.undo()
        planned = plan(Source(labels), training.classes, reader, merge=False)
        gc.collect()
        gc.disable()  # a full collection takes 40 ms wherever it falls
        try:
            ticker = Ticker()
            ended: list[int] = []
            intake = Intake(training, planned)
            intake.ended.connect(ended.append)
            intake.start()
            docked.wait(lambda: ended, "the import does not end")  # noqa: B023
        finally:
            gc.enable()
        assert ended == [COUNT]
        assert training.layer.featureCount() == COUNT
        stalls.append(ticker.worst)
    assert min(stalls) < LONGEST_S
    docked.wait(lambda: sum(int(p) for p, _ in docked.classes().values()) == COUNT, "no counts")
    training.undo_stack.undo()
    assert training.layer.featureCount() == 0


def test_the_file_of_the_first_class_is_made_in_a_thread_once(
    docked: Docked,  # noqa: F811
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []

    def noted(path: Path, crs: object) -> None:
        made.append((threading.current_thread() is threading.main_thread(), path))
        create(path, crs)

    monkeypatch.setattr("mtmsd_qgis.state.workspace.create", noted)
    shutil.copy(scene, tmp_path / "fields.tif")
    docked.open(tmp_path / "fields.tif")
    docked.click("mtmsdClassAdd")
    docked.click("mtmsdClassAdd")  # before the file is there
    docked.wait(lambda: len(docked.classes()) == 2, "not two classes", 10)
    assert [in_main for in_main, _ in made] == [False]
    assert docked.workspace.training.path == made[0][1]


def test_three_thousand_unsaved_polygons_are_recovered_in_a_thread(
    docked: Docked,  # noqa: F811
    scene: Path,
    tmp_path: Path,
) -> None:
    own = Path(shutil.copy(scene, tmp_path / "fields.tif"))
    docked.open(own)
    docked.workspace.with_training(lambda _training: None)
    training = docked.wait(lambda: docked.workspace.training, "no training polygons")
    wkb = bytes(square(4, 4, 2).asWkb())
    labels = [Label(wkb, f"class {i % 5}") for i in range(COUNT)]
    reader = SpectraReader(docked.workspace.scene_path, [1])
    intake = Intake(training, plan(Source(labels), [], reader, merge=False)).start()
    ended: list[int] = []
    intake.ended.connect(ended.append)
    docked.wait(lambda: ended, "the import does not end")
    journal = journal_path(training.path)
    docked.wait(lambda: journal.exists() and journal.stat().st_size > 100 * COUNT, "not kept")
    QgsProject.instance().clear()  # nothing was saved
    docked.wait(lambda: docked.workspace.scene is None, "the scene stays")
    gc.collect()
    gc.disable()
    try:
        ticker = Ticker()
        docked.open(own)
        docked.wait_said(f"{COUNT:,} training polygons were recovered")
    finally:
        gc.enable()
    layer = docked.workspace.training.layer
    assert layer.featureCount() == COUNT
    assert not layer.isEditable()
    assert not journal.exists()
    assert [c.name for c in docked.workspace.training.classes] == [f"class {i}" for i in range(5)]
    assert ticker.worst < OPENING_S
