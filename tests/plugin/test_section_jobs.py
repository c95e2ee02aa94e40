"""Jobs that the dock's sections start: how they end is said, and they end with the dock."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

from docked import docked  # noqa: F401
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QComboBox

from mtmsd_qgis.engine.job import Job
from mtmsd_qgis.engine.process import is_alive


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
