"""The map beside its scene, by a line that is dragged; its classes hidden and see-through."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import write_raster
from docked import Docked, docked, move_mouse  # noqa: F401
from osgeo import gdal
from qgis.core import (
    QgsPalettedRasterRenderer,
    QgsProject,
    QgsRasterLayer,
    QgsSingleBandGrayRenderer,
)
from qgis.PyQt.QtCore import QCoreApplication, QEvent, QPoint, Qt
from qgis.PyQt.QtGui import QColor
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QMenu, QTableWidget, QWidget
from test_scene_projects import ended_job

from mtmsd_qgis.common.numbers import percent
from mtmsd_qgis.state.layer_roles import MAP, role
from mtmsd_qgis.state.layers import of_role

LEFT_BUTTON = Qt.MouseButton.LeftButton
GREEN, RED = "#00ff00", "#ff0000"


def write_map(path: Path, grass: str = GREEN, split: int = 16) -> Path:
    """Write a map of grass above and soil below."""
    values = np.ones((1, 32, 40), "uint8")
    values[:, split:] = 2
    classes = [(1, "grass", grass), (2, "soil", RED)]
    note = {"classes": [dict(zip(("value", "name", "color"), c)) for c in classes]}
    dataset = gdal.Open(str(write_raster(path, values)), gdal.GA_Update)
    dataset.SetMetadataItem("MTMSD", json.dumps(note))
    return path


def take(room: Docked, extent: object = None, **how: object) -> QgsRasterLayer:
    """Let the dock take a map, as that of a job which ended while QGIS was closed."""
    made = write_map(room.workspace.new_file("preview" if extent else "map", ".tif"), **how)
    note = ended_job(made, extent, 640)
    done = {"type": "done", "results": {"map": str(made), "pixels": {"grass": 640, "soil": 640}}}
    (note.folder / "messages.jsonl").write_text(json.dumps(done) + "\n")
    room.workspace.change(map_job=note)
    room.dock.map._job.take_up()

    def taken() -> QgsRasterLayer | None:
        shown = QgsProject.instance().mapLayers().values()
        return next((layer for layer in shown if Path(layer.source()) == made), None)

    return room.wait(taken, "no map")


@pytest.fixture
def mapped(docked: Docked, scene: Path, tmp_path: Path) -> Docked:  # noqa: F811
    """A scene with its map on it, in the map window."""
    raster = docked.open(Path(shutil.copy(scene, tmp_path / "scene.tif")))
    provider = raster.dataProvider()
    raster.setRenderer(QgsSingleBandGrayRenderer(provider, 1))  # all white
    docked.map = take(docked)
    docked.canvas.setLayers([docked.map, raster])
    docked.canvas.refresh()
    docked.canvas.waitWhileRendering()
    docked.raster = raster
    return docked


def line(room: Docked) -> QWidget | None:
    found = [w for w in room.canvas.children() if w.objectName() == "mtmsdSwipeLine"]
    return found[0] if found else None


def seen(room: Docked, across: float, down: float = 0.25) -> tuple[int, int, int]:
    """The colour of the map window at a place, as shares of its width and height."""
    viewport = room.canvas.viewport()
    picture = viewport.grab().toImage()
    color = picture.pixelColor(
        round(across * (viewport.width() - 1)), round(down * (viewport.height() - 1))
    )
    return color.red(), color.green(), color.blue()


def is_green(color: tuple[int, int, int]) -> bool:
    return color[1] > 200 and color[0] < 60


def drag_line(room: Docked, share: float) -> None:
    """Drag the line with the mouse to a share of the map window's width."""
    handle, viewport = line(room), room.canvas.viewport()
    start = handle.rect().center()
    end = handle.mapFromGlobal(viewport.mapToGlobal(QPoint(round(share * viewport.width()), 50)))
    QTest.mousePress(handle, LEFT_BUTTON, pos=start)
    move_mouse(handle, end, held=True)
    QTest.mouseRelease(handle, LEFT_BUTTON, pos=handle.rect().center())


def swipe(room: Docked) -> None:
    room.click("mtmsdSwipe")
    room.wait(lambda: not is_green(seen(room, 0.6)), "the scene is not seen right of the line", 10)


def nothing_left(room: Docked) -> bool:
    QCoreApplication.sendPostedEvents(None, int(QEvent.Type.DeferredDelete))
    kinds = [type(item).__name__ for item in room.canvas.scene().items()]
    return line(room) is None and "_Below" not in kinds


