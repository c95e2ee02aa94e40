"""Projects that are not as one would wish: nothing is lost, one sentence says what happened."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import halves, write_raster
from docked import Docked, docked  # noqa: F401
from osgeo import gdal, osr
from qgis.core import QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtTest import QTest

from mtmsd_qgis.gui.dock.map.areas import pixel_area

pytestmark = pytest.mark.slow

LEFT, TOP = 300000.0, 5800000.0


@pytest.fixture
def own(scene: Path, tmp_path: Path) -> Path:
    """A copy of the scene in a folder of its own: the dock writes beside it."""
    folder = tmp_path / "own"
    folder.mkdir()
    return Path(shutil.copy(scene, folder / "scene.tif"))


def georeference(path: Path, transform: tuple[float, ...], epsg: int) -> Path:
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.SetGeoTransform(transform)
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(epsg)
    dataset.SetProjection(reference.ExportToWkt())
    return path


def pixel_box(room: Docked, row: int, col: int, size: int) -> None:
    """Draw over size×size pixels of the scene."""
    x, y = LEFT + 30 * col, TOP - 30 * row
    room.drag(x + 2, y - 2, x + 30 * size - 2, y - 30 * size + 2)


def test_a_rotated_raster_is_sampled_on_its_own_grid(docked: Docked, own: Path) -> None:  # noqa: F811
    cos, sin = 30 * np.cos(0.5), 30 * np.sin(0.5)
    transform = (LEFT, cos, sin, TOP, sin, -cos)
    layer = docked.open(georeference(own, transform, 32633))
    docked.add_class("grass")
    # around the middle of pixels (col 10..13, row 15..18), drawn upright over the rotated grid
    x, y = gdal.ApplyGeoTransform(transform, 12, 17)
    docked.drag(x - 90, y + 90, x + 90, y - 90)
    docked.wait(lambda: docked.classes()["grass"][0] == "1", "not drawn")
    docked.wait(lambda: docked.classes()["grass"][1] != "0", "no pixels")
    assert 25 <= int(docked.classes()["grass"][1]) <= 50  # 180² m over 30² m: 36
    assert pixel_area(layer) == pytest.approx(900)
    assert docked.workspace.facts["pixel_size"] == pytest.approx([30, 30])


def test_degrees_have_areas_and_polygons_too(docked: Docked, own: Path) -> None:  # noqa: F811
    step = 0.0003
    layer = docked.open(georeference(own, (13.0, step, 0, 52.0, 0, -step), 4326))
    docked.add_class("grass")
    docked.drag(13 + 5.1 * step, 52 - 5.1 * step, 13 + 8.9 * step, 52 - 8.9 * step)
    docked.wait(lambda: docked.classes()["grass"] == ("1", "16"), f"{docked.classes()}")
    metres = 111_320 * step
    expected = metres * metres * np.cos(np.radians(52))
    assert pixel_area(layer) == pytest.approx(expected, rel=0.01)


def test_of_two_layers_of_one_name_the_chosen_one_is_taken(docked: Docked, tmp_path: Path) -> None:  # noqa: F811
    first = write_raster(tmp_path / "a.tif", halves())
    second = write_raster(tmp_path / "b.tif", halves() + 1)
    docked.open(first, "scene")
    docked.add_class("only of the first")
    docked.open(second, "scene")
    docked.wait(lambda: docked.workspace.scene_path == str(second), "the first is still chosen")
    assert docked.classes() == {}
    docked.add_class("grass")
    assert docked.workspace.folder() == tmp_path / "b_mtmsd"
    combo = docked.part("mtmsdSceneLayer")
    combo.setLayer(QgsProject.instance().mapLayersByName("scene")[0])
    if docked.workspace.scene_path != str(first):
        combo.setLayer(QgsProject.instance().mapLayersByName("scene")[1])
    assert list(docked.classes()) == ["only of the first"]


def test_a_renamed_layer_is_still_the_scene(docked: Docked, own: Path) -> None:  # noqa: F811
    layer = docked.open(own)
    docked.add_class("grass")
    layer.setName("another name")
    docked.workspace.training.layer.setName("my polygons")
    pixel_box(docked, 5, 5, 4)
    docked.wait(lambda: docked.classes() == {"grass": ("1", "16")}, "not drawn")
    assert docked.part("mtmsdSceneLayer").currentText() == "another name"


def test_a_closed_project_keeps_what_was_drawn_a_moment_before(
    docked: Docked,  # noqa: F811
    own: Path,
) -> None:
    docked.open(own)
    docked.add_class("grass")
    pixel_box(docked, 5, 5, 4)
    assert docked.workspace.training.layer.featureCount() == 1
    QgsProject.instance().clear()  # at once: the file of unsaved polygons was not written yet
    assert docked.workspace.scene is None
    assert docked.text("mtmsdSceneState").startswith("Choose a hyperspectral raster")
    docked.wait(lambda: list(own.parent.rglob("*.unsaved.json")), "nothing was kept", 5)
    docked.open(own)
    docked.wait(lambda: docked.classes() == {"grass": ("1", "16")}, "the polygon is lost")
    docked.wait_said("1 training polygon was recovered")


def test_a_scene_removed_while_drawing_takes_its_polygons_along(docked: Docked, own: Path) -> None:  # noqa: F811
    layer = docked.open(own)
    docked.add_class("grass")
    docked.click("mtmsdDraw_rectangle")
    QgsProject.instance().removeMapLayer(layer.id())
    assert not docked.part("mtmsdDraw_rectangle").isEnabled()
    QTest.mouseClick(docked.canvas.viewport(), Qt.MouseButton.LeftButton)  # the tool is still on
    assert "Choose a scene first" in docked.text("mtmsdPolygonsState")


def test_a_polygon_outside_the_scene_is_refused(docked: Docked, own: Path) -> None:  # noqa: F811
    docked.open(own)
    docked.add_class("grass")
    extent = docked.canvas.extent()
    extent.scale(2)
    docked.canvas.setExtent(extent)
    docked.drag(LEFT - 400, TOP + 300, LEFT - 200, TOP + 200)
    docked.wait_said("outside the scene")
    assert docked.classes() == {"grass": ("0", "0")}


def test_a_class_without_polygons_is_told_and_does_not_stop_the_others(
    docked: Docked,  # noqa: F811
    own: Path,
) -> None:
    docked.open(own)
    for name, col in (("grass", 4), ("water", 26)):
        docked.add_class(name)
        pixel_box(docked, 10, col, 4)
    docked.wait(lambda: docked.classes()["water"] == ("1", "16"), "not drawn")
    layer = docked.workspace.training.layer
    layer.selectByExpression("\"class_name\" = 'water'")
    docked.click("mtmsdEdit_remove")
    docked.wait(lambda: docked.classes()["water"] == ("0", "0"), "not deleted")
    assert docked.text("mtmsdClassesState") == "Too few pixels: water"
    docked.click("mtmsdUndo")
    docked.wait(lambda: docked.classes()["water"] == ("1", "16"), "not brought back")


def test_a_file_that_is_no_raster_any_more_is_named(docked: Docked, own: Path) -> None:  # noqa: F811
    layer = QgsRasterLayer(str(own), "scene")
    QgsProject.instance().addMapLayer(layer)
    own.write_bytes(b"broken")
    docked.part("mtmsdSceneLayer").setLayer(layer)
    docked.wait(lambda: docked.workspace.facts_error, "no sentence")
    assert "scene.tif" in docked.text("mtmsdSceneState")
    assert "\n" not in docked.text("mtmsdSceneState")
