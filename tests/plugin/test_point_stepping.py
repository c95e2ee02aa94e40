"""Points to label are stepped through by keys, each marked, the scene shining through the map."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import CORNER, PIXEL
from docked import Docked, docked  # noqa: F401
from osgeo import gdal, ogr, osr
from qgis.core import QgsCoordinateReferenceSystem, QgsPointXY, QgsProject
from qgis.gui import QgsVertexMarker
from qgis.PyQt.QtWidgets import QApplication
from test_labelling_keys import press
from test_map_compared import mapped, seen, take  # noqa: F401

PLACES = [(10, 8), (30, 8), (20, 20)]
"""Column and row of each point's pixel."""


def place(col: int, row: int) -> tuple[float, float]:
    return CORNER[0] + (col + 0.5) * PIXEL, CORNER[1] - (row + 0.5) * PIXEL


def write_points(path: Path) -> Path:
    """Write points as the engine does."""
    dataset = gdal.GetDriverByName("GPKG").Create(str(path), 0, 0, 0, gdal.GDT_Unknown)
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(32633)
    layer = dataset.CreateLayer(path.stem, crs, ogr.wkbPoint)
    for name in ("rank", "value_1", "value_2"):
        layer.CreateField(ogr.FieldDefn(name, ogr.OFTInteger))
    for name in ("class_1", "class_2"):
        layer.CreateField(ogr.FieldDefn(name, ogr.OFTString))
    for rank, (col, row) in enumerate(PLACES, 1):
        feature = ogr.Feature(layer.GetLayerDefn())
        for name, value in (("rank", rank), ("value_1", 1), ("value_2", 2)):
            feature.SetField(name, value)
        feature.SetField("class_1", "grass")
        feature.SetField("class_2", "soil")
        x, y = place(col, row)
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({x} {y})"))
        layer.CreateFeature(feature)
    return path


@pytest.fixture
def stepping(mapped: Docked, tmp_path: Path) -> Docked:  # noqa: F811
    """A map with three points to label, the first of them shown."""
    for name in ("grass", "soil"):
        mapped.add_class(name)
    QApplication.setActiveWindow(mapped.dock.window())
    mapped.canvas.setFocus()
    mapped.map.setOpacity(0.9)
    points = write_points(mapped.workspace.new_file("points", ".gpkg"))
    mapped.workspace.change(points_at=0, points=points)
    mapped.wait(lambda: mapped.text("mtmsdPointText").startswith("Point 1 of 3"), "no points")
    return mapped


def rings(room: Docked) -> list[QgsVertexMarker]:
    return [i for i in room.canvas.scene().items() if isinstance(i, QgsVertexMarker)]


def marked(room: Docked) -> tuple[float, float] | None:
    """The place in the map that is marked, in the window's CRS."""
    found = {(ring.center().x(), ring.center().y()) for ring in rings(room)}
    assert len(found) < 2
    return found.pop() if found else None


def test_next_by_key_moves_the_mark_and_labelling_by_key_adds_that_pixel(stepping):
    assert marked(stepping) == place(*PLACES[0])
    press(stepping, "N")
    assert stepping.text("mtmsdPointText").startswith("Point 2 of 3")
    assert marked(stepping) == place(*PLACES[1])
    press(stepping, "2")
    press(stepping, "L")
    (feature,) = stepping.workspace.training.layer.getFeatures()
    assert feature["class_name"] == "soil"
    assert feature.geometry().area() == pytest.approx(PIXEL**2)
    assert feature.geometry().contains(QgsPointXY(*place(*PLACES[1])))
    assert marked(stepping) == place(*PLACES[2]), "labelled, but not gone on"
    press(stepping, "U")
    assert stepping.workspace.training.layer.featureCount() == 0
    press(stepping, "N")
    assert "last point" in stepping.text("mtmsdPointText")
    assert marked(stepping) is None
    press(stepping, "L")  # there is no point any more
    assert stepping.workspace.training.layer.featureCount() == 0


def test_the_mark_is_drawn_around_the_pixel_in_the_middle_of_the_window(stepping):
    stepping.canvas.waitWhileRendering()
    viewport = stepping.canvas.viewport()
    x, y = (side / 2 for side in (viewport.width(), viewport.height()))
    on_ring = [(x + 15, y), (x - 15, y), (x, y + 15), (x, y - 15)]
    colors = [seen(stepping, a / viewport.width(), b / viewport.height()) for a, b in on_ring]
    assert sum(red > 200 and green > 180 and blue < 120 for red, green, blue in colors) >= 2, colors


def test_the_mark_follows_the_windows_crs(stepping):
    stepping.canvas.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
    x, y = marked(stepping)
    assert (x, y) == pytest.approx((12.07, 52.31), abs=0.05)


def test_the_map_is_see_through_while_stepping_and_comes_back_after_the_last(stepping):
    assert stepping.map.opacity() == pytest.approx(0.4)
    assert stepping.part("mtmsdOpacity").value() == 40
    for _ in PLACES:
        press(stepping, "N")
    assert stepping.map.opacity() == pytest.approx(0.9)
    assert stepping.part("mtmsdOpacity").value() == 90


@pytest.mark.parametrize("way", ["close", "scene", "new map", "box", "unload"])
def test_the_opacity_comes_back_however_stepping_ends(stepping, tmp_path, way):
    layer = stepping.map
    if way == "close":
        stepping.dock.close()
    elif way == "scene":
        stepping.open(Path(shutil.copy(stepping.workspace.scene_path, tmp_path / "other.tif")))
    elif way == "new map":
        take(stepping)
    elif way == "box":
        stepping.click("mtmsdPointSeeThrough")
        press(stepping, "N")
    else:
        stepping.unload()
    assert layer.opacity() == pytest.approx(0.9)
    if way in ("close", "scene", "unload"):
        assert marked(stepping) is None
    if way == "close":
        stepping.dock.show()
        assert marked(stepping) == place(*PLACES[0])


def test_an_opacity_that_the_user_sets_meanwhile_stays(stepping):
    stepping.part("mtmsdOpacity").setValue(70)
    press(stepping, "N")
    assert stepping.map.opacity() == pytest.approx(0.7)
    for _ in PLACES:
        press(stepping, "N")
    assert stepping.map.opacity() == pytest.approx(0.7)


def test_a_project_saved_meanwhile_has_the_opacity_of_before(stepping, tmp_path):
    file = str(tmp_path / "project.qgs")
    assert QgsProject.instance().write(file)
    assert stepping.map.opacity() == pytest.approx(0.4), "saving ends the stepping"
    assert not QgsProject.instance().isDirty()
    other = QgsProject()
    assert other.read(file)
    (layer,) = (x for x in other.mapLayers().values() if x.source() == stepping.map.source())
    assert layer.opacity() == pytest.approx(0.9)


def test_a_map_that_leaves_while_it_is_see_through_harms_nothing(stepping):
    QgsProject.instance().removeMapLayer(stepping.map.id())
    press(stepping, "N")
    assert stepping.text("mtmsdPointText").startswith("Point 2 of 3")