def test_the_map_is_left_of_the_line_and_the_scene_right_wherever_it_is_dragged(mapped):
    assert is_green(seen(mapped, 0.4)), "the map is not shown"
    assert is_green(seen(mapped, 0.6)), "the map is not shown"
    swipe(mapped)
    assert is_green(seen(mapped, 0.4))
    drag_line(mapped, 0.2)
    assert not is_green(seen(mapped, 0.4)), "the map is still seen right of the line"
    drag_line(mapped, 0.8)
    assert is_green(seen(mapped, 0.7)), "the scene is still seen left of the line"
    drag_line(mapped, 1.7)  # beyond the window it stays at its edge
    assert is_green(seen(mapped, 0.97))
    middle = line(mapped).mapTo(mapped.canvas, line(mapped).rect().center()).x()
    assert abs(middle - mapped.canvas.viewport().geometry().right()) <= 2
    mapped.click("mtmsdSwipe")
    assert is_green(seen(mapped, 0.97))
    assert nothing_left(mapped)


def test_the_line_stays_over_the_map_as_the_window_is_zoomed_and_resized(mapped):
    swipe(mapped)
    mapped.canvas.zoomByFactor(0.5)
    mapped.wait(lambda: is_green(seen(mapped, 0.4)) and not is_green(seen(mapped, 0.6)), "lost", 10)
    mapped.dock.window().resize(900, 700)
    mapped.canvas.resize(500, 400)
    QTest.qWait(50)
    middle = line(mapped).mapTo(mapped.canvas, line(mapped).rect().center()).x()
    assert abs(middle - mapped.canvas.width() / 2) <= 6
    assert line(mapped).height() == mapped.canvas.viewport().height()


def test_other_tools_work_while_the_map_is_swiped(mapped):
    swipe(mapped)
    mapped.add_class("grass")
    mapped.drag(300000 + 62, 5800000 - 62, 300000 + 208, 5800000 - 208)
    mapped.wait(lambda: mapped.classes() == {"grass": ("1", "24")}, "nothing is drawn", 10)
    assert line(mapped) is not None


def test_flicker_and_swipe_are_never_on_together(mapped):
    node = QgsProject.instance().layerTreeRoot().findLayer(mapped.map.id())
    mapped.click("mtmsdFlicker")
    mapped.wait(lambda: not node.itemVisibilityChecked(), "no flicker", 5)
    mapped.click("mtmsdSwipe")
    assert not mapped.part("mtmsdFlicker").isChecked()
    assert node.itemVisibilityChecked(), "the map stays hidden"
    mapped.click("mtmsdFlicker")
    assert nothing_left(mapped)


@pytest.mark.parametrize("way", ["close", "remove", "scene", "new map", "clear", "unload"])
def test_the_swipe_ends_with_what_it_is_about(mapped, tmp_path, way):
    swipe(mapped)
    if way == "close":
        mapped.dock.close()
    elif way == "remove":
        QgsProject.instance().removeMapLayer(mapped.map.id())
    elif way == "scene":
        mapped.open(Path(shutil.copy(mapped.workspace.scene_path, tmp_path / "other.tif")))
    elif way == "new map":
        take(mapped)
    elif way == "clear":
        QgsProject.instance().clear()
    else:
        mapped.unload()
    assert nothing_left(mapped)
    assert way == "unload" or not mapped.part("mtmsdSwipe").isChecked()
    mapped.canvas.refresh()
    mapped.canvas.waitWhileRendering()


def test_a_map_that_flickers_is_seen_again_after_another_scene_was_chosen(mapped, tmp_path):
    node = QgsProject.instance().layerTreeRoot().findLayer(mapped.map.id())
    mapped.click("mtmsdFlicker")
    mapped.wait(lambda: not node.itemVisibilityChecked(), "no flicker", 5)
    mapped.open(Path(shutil.copy(mapped.workspace.scene_path, tmp_path / "other.tif")))
    assert node.itemVisibilityChecked()


# classes


def alphas(layer: QgsRasterLayer) -> dict[int, int]:
    return {int(c.value): c.color.alpha() for c in layer.renderer().classes()}


def box(room: Docked, index: int) -> Qt.CheckState:
    return room.part("mtmsdLegend", QTableWidget).item(index, 0).checkState()


def click_box(room: Docked, index: int) -> None:
    """Press the check box of a row of the legend."""
    table = room.part("mtmsdLegend", QTableWidget)
    place = table.visualItemRect(table.item(index, 0))
    QTest.mouseClick(
        table.viewport(), LEFT_BUTTON, pos=QPoint(place.left() + 10, place.center().y())
    )


def choose(room: Docked, index: int, text: str) -> None:
    """Right-click a row of the legend and press an entry of its menu."""
    table = room.part("mtmsdLegend", QTableWidget)
    table.customContextMenuRequested.emit(table.visualItemRect(table.item(index, 1)).center())
    menu = room.part("mtmsdLegend").findChild(QMenu, "mtmsdLegendMenu")
    action = next(a for a in menu.actions() if a.text() == text)
    QTest.mouseClick(menu, LEFT_BUTTON, pos=menu.actionGeometry(action).center())
    QCoreApplication.sendPostedEvents(None, int(QEvent.Type.DeferredDelete))


