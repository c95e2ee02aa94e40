"""From opening the sample to a styled map, with the mouse, in a real QGIS."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import TINY, open_scene, pretrain, pretrain_settings, role, take_polygons
from osgeo import gdal

CLASSES = ["roof", "pavement", "low vegetation", "tree", "soil", "water"]
PIXELS = ["36", "76", "150", "150", "31", "81"]


class Browser:
    """Stands where the system's program that opens files stands, and notes what it was given."""

    def __init__(self, folder: Path) -> None:
        program = folder / "bin" / "xdg-open"
        program.parent.mkdir()
        self._note = folder / "opened"
        program.write_text(f'#!/bin/sh\necho "$1" > "{self._note}"\n')
        program.chmod(0o755)
        self.path = os.pathsep.join([str(program.parent), "/usr/bin", "/bin"])

    def opened(self) -> str:
        return self._note.read_text().strip() if self._note.exists() else ""


@pytest.mark.slow
def test_a_raster_and_polygons_become_a_styled_map(start, sample: Path, tmp_path: Path) -> None:
    browser = Browser(tmp_path)
    files = ("training_polygons.gpkg", "validation_polygons.gpkg")
    screen = start(*files, environment={"PATH": browser.path})
    assert "Choose a scene" in screen.text("mtmsdMapState")
    assert not screen.ask("widget", name="mtmsdMapScene")["enabled"]
    open_scene(screen, sample)
    screen.click("mtmsdShow_true")
    renderer = lambda: {x["name"]: x["renderer"] for x in screen.ask("layers")}  # noqa: E731
    screen.wait(lambda: renderer()["enmap_potsdam"] == "multibandcolor", 20, "no true colour")
    screen.shot("1-scene")

    screen.ask("watch")
    take_polygons(screen)
    gap = screen.ask("gap")
    assert gap["cpu"] < 0.05, gap
    table = screen.ask("table", name="mtmsdClassTable")
    assert [line[1] for line in table] == CLASSES
    assert [line[3].replace(",", "") for line in table] == PIXELS
    assert screen.text("mtmsdMapState") == "Ready for a first map, without pretraining."
    screen.shot("2-classes")

    pretrain_settings(screen, TINY)
    screen.ask("watch")
    pretrain(screen)
    gap = screen.ask("gap")
    assert gap["cpu"] < 0.05, gap
    screen.shot("3-pretrained")

    screen.click("mtmsdPreview")
    preview = screen.wait(lambda: role(screen, "preview"), 400, "no preview")
    assert [entry[1] for entry in preview["classes"]] == CLASSES
    screen.click("mtmsdMapScene")
    made = screen.wait(lambda: role(screen, "map"), 300, "no map")
    assert role(screen, "preview") is None, "the whole map replaces the preview"
    assert [entry[:2] for entry in made["classes"]] == [[i + 1, n] for i, n in enumerate(CLASSES)]
    screen.wait(lambda: screen.ask("table", name="mtmsdLegend"), 10, "no legend")
    mapped, scene = gdal.Open(made["source"]), gdal.Open(str(sample / "enmap_potsdam.tif"))
    assert mapped.GetGeoTransform() == scene.GetGeoTransform()
    assert (mapped.RasterXSize, mapped.RasterYSize) == (160, 192)
    legend = {
        line[1]: int(line[2].replace(",", "")) for line in screen.ask("table", name="mtmsdLegend")
    }
    values = mapped.GetRasterBand(1).ReadAsArray()
    assert legend == {name: int((values == i + 1).sum()) for i, name in enumerate(CLASSES)}
    screen.click("mtmsdConfidence")
    assert screen.wait(lambda: role(screen, "confidence"), 10, "no confidence layer")["visible"]
    screen.click("mtmsdConfidence")
    screen.wait(lambda: not role(screen, "confidence")["visible"], 10, "it stays")
    screen.place("mtmsdLegend")
    screen.shot("4-map")

    assert screen.wait_text("mtmsdAccuracyState", r"\d\.\d\s% on [\d,]+ reference pixels", 30)
    screen.choose("mtmsdReference", "validation_polygons")
    screen.click("mtmsdAssess")
    screen.wait_text("mtmsdAccuracyState", "on 2,?966 reference pixels", 300)
    assert "support vector machine" in screen.text("mtmsdBaselines")
    screen.place("mtmsdReport")
    assert list((sample / "enmap_potsdam_mtmsd").glob("report*.html"))
    screen.shot("5-accuracy")
    screen.click("mtmsdReport")
    report = next((sample / "enmap_potsdam_mtmsd").glob("report*.html"))
    screen.wait(
        lambda: browser.opened() in (report.as_uri(), str(report)), 15, "the report is not opened"
    )
