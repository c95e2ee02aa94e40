"""Polygons drawn with the mouse: taken, undone, mended, refused, and never lost."""

from __future__ import annotations

import time
from pathlib import Path

from conftest import open_scene
from screen import Screen

WATER = (367400.0, 5806050.0)  # a lake of the sample


def counts(screen: Screen) -> dict[str, tuple[str, str]]:
    return {line[1]: (line[2], line[3]) for line in screen.ask("table", name="mtmsdClassTable")}


def add_class(screen: Screen, name: str) -> None:
    before = len(counts(screen))
    screen.click("mtmsdClassAdd")
    screen.wait(lambda: len(counts(screen)) > before, 10, "no new class")
    time.sleep(0.4)
    screen.type(name)
    screen.key("Return")
    screen.wait(lambda: name in counts(screen), 10, f"no class {name}")


def rectangle(screen: Screen, x0: float, y0: float, x1: float, y1: float) -> None:
    if "corner to corner" not in screen.text("mtmsdDrawHint"):  # pressed again it is let go
        screen.click("mtmsdDraw_rectangle")
    start, end = screen.map_point(x0, y0), screen.map_point(x1, y1)
    middle = ((start[0] + end[0]) // 2, (start[1] + end[1]) // 2)
    screen.drag([start, middle, end])


def wait_polygons(screen: Screen, name: str, polygons: int) -> str:
    wanted = str(polygons)
    screen.wait(lambda: counts(screen)[name][0] == wanted, 15, f"{name} has not {polygons}")
    return counts(screen)[name][1]


def test_what_is_drawn_is_what_is_stored(start, sample: Path) -> None:
    screen = start()
    open_scene(screen, sample)
    add_class(screen, "forest")
    add_class(screen, "lake")
    screen.ask("watch")
    # on the pixel grid: 10 x 8 pixels of 30 m, all with data
    rectangle(screen, 367095, 5805465, 367395, 5805225)
    pixels = int(wait_polygons(screen, "lake", 1))
    assert abs(pixels - 80) <= 20  # the mouse hits a screen pixel, not a coordinate

    screen.click("mtmsdDraw_polygon")
    corners = [(367600, 5805600), (368200, 5805600), (368200, 5805200), (367600, 5805200)]
    for x, y in corners:
        screen.click_at(*screen.map_point(x, y))
    screen.click_at(*screen.map_point(*corners[-1]), button=3)
    wait_polygons(screen, "lake", 2)

    screen.click("mtmsdDraw_freehand")
    ring = [(367700, 5806600), (368100, 5806600), (368100, 5806300), (367700, 5806300)]
    screen.drag([screen.map_point(x, y) for x, y in ring])
    wait_polygons(screen, "lake", 3)

    screen.click("mtmsdDraw_grow")
    screen.click_at(*screen.map_point(*WATER))
    screen.wait_text("mtmsdDrawHint", r"\d\d+ pixels; right click", 15)
    screen.shot("drawing-grow")
    screen.click_at(*screen.map_point(*WATER), button=3)
    wait_polygons(screen, "lake", 4)
    gap = screen.ask("gap")
    assert gap["cpu"] < 0.05, gap

    screen.click("mtmsdUndo")
    wait_polygons(screen, "lake", 3)
    screen.click("mtmsdRedo")
    wait_polygons(screen, "lake", 4)

    # a bow tie crosses itself: mended into its two triangles
    screen.click("mtmsdDraw_polygon")
    for x, y in [(365500, 5809300), (366100, 5808800), (366100, 5809300), (365500, 5808800)]:
        screen.click_at(*screen.map_point(x, y))
    screen.click_at(*screen.map_point(365500, 5808800), button=3)
    wait_polygons(screen, "lake", 6)
    assert any("crossed itself" in text for text in screen.ask("messages"))

    rectangle(screen, 363700, 5804500, 363900, 5804300)
    screen.wait(
        lambda: any("outside the scene" in text for text in screen.ask("messages")), 10, "taken"
    )
    assert counts(screen)["lake"][0] == "6"


def test_a_double_click_ends_the_polygon_and_begins_none(start, sample: Path) -> None:
    screen = start()
    open_scene(screen, sample)
    add_class(screen, "lake")
    screen.click("mtmsdDraw_polygon")
    pixels = [0]
    # each of 10 x 8 pixels; a vertex left by the first one would stretch the second one over to it
    for left, top in [(367095, 5805465), (365505, 5809305)]:
        right, bottom = left + 300, top - 240
        for x, y in [(left, top), (right, top), (right, bottom)]:
            screen.click_at(*screen.map_point(x, y))
            time.sleep(0.5)  # else two of them are a double click
        screen.double_click_at(*screen.map_point(left, bottom))
        pixels.append(int(wait_polygons(screen, "lake", len(pixels))))
    assert abs(pixels[1] - 80) <= 20, pixels
    assert abs(pixels[2] - pixels[1] - 80) <= 20, pixels


def test_nothing_is_lost_when_qgis_is_killed_while_drawing(start, sample: Path) -> None:
    screen = start()
    open_scene(screen, sample)
    add_class(screen, "lake")
    rectangle(screen, 367100, 5805500, 367400, 5805200)
    wait_polygons(screen, "lake", 1)
    add_class(screen, "empty")
    assert "not saved" in screen.text("mtmsdPolygonsState")
    time.sleep(1.0)
    screen.restart(sample / "enmap_potsdam.tif")  # SIGKILL; no project was ever saved
    screen.choose("mtmsdSceneLayer", "enmap_potsdam")
    screen.wait_text("mtmsdSceneState", "160 × 192 px", 40)
    screen.wait(lambda: set(counts(screen)) == {"lake", "empty"}, 20, "classes are lost")
    assert wait_polygons(screen, "lake", 1) != "0"
    assert any("recovered" in text for text in screen.ask("messages"))
