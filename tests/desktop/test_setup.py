"""A fresh profile on a machine without an engine: Set Up Engine… is pressed, and it works.

The engine of the first tests is tiny: its wheels are a kilobyte each, all else is real. The whole
one, of 1.4 GB, is set up by ``make test-setup``, which names the folder of wheels.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
from conftest import TINY, open_scene, pretrain, pretrain_settings, role, take_polygons
from screen import ROOT, SHOTS, Screen, is_alive

sys.path.append(str(ROOT / "tests/plugin"))
from pretend import make_plugin, make_wheels

WHEELHOUSE = "MTMSD_WHEELHOUSE"
"""Names the folder that ``make wheelhouse`` filled; set by ``make test-setup``."""
BUILD = Path(os.environ.get("MTMSD_BUILD", str(ROOT / "build")))


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    return make_wheels(tmp_path / "wheels")


@pytest.fixture
def fresh(start, tmp_path: Path, wheels: Path):
    """A function that starts QGIS with the tiny engine's plugin and without any engine."""

    def begin(**options) -> Screen:
        plugins = make_plugin(BUILD, tmp_path / "plugins", wheels)
        named = {"MTMSD_PYTHON": "", "QGIS_PLUGINPATH": str(plugins)}
        return start(environment=named, **options)

    return begin


def open_dialog(screen: Screen, headline: str = "One click sets it up") -> None:
    """Press the one big button and wait until the plan is told."""
    screen.wait_text("mtmsdEnginePanelHeadline", headline, 60)
    screen.click("mtmsdEnginePanelSetUp")
    screen.wait_text("mtmsdSetUpPlan", "MB|GB", 60)


def take_wheels(screen: Screen, wheels: Path) -> None:
    """Unfold Advanced and type the folder of wheels."""
    screen.click_title("mtmsdSetUpAdvanced")
    screen.click("mtmsdSetUpWheels")
    screen.type(str(wheels))
    screen.key("Tab")
    screen.wait_text("mtmsdSetUpPlan", str(wheels), 30)


def children(screen: Screen) -> list[int]:
    """Process ids of all that QGIS started, and what those started."""
    found, parents = [], {screen.qgis.pid}
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat") if path.exists()]
    rows = [(int(text.split()[0]), int(text.rpartition(")")[2].split()[1])) for text in stats]
    for pid, parent in sorted(rows):
        if parent in parents:
            parents.add(pid)
            found.append(pid)
    return found


@pytest.mark.slow
def test_one_click_sets_the_engine_up(fresh, wheels: Path, tmp_path: Path) -> None:
    screen = fresh()
    screen.layout(dock=320)
    screen.wait_text("mtmsdEnginePanelHeadline", "One click sets it up", 60)
    screen.shot("setup-light-1-first-run")
    assert screen.ask("cut", name="mtmsdEngine") == []
    assert screen.ask("bare", name="mtmsdEngine") == []
    screen.ask("watch")
    open_dialog(screen)
    assert not (tmp_path / "data/mtmsd").exists(), "something was done before the click"
    screen.shot("setup-light-2-plan")
    take_wheels(screen, wheels)
    screen.shot("setup-light-3-advanced")
    screen.click("mtmsdSetUpGo")
    screen.wait_text("mtmsdSetUpStep", "Making|Fetching", 30)
    screen.click_title("mtmsdSetUpLogBox")
    screen.shot("setup-light-4-progress")
    screen.wait_text("mtmsdSetUpSentence", "The engine is ready", 240)
    gap = screen.ask("gap")
    assert gap["cpu"] < 0.05, gap
    screen.shot("setup-light-5-done")
    screen.click("mtmsdSetUpClose")
    screen.wait(lambda: not screen.ask("widget", name="mtmsdEngine")["visible"], 10, "in the way")
    assert (tmp_path / "data/mtmsd/engine/bin/python").exists()
    screen.click("mtmsdSceneLayer")  # without a window manager a click brings the keyboard back
    screen.key("Escape")
    screen.key("alt+r")
    screen.choose_action("mRasterMenu", "MTMSD")
    screen.choose_action("MTMSD", "Engine")
    screen.wait_text("mtmsdOptionsEngineHeadline", "ready", 20)
    screen.shot("setup-light-6-options")
    assert screen.text("mtmsdOptionsEngineTorch") == "2.13.0"
    screen.key("Escape")


@pytest.mark.slow
def test_qgis_closed_in_the_middle_leaves_no_child_and_it_can_be_repeated(
    fresh, wheels: Path
) -> None:
    screen = fresh()
    open_dialog(screen)
    take_wheels(screen, wheels)
    screen.click("mtmsdSetUpGo")
    screen.wait_text("mtmsdSetUpStep", "Making|Fetching", 30)
    started = screen.wait(lambda: children(screen), 10, "no child")
    screen.click("mtmsdSetUpClose")
    screen.click("mtmsdSceneLayer")  # without a window manager a click brings the keyboard back
    screen.key("Escape")
    screen.key("ctrl+q")
    screen.wait(lambda: screen.qgis.poll() is not None, 30, "QGIS stays", picture=False)
    assert [pid for pid in started if is_alive(pid)] == []
    screen.open_again()
    screen.layout(dock=340)
    screen.wait_text("mtmsdEnginePanelHeadline", "not finished", 60)
    screen.shot("setup-interrupted")
    screen.click("mtmsdEnginePanelSetUp")
    screen.wait_text("mtmsdSetUpPlan", "MB|GB", 60)
    take_wheels(screen, wheels)
    screen.click("mtmsdSetUpGo")
    screen.wait_text("mtmsdSetUpSentence", "The engine is ready", 240)