def test_a_class_is_hidden_and_shown_by_its_box(mapped):
    click_box(mapped, 0)
    assert alphas(mapped.map) == {1: 0, 2: 255}
    assert (box(mapped, 0), box(mapped, 1)) == (Qt.CheckState.Unchecked, Qt.CheckState.Checked)
    mapped.canvas.refresh()
    mapped.canvas.waitWhileRendering()
    assert not is_green(seen(mapped, 0.4)), "the class is still drawn"
    assert seen(mapped, 0.4, 0.75) == (255, 0, 0), "the other class is gone"
    click_box(mapped, 0)
    assert alphas(mapped.map) == {1: 255, 2: 255}


def test_opacity_by_class_and_the_others_by_the_menu(mapped):
    choose(mapped, 0, f"Opacity {percent(0.5, 0)}")
    assert alphas(mapped.map) == {1: 128, 2: 255}
    choose(mapped, 1, "Show Only This Class")
    assert alphas(mapped.map) == {1: 0, 2: 255}
    choose(mapped, 0, "Show All Classes")
    assert alphas(mapped.map) == {1: 128, 2: 255}, "shown again, it is as opaque as it was"
    choose(mapped, 1, "Hide the Class")
    assert alphas(mapped.map) == {1: 128, 2: 0}


def test_the_users_own_colours_names_and_opacity_stay_as_classes_are_hidden(mapped):
    layer = mapped.map
    own = [
        QgsPalettedRasterRenderer.Class(1, QColor(1, 2, 3, 77), "Wiese"),
        QgsPalettedRasterRenderer.Class(2, QColor(4, 5, 6), "Boden"),
        QgsPalettedRasterRenderer.Class(9, QColor(7, 8, 9), "mine"),
    ]
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, own))
    layer.setOpacity(0.6)
    swatch = mapped.part("mtmsdLegend", QTableWidget).item(0, 0).icon().pixmap(16).toImage()
    assert swatch.pixelColor(8, 8).name() == "#010203", "the legend shows another colour"
    click_box(mapped, 1)
    click_box(mapped, 0)
    click_box(mapped, 0)
    after = [(c.value, c.color.getRgb(), c.label) for c in layer.renderer().classes()]
    assert after == [
        (1, (1, 2, 3, 77), "Wiese"),
        (2, (4, 5, 6, 0), "Boden"),
        (9, (7, 8, 9, 255), "mine"),
    ]
    assert layer.opacity() == pytest.approx(0.6)


def test_a_style_without_classes_is_left_alone_and_that_is_said(mapped):
    mapped.map.setRenderer(QgsSingleBandGrayRenderer(mapped.map.dataProvider(), 1))
    swatch = mapped.part("mtmsdLegend", QTableWidget).item(0, 0)
    assert "a style of your own" in swatch.toolTip()
    assert not swatch.flags() & Qt.ItemFlag.ItemIsUserCheckable
    click_box(mapped, 0)
    assert mapped.map.renderer().type() == "singlebandgray"


def test_a_new_preview_keeps_hidden_classes_and_the_users_style(mapped):
    preview = take(mapped, extent=[0, 1, 0, 1])
    click_box(mapped, 0)
    preview = take(mapped, extent=[0, 1, 0, 1], grass="#00ff88")
    shown = {int(c.value): c.color.getRgb() for c in preview.renderer().classes()}
    assert shown == {1: (0, 255, 136, 0), 2: (255, 0, 0, 255)}
    click_box(mapped, 0)
    assert alphas(preview) == {1: 255, 2: 255}
    preview.setRenderer(QgsSingleBandGrayRenderer(preview.dataProvider(), 1))
    assert take(mapped, extent=[0, 1, 0, 1]).renderer().type() == "singlebandgray"


def test_hidden_classes_are_hidden_in_the_saved_project(mapped, tmp_path):
    click_box(mapped, 0)
    file = str(tmp_path / "project.qgz")
    assert QgsProject.instance().write(file)
    QgsProject.instance().clear()
    assert QgsProject.instance().read(file)
    mapped.wait(lambda: mapped.workspace.scene is not None, "no scene")
    layer = mapped.wait(lambda: of_role(MAP, mapped.workspace), "no map")
    mapped.wait(lambda: box(mapped, 0) == Qt.CheckState.Unchecked, "the box is on")
    assert alphas(layer) == {1: 0, 2: 255}
    click_box(mapped, 0)
    assert alphas(layer) == {1: 255, 2: 255}


def test_of_several_maps_the_highest_is_meant(mapped, tmp_path):
    for _ in range(3):
        take(mapped)
        tree = QgsProject.instance().layerTreeRoot()
        maps = [layer for layer in tree.layerOrder() if role(layer) == MAP]
        assert of_role(MAP, mapped.workspace) is maps[0]
    assert len(maps) > 2
