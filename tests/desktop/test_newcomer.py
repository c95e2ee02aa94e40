"""A newcomer's way by mouse: from an empty profile through the sample to a map."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from conftest import role
from screen import Screen


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


@pytest.mark.slow
def test_twelve_clicks_lead_from_an_empty_profile_to_a_map(start, sample: Path) -> None:
    screen = start()
    begun, hand = time.monotonic(), Counted(screen)
    screen.layout(dock=320)
    screen.shot("newcomer-begin")
    hand.click("mtmsdFirstStepsSample")
    screen.wait_text("mtmsdClassesState", r"^6 \w+, [1-9]", 60)
    screen.wait_text("mtmsdSceneState", "160 × 192 px, 218 ", 120)
    screen.shot("newcomer-sample")
    hand.click_title("mtmsdMapOptions")
    hand.choose("mtmsdClassifier", "Support vector machine")
    hand.click("mtmsdMapScene")
    screen.wait(lambda: role(screen, "map"), 240, "no map")
    screen.wait_text("mtmsdFirstStepsNext", r"Next, \d|Nothing", 20)
    hand.place("mtmsdFirstSteps")
    screen.shot("newcomer-map")
    assert hand.clicks <= 12, hand.clicks
    assert time.monotonic() - begun < 300