@pytest.mark.slow
def test_trouble_is_told_with_a_remedy_and_all_can_be_read_in_the_dark(fresh, wheels: Path) -> None:
    screen = fresh(theme="Night Mapping")
    screen.layout(dock=320)
    next(wheels.glob("scipy*")).unlink()
    screen.wait_text("mtmsdEnginePanelHeadline", "One click sets it up", 60)
    screen.shot("setup-dark-1-first-run")
    assert screen.ask("cut", name="mtmsdEngine") == []
    assert screen.ask("bare", name="mtmsdEngine") == []
    open_dialog(screen)
    screen.shot("setup-dark-2-plan")
    take_wheels(screen, wheels)
    screen.shot("setup-dark-3-advanced")
    screen.click("mtmsdSetUpGo")
    screen.wait_text("mtmsdSetUpSentence", "scipy", 240)
    screen.click_title("mtmsdSetUpLogBox")
    screen.shot("setup-dark-4-trouble")
    assert screen.text("mtmsdSetUpRemedy")
    assert screen.text("mtmsdSetUpGo") == "&Try Again"


@pytest.mark.slow
def test_plan_trouble_and_state_are_told_in_german(fresh, wheels: Path, tmp_path: Path) -> None:
    screen = fresh(language="de")
    screen.layout(dock=320)
    next(wheels.glob("scipy*")).unlink()
    open_dialog(screen, "Ein Klick richtet sie ein")
    take_wheels(screen, wheels)
    plan = screen.text("mtmsdSetUpPlan")
    assert f"Aus dem Ordner {wheels}; kein Netz wird benutzt." in plan
    assert "Das Python von QGIS bleibt, wie es ist." in plan
    screen.shot("setup-german-1-plan")
    screen.click("mtmsdSetUpGo")
    screen.wait_text("mtmsdSetUpSentence", "fehlt für dieses Python und dieses System: scipy", 240)
    assert screen.text("mtmsdSetUpRemedy").startswith("Füllen Sie ihn mit make wheelhouse")
    screen.shot("setup-german-2-trouble")
    screen.click("mtmsdSetUpClose")
    screen.wait_text("mtmsdEnginePanelAnswer", "Im Wheel-Ordner", 20)
    assert screen.ask("cut", name="mtmsdEngine") == []
    screen.shot("setup-german-3-dock")


# the whole engine


def map_the_sample(screen: Screen, sample: Path) -> None:
    """From the opened scene to its map, with a model made in seconds."""
    open_scene(screen, sample)
    take_polygons(screen)
    pretrain_settings(screen, TINY)
    pretrain(screen)
    screen.click("mtmsdMapScene")
    screen.wait(lambda: role(screen, "map"), 400, "no map")
    screen.place("mtmsdLegend")


def set_up_and_map(screen: Screen, sample: Path, name: str, wheels: str = "") -> None:
    began = time.monotonic()
    open_dialog(screen)
    if wheels:
        take_wheels(screen, Path(wheels))
    screen.shot(f"setup-{name}-1-plan")
    screen.ask("watch")
    screen.click("mtmsdSetUpGo")
    screen.wait_text("mtmsdSetUpStep", "PyTorch", 900)
    screen.shot(f"setup-{name}-2-progress")
    screen.wait_text("mtmsdSetUpSentence", "The engine is ready", 1500)
    seconds = time.monotonic() - began
    gap = screen.ask("gap")
    screen.shot(f"setup-{name}-3-done")
    screen.click("mtmsdSetUpClose")
    environment = screen.folder / "data/mtmsd/engine"
    files = [path for path in environment.rglob("*") if path.is_file() and not path.is_symlink()]
    disk = sum(path.stat().st_size for path in files)
    figures = {"seconds": round(seconds), "disk_gb": round(disk / 1e9, 2), "main_thread": gap}
    (SHOTS / f"setup-{name}.json").write_text(json.dumps(figures))
    assert gap["cpu"] < 0.05, gap
    map_the_sample(screen, sample)
    screen.shot(f"setup-{name}-4-map")


@pytest.mark.whole
def test_the_whole_engine_from_the_network_maps_the_sample(start, sample: Path) -> None:
    screen = start("training_polygons.gpkg", environment={"MTMSD_PYTHON": ""})
    set_up_and_map(screen, sample, "network")


@pytest.mark.whole
def test_the_whole_engine_from_wheels_without_a_network_maps_the_sample(
    start, sample: Path
) -> None:
    named = {"MTMSD_PYTHON": ""}
    apart = ("unshare", "--net")
    screen = start("training_polygons.gpkg", environment=named, around=apart)
    routes = Path(f"/proc/{screen.qgis.pid}/net/route").read_text().splitlines()
    assert routes[1:] == [], "there is a way out of the namespace"
    set_up_and_map(screen, sample, "offline", os.environ[WHEELHOUSE])
