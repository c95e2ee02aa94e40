"""QGIS is closed, or ended, while the engine works: it asks, and takes the job up again."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from conftest import open_scene, pretrain_settings, role, take_polygons
from screen import Screen, is_alive
from test_trouble import begin_pretraining

SCENE = "enmap_potsdam.tif"
BRIEF = "width=32 iterations=120 batch_size=2 checkpoint_every=10"
"""A pretraining of some ten seconds."""


def close(screen: Screen, answer: str, job: str = "Pretraining") -> None:
    """Close QGIS with the keyboard and press a button of the dock's question."""
    screen.click("mtmsdSceneLayer")  # without a window manager a click brings the keyboard back
    screen.key("Escape")
    screen.key("ctrl+q")
    screen.wait(lambda: job in (screen.ask("question") or ""), 10, "no question")
    if answer == "Stay":
        screen.shot("closing")
    screen.click(f"mtmsdClosing{answer}")


def wait_closed(screen: Screen) -> None:
    screen.wait(lambda: screen.qgis.poll() is not None, 30, "QGIS does not close", picture=False)


def open_again(screen: Screen, sample: Path, crashed: bool = False) -> None:
    """Open QGIS and the raster once more, and choose it as the scene."""
    (screen.restart if crashed else screen.open_again)(sample / SCENE)
    screen.choose("mtmsdSceneLayer", Path(SCENE).stem)


def step(screen: Screen) -> int:
    said = screen.wait_text("mtmsdPretrainingState", r"Step [1-9][\d,]* of 4,?000", 60)
    return int(said.split()[1].replace(",", ""))


@pytest.mark.slow
def test_a_job_goes_on_without_qgis_and_is_taken_up_again(start, sample: Path) -> None:
    screen = start()
    pid = begin_pretraining(screen, sample)
    close(screen, "Stay")
    time.sleep(0.5)
    assert screen.qgis.poll() is None
    assert is_alive(pid)
    before = step(screen)

    close(screen, "GoOn")
    wait_closed(screen)
    time.sleep(3)
    assert is_alive(pid), "the engine ended with QGIS"
    open_again(screen, sample)
    assert step(screen) > before
    assert screen.text("mtmsdPretrain").replace("&", "") == "Pause"
    assert screen.ask("widget", name="mtmsdLossCurve")["visible"]
    assert screen.text("mtmsdJobTitle").startswith("Pretraining")
    screen.wait(lambda: screen.ask("table", name="mtmsdJobTable"), 10, "no job in the table")
    assert screen.ask("table", name="mtmsdJobTable")[0][::2] == ["pretrain", "running"]

    close(screen, "GoOn")  # a job that was taken up is let go like one of its own
    wait_closed(screen)
    time.sleep(3)
    assert is_alive(pid), "the engine ended with the second QGIS"
    open_again(screen, sample)
    step(screen)

    close(screen, "Cancel")
    wait_closed(screen)
    screen.wait(lambda: not is_alive(pid), 30, "the engine still runs", picture=False)
    open_again(screen, sample)
    screen.wait_text("mtmsdPretrainingState", "Paused", 40)
    screen.wait(lambda: screen.ask("table", name="mtmsdJobTable")[0][2] == "canceled", 10, "no end")


@pytest.mark.slow
def test_a_model_that_was_made_while_qgis_was_closed_is_taken(start, sample: Path) -> None:
    screen = start()
    open_scene(screen, sample)
    pretrain_settings(screen, BRIEF)
    screen.click("mtmsdPretrain")
    screen.wait_text("mtmsdPretrainingState", r"Step [1-9]\d* of 120", 100)
    close(screen, "GoOn")
    wait_closed(screen)
    screen.wait(lambda: not is_alive(screen.engines()[0]), 200, "no end", picture=False)
    open_again(screen, sample)
    screen.wait_text("mtmsdPretrainingState", r"Model: model_\w+\.safetensors", 60)
    assert any("while QGIS was closed" in text for text in screen.ask("messages"))


@pytest.mark.slow
def test_a_job_outlives_a_crash_of_qgis_and_its_own_is_told(start, sample: Path) -> None:
    screen = start()
    pid = begin_pretraining(screen, sample)
    before = step(screen)
    open_again(screen, sample, crashed=True)
    assert is_alive(pid), "the engine ended with QGIS"
    assert step(screen) > before
    os.kill(pid, signal.SIGKILL)
    screen.wait_text("mtmsdPretrainingState", "ended without a result", 20)
    assert any("ended without a result" in text for text in screen.ask("messages"))
    assert screen.text("mtmsdPretrain").replace("&", "") == "Resume", "the checkpoint is lost"


@pytest.mark.slow
def test_a_map_that_is_being_made_goes_on_without_qgis_and_is_shown_by_the_next(
    start, sample: Path
) -> None:
    screen = start("validation_polygons.gpkg")  # many, so that it takes a while
    open_scene(screen, sample)
    take_polygons(screen, "validation_polygons")
    screen.click("mtmsdEdit_save")  # else QGIS asks for the unsaved polygons first
    screen.click_title("mtmsdMapOptions")
    screen.choose("mtmsdClassifier", "Random forest")
    screen.click("mtmsdMapScene")
    screen.wait_text("mtmsdMapState", "^Learning without", 100)
    pid = screen.engines()[0]
    close(screen, "GoOn", "Learning the classes")
    wait_closed(screen)
    time.sleep(3)
    assert is_alive(pid), "the engine ended with QGIS"
    open_again(screen, sample)
    assert is_alive(pid), "it ended before it could be taken up"
    screen.wait_text("mtmsdMapState", "Learning", 60)
    assert screen.text("mtmsdJobTitle").startswith("Learning the classes")
    screen.wait_text("mtmsdMapState", r"Map: map\.tif", 480)
    shown = screen.wait(lambda: role(screen, "map"), 10, "the map is not shown")
    assert [name for _, name, _ in shown["classes"]][:2] == ["roof", "pavement"]
    assert screen.text("mtmsdClassifier").startswith("Random forest")
