"""Pause and resume, an engine that is killed, a scene that is removed, QGIS that is closed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from conftest import open_scene, pretrain_settings
from screen import Screen, is_alive

LONG = "width=32 iterations=4000 batch_size=2 checkpoint_every=2"


def begin_pretraining(screen: Screen, sample: Path) -> int:
    """Start a pretraining that would take minutes; return the engine's process id."""
    open_scene(screen, sample)
    pretrain_settings(screen, LONG)
    screen.click("mtmsdPretrain")
    screen.wait_text("mtmsdPretrainingState", r"Step [1-9]\d* of 4,?000", 240)
    return screen.engines()[0]


@pytest.mark.slow
def test_pause_keeps_the_steps_and_a_killed_engine_is_told(start, sample: Path) -> None:
    screen = start()
    pid = begin_pretraining(screen, sample)
    screen.click("mtmsdPretrain")  # now called Pause
    screen.wait_text("mtmsdPretrainingState", "Paused", 60)
    screen.wait(lambda: not is_alive(pid), 5, "the engine still runs")
    assert "esume" in screen.text("mtmsdPretrain").replace("&", "")
    screen.click("mtmsdPretrain")
    said = screen.wait_text("mtmsdPretrainingState", r"Step (\d+) of 4,?000", 240)
    assert int(said.split()[1].replace(",", "")) >= 2, "it began again from the start"
    # an engine that is killed from outside is told in one sentence
    os.kill(screen.engines()[0], signal.SIGKILL)
    screen.wait_text("mtmsdPretrainingState", "was killed", 20)
    assert any("was killed" in text for text in screen.ask("messages"))


@pytest.mark.slow
def test_a_job_survives_its_scene_and_ends_by_cancel(start, sample: Path) -> None:
    screen = start()
    pid = begin_pretraining(screen, sample)
    screen.click_item("theLayerTreeView", "enmap_potsdam")
    screen.key("ctrl+d")
    screen.wait(lambda: screen.ask("question"), 10, "QGIS does not ask")
    screen.key("Return")
    screen.wait_said("enmap_potsdam was removed; the running job goes on")
    screen.wait_text("mtmsdSceneState", "Choose a hyperspectral raster", 10)
    assert is_alive(pid)
    open_scene(screen, sample)
    screen.click("mtmsdCancel")
    screen.wait(lambda: not is_alive(pid), 60, "the engine still runs")
