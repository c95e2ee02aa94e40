"""Polygons drawn with the mouse end when they should, and are undone, repainted and saved."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from docked import Docked, docked, rows_of  # noqa: F401
from qgis.core import QgsProject
from qgis.PyQt.QtCore import QPoint, Qt
from qgis.PyQt.QtTest import QTest

LEFT, TOP = 300000.0, 5800000.0
BUTTON = Qt.MouseButton.LeftButton


@pytest.fixture
def drawing(docked: Docked, scene: Path, tmp_path: Path) -> Docked:  # noqa: F811
    """A scene and a class, and the polygon tool in hand."""
    docked.open(Path(shutil.copy(scene, tmp_path / "scene.tif")))
    docked.add_class("grass")
    docked.click("mtmsdDraw_polygon")
    return docked


def at(room: Docked, col: float, row: float) -> QPoint:
    return room._pixel(LEFT + 30 * col, TOP - 30 * row)


def click(room: Docked, col: float, row: float, button: Qt.MouseButton = BUTTON) -> None:
    QTest.mouseMove(room.canvas.viewport(), at(room, col, row))
    QTest.mouseClick(room.canvas.viewport(), button, pos=at(room, col, row))


def double_click(room: Docked, col: float, row: float) -> None:
    """Press and release twice, as a mouse does: the second press comes as a double click."""
    viewport, place = room.canvas.viewport(), at(room, col, row)
    QTest.mousePress(viewport, BUTTON, pos=place)
    QTest.mouseRelease(viewport, BUTTON, pos=place)
    QTest.mouseDClick(viewport, BUTTON, pos=place)  # the event alone
    QTest.mouseRelease(viewport, BUTTON, pos=place)


def polygons(room: Docked) -> list[list[int]]:
    """The corners of each polygon, rounded to pixels: columns and rows in turn."""
    found = []
    for feature in room.workspace.training.layer.getFeatures():
        ring = feature.geometry().asPolygon()[0][:-1]
        found.append([round(x) for p in ring for x in ((p.x() - LEFT) / 30, (TOP - p.y()) / 30)])
    return found


def test_a_double_click_ends_a_polygon_and_begins_no_other(drawing: Docked) -> None:
    click(drawing, 5, 5)
    click(drawing, 12, 5)
    double_click(drawing, 12, 12)
    drawing.wait(lambda: len(polygons(drawing)) == 1, f"{polygons(drawing)}", 5)
    # what is drawn next has no vertex of the place of the double click
    for col, row in ((25, 20), (33, 20), (33, 26)):
        click(drawing, col, row)
    click(drawing, 25, 26)
    click(drawing, 25, 26, Qt.MouseButton.RightButton)
    drawing.wait(lambda: len(polygons(drawing)) == 2, f"{polygons(drawing)}", 5)
    first, second = polygons(drawing)
    assert set(zip(first[::2], first[1::2])) == {(5, 5), (12, 5), (12, 12)}
    assert set(zip(second[::2], second[1::2])) == {(25, 20), (33, 20), (33, 26), (25, 26)}


def test_backspace_takes_a_vertex_back_and_escape_the_polygon(drawing: Docked) -> None:
    for col, row in ((5, 5), (12, 5), (30, 30), (12, 12)):
        click(drawing, col, row)
        if (col, row) == (30, 30):
            QTest.keyClick(drawing.canvas, Qt.Key.Key_Backspace)
    QTest.keyClick(drawing.canvas, Qt.Key.Key_Return)
    drawing.wait(lambda: len(polygons(drawing)) == 1, f"{polygons(drawing)}", 5)
    corners = polygons(drawing)[0]
    assert set(zip(corners[::2], corners[1::2])) == {(5, 5), (12, 5), (12, 12)}
    for col, row in ((20, 20), (25, 20), (25, 25)):
        click(drawing, col, row)
    QTest.keyClick(drawing.canvas, Qt.Key.Key_Escape)
    QTest.keyClick(drawing.canvas, Qt.Key.Key_Return)
    QTest.qWait(200)
    assert len(polygons(drawing)) == 1


def test_undo_repaints_and_is_that_of_qgis_itself(drawing: Docked, qgis_iface) -> None:
    drawing.drag(LEFT + 100, TOP - 100, LEFT + 400, TOP - 400)
    layer = drawing.workspace.training.layer
    drawing.wait(lambda: len(polygons(drawing)) == 1, "not drawn", 5)
    assert qgis_iface.activeLayer() is layer, "Ctrl+Z would undo something else"
    repaints: list[bool] = []
    layer.repaintRequested.connect(lambda *_: repaints.append(True))
    drawing.click("mtmsdUndo")
    assert polygons(drawing) == []
    assert repaints
    repaints.clear()
    layer.undoStack().redo()  # what Ctrl+Shift+Z does in QGIS
    assert len(polygons(drawing)) == 1
    assert repaints


def test_saving_the_project_saves_the_polygons(drawing: Docked, tmp_path: Path) -> None:
    drawing.drag(LEFT + 100, TOP - 100, LEFT + 400, TOP - 400)
    drawing.wait(lambda: len(polygons(drawing)) == 1, "not drawn", 5)
    path = drawing.workspace.training.path
    assert rows_of(path) == 0
    assert QgsProject.instance().write(str(tmp_path / "project.qgz"))
    assert rows_of(path) == 1
    drawing.wait(lambda: "not saved" not in drawing.text("mtmsdPolygonsState"), "said unsaved", 5)
