"""The map window: swiped, stepped through, its classes hidden; spectra read off, in 320 px."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conftest import open_scene, role, take_polygons
from qgis.PyQt.QtGui import QImage


def other_share(screen: Any, box: tuple[int, int, int, int], colors: set[str]) -> float:
    """Which share of a part of the screen has none of the classes' colours."""
    picture = QImage(str(screen.shot("canvas-look")))
    left, top, right, bottom = box
    pixels = [
        picture.pixelColor(x, y).name() for x in range(left, right) for y in range(top, bottom)
    ]
    return sum(pixel not in colors for pixel in pixels) / len(pixels)


def test_the_map_is_swiped_stepped_through_and_its_spectra_are_read(start, sample: Path) -> None:
    screen = start("training_polygons.gpkg", size=(1200, 1000))
    screen.layout(dock=320)
    open_scene(screen, sample)
    take_polygons(screen)
    screen.click_title("mtmsdMapOptions")
    screen.choose("mtmsdClassifier", "Random forest")
    screen.click("mtmsdMapScene")
    screen.wait_text("mtmsdMapState", r"Map: map\.tif", 200)
    made = role(screen, "map")
    colors = {color for _, _, color in made["classes"]}

    screen.click("mtmsdSwipe")
    line = screen.wait(lambda: screen.ask("widget", name="mtmsdSwipeLine"), 5, "no line")
    x, y = round(line["x"] + line["w"] / 2), round(line["y"] + line["h"] / 2)
    left, right = (x - 120, y + 40, x - 30, y + 160), (x + 30, y + 40, x + 120, y + 160)
    screen.wait(
        lambda: other_share(screen, right, colors) > 0.9, 10, "the map is right of the line"
    )
    assert other_share(screen, left, colors) < 0.6, "the map is not on the left"
    screen.drag([(x, y), (x + 60, y), (x + 180, y)])
    screen.wait(lambda: other_share(screen, right, colors) < 0.6, 10, "the line was not dragged")
    screen.shot("canvas-swipe")
    screen.click("mtmsdSwipe")
    assert screen.ask("widget", name="mtmsdSwipeLine") is None

    first = screen.ask("table", name="mtmsdLegend")[0][1]
    cell = screen.ask("item", name="mtmsdLegend", text=first)
    screen.place("mtmsdLegend")
    cell = screen.ask("item", name="mtmsdLegend", text=first)
    screen.click_at(round(cell["x"] + 20), round(cell["y"] + cell["h"] / 2), button=3)
    screen.choose_action("mtmsdLegendMenu", "Hide the Class")
    screen.shot("canvas-hidden-class")

    screen.click("mtmsdNextLabels")
    screen.wait_text("mtmsdPointText", "Point 1 of 20", 90)
    screen.wait(lambda: abs(role(screen, "map")["opacity"] - 0.4) < 0.01, 5, "not see-through")
    screen.key("n")
    screen.wait_text("mtmsdPointText", "Point 2 of 20", 10)
    screen.wait(lambda: screen.ask("widget", name="mtmsdPointSeeThrough")["visible"], 5, "no box")
    screen.place("mtmsdPointSeeThrough")
    screen.shot("canvas-point")
    assert screen.ask("cut", name="mtmsdSections") == []

    screen.click("mtmsdSpectraFold")
    screen.choose("mtmsdSpectraScale", "Continuum removed")
    plot = screen.place("mtmsdSpectraPlot")
    middle = round(plot["x"] + plot["w"] / 2), round(plot["y"] + plot["h"] / 2)
    screen.drag([(middle[0] - 80, middle[1] - 40), middle, (middle[0] + 60, middle[1] + 40)])
    screen.drag([middle, middle])
    screen.shot("canvas-spectra")
    screen.choose("mtmsdSpectraScale", "Reflectance")
    screen.double_click_at(*middle)
    screen.shot("canvas-spectra-whole")
    assert screen.ask("cut", name="mtmsdSections") == []
