"""What the dock counts is what the engine counts, and every polygon is seen."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import BUILD, halves, write_raster
from docked import Docked, docked  # noqa: F401
from osgeo import gdal
from qgis.core import QgsFeature, QgsGeometry, QgsRectangle

LEFT, TOP = 300000.0, 5800000.0

ENGINE = """
import json, sys
from mtmsd.labels.read import read_labels
from mtmsd.scene.raster import Scene
with Scene.open(sys.argv[1]) as scene:
    labels = read_labels(sys.argv[2], scene, class_field="class_id", minimum=0)
print(json.dumps({"counts": labels.counts(), "warnings": labels.warnings}))
"""


@pytest.fixture
def drawing(docked: Docked, tmp_path: Path) -> Docked:  # noqa: F811
    """A scene with an undeclared border of -9999 and a gap of one band; two classes."""
    cube = halves()
    cube[:, :, 36:] = -9999
    cube[:, :3, :3] = cube[:, 10:13, 10:13]
    cube[4, 8:10, 8:10] = np.nan
    path = write_raster(tmp_path / "scene.tif", cube)
    docked.open(path)
    docked.add_class("grass")
    docked.add_class("water")
    return docked


def add(room: Docked, col: float, row: float, size: float, value: int | None) -> None:
    """Add a polygon as QGIS's own tools do: to the layer, past the dock."""
    layer = room.workspace.training.layer
    if not layer.isEditable():
        layer.startEditing()
    x, y = LEFT + 30 * col, TOP - 30 * row
    feature = QgsFeature(layer.fields())
    feature.setGeometry(QgsGeometry.fromRect(QgsRectangle(x, y - 30 * size, x + 30 * size, y)))
    feature.setAttribute("class_id", value)
    layer.beginEditCommand("Add Feature")
    layer.addFeature(feature)
    layer.endEditCommand()


def engine_says(room: Docked, python: str) -> dict:
    training = room.workspace.training
    assert training.save()
    environment = {**os.environ, "PYTHONPATH": str(BUILD / "mtmsd_qgis/core")}
    command = [python, "-c", ENGINE, room.workspace.scene_path, str(training.path)]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(answer.stdout)


def test_pixels_are_counted_as_the_engine_counts_them(drawing: Docked, engine_python: str) -> None:
    for place in [(2, 5, 8, 1), (6, 9, 6, 2), (7, 10, 2, 1), (30, 20, 12, 2), (60, 5, 10, 1),
                  (12.4, 20.4, 0.3, 1), (2, 6, 3, 1)]:  # fmt: skip
        add(drawing, *place)
    truth = engine_says(drawing, engine_python)
    wanted = {int(value): count for value, count in truth["counts"].items()}
    counts = drawing.dock.classes._samples.counts
    drawing.wait(lambda: drawing.dock.classes._samples.counts.polygons == {1: 5, 2: 2}, "not read")
    counts = drawing.dock.classes._samples.counts
    assert counts.pixels == wanted, truth
    assert counts.empty == 1
    assert counts.contested > 0
    state = drawing.text("mtmsdClassesState")
    assert f"{counts.contested} are in two classes: the later polygon counts" in state
    assert "1 polygon outside the scene or without data" in state


def test_a_polygon_of_an_unknown_class_gets_a_row_and_a_colour(drawing: Docked) -> None:
    add(drawing, 5, 20, 4, 7)
    drawing.wait(lambda: "class 7" in drawing.classes(), "no row", 5)
    layer = drawing.workspace.training.layer
    shown = {category.value(): category for category in layer.renderer().categories()}
    assert shown[7].label() == "class 7"
    assert shown[7].symbol().color().isValid()
    drawing.wait(lambda: drawing.classes()["class 7"] == ("1", "16"), "not counted", 5)


def test_a_polygon_without_a_class_is_seen_and_said(drawing: Docked) -> None:
    add(drawing, 5, 20, 4, 1)
    add(drawing, 20, 20, 4, None)
    add(drawing, 26, 20, 4, 2)
    drawing.wait(
        lambda: "1 polygon without a class" in drawing.text("mtmsdClassesState"), "not said", 5
    )
    layer = drawing.workspace.training.layer
    labels = {category.label() for category in layer.renderer().categories()}
    assert "No class" in labels
    gdal.ErrorReset()
