"""A newcomer's way by mouse: from an empty profile through the sample to a map."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from conftest import role
from screen import Screen

PICTURES = os.environ.get("MTMSD_TUTORIAL_PICTURES", "")
"""Folder of the tutorial's pictures; with it they are written anew."""


class Counted:
    """Counts what the newcomer presses."""

    def __init__(self, screen: Screen) -> None:
        self.screen, self.clicks = screen, 0

    def __getattr__(self, name: str):
        method = getattr(self.screen, name)

        def pressed(*args, **named):
            self.clicks += 2 if name == "choose" else 1
            return method(*args, **named)

        return pressed


def picture(screen: Screen, name: str) -> None:
    """Take a picture, and a small one of it for the tutorial where that is wanted."""
    shot = screen.shot(f"tutorial-{name}")
    if PICTURES:
        small = ["-resize", "1000x", "+dither", "-colors", "128", "-strip"]
        target = f"{PICTURES}/{name}.png"
        subprocess.run(["convert", str(shot), *small, target], check=True)


@pytest.mark.slow
def test_twelve_clicks_lead_from_an_empty_profile_to_a_map(start, sample: Path) -> None:
    screen = start()
    begun, hand = time.monotonic(), Counted(screen)
    screen.layout(dock=320)
    picture(screen, "0-begin")
    hand.click("mtmsdFirstStepsSample")
    screen.wait_text("mtmsdClassesState", r"^6 \w+, [1-9]", 60)
    screen.wait_text("mtmsdSceneState", "160 × 192 px, 218 ", 120)
    screen.click("mtmsdShow_infrared")  # for the picture, and so not counted
    screen.place("mtmsdSceneLayer")
    if PICTURES:  # elsewhere QGIS itself may say something that stays
        screen.wait(lambda: not screen.ask("messages"), 30, "the message stays")
    picture(screen, "1-scene")
    screen.place("mtmsdDrawHint")
    picture(screen, "3-classes")
    hand.click("mtmsdMapScene")
    screen.wait(lambda: role(screen, "map"), 240, "no map")
    screen.wait_text("mtmsdFirstStepsNext", r"Next, \d|Nothing", 20)
    assert hand.clicks <= 12, hand.clicks
    assert time.monotonic() - begun < 300
    screen.place("mtmsdFirstSteps")
    screen.shot("newcomer-map")
    screen.place("mtmsdLayout")
    time.sleep(1.5)
    picture(screen, "6-map")
    screen.click("mtmsdModels")
    screen.wait(lambda: screen.ask("item", name="mtmsdModelTable", text="classifier"), 20, "none")
    time.sleep(1)
    screen.shot("newcomer-models")
    screen.key("Escape")
    screen.click("mtmsdSpectraFold")
    screen.place("mtmsdSpectraPlot")
    time.sleep(1)
    picture(screen, "5-spectra")
    screen.place("mtmsdReport")
    picture(screen, "7-accuracy")
