"""The dock fits and reads well: narrow, dark, scaled; everything has a tooltip."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import open_scene, take_polygons


@pytest.mark.parametrize(
    ("theme", "scale", "width", "language"),
    [("Night Mapping", 1.0, 320, "en"), ("default", 1.5, 320, "en"), ("default", 1.0, 320, "de")],
)
def test_nothing_is_cut_off(
    start, sample: Path, theme: str, scale: float, width: int, language: str
) -> None:
    size = (round(1200 * scale), round(1000 * scale))
    screen = start("training_polygons.gpkg", theme=theme, scale=scale, size=size, language=language)
    screen.layout(dock=width)
    open_scene(screen, sample)
    screen.click("mtmsdShow_true")
    take_polygons(screen)
    for section in ("Spectra", "Accuracy", "Jobs"):
        screen.click(f"mtmsd{section}Fold")
    name = f"{'dark' if 'Night' in theme else 'light'}-{scale:g}-{language}"
    for part in ("FirstSteps", "SpectraPlot"):
        screen.place(f"mtmsd{part}")
        screen.shot(f"looks-{name}-{part}")
    screen.place("mtmsdSceneLayer")
    screen.shot(f"looks-{name}-top")
    assert screen.ask("widget", name="mtmsdScroll")["w"] <= width + 5
    assert screen.ask("cut", name="mtmsdSections") == []
    assert screen.ask("bare", name="mtmsdSections") == []
    screen.place("mtmsdReport")
    screen.shot(f"looks-{name}-bottom")
