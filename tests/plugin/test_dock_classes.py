"""Classes added, renamed, merged, recoloured, deleted; each taken back by Undo."""

from __future__ import annotations

import gc
import shutil
from pathlib import Path

import pytest
from docked import Docked, docked  # noqa: F401
from qgis.gui import QgsColorDialog
from qgis.PyQt import sip
from qgis.PyQt.QtCore import Qt, QTimer
from qgis.PyQt.QtGui import QColor
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication, QTableWidget

pytestmark = pytest.mark.slow

CONTROL = Qt.KeyboardModifier.ControlModifier
LEFT, TOP = 300000.0, 5800000.0


@pytest.fixture
def drawn(docked: Docked, scene: Path, tmp_path: Path) -> Docked:  # noqa: F811
    """Three classes with one polygon each, of 16, 36 and 16 pixels."""
    docked.open(Path(shutil.copy(scene, tmp_path / "scene.tif")))
    for name, col, size in (("grass", 5, 4), ("meadow", 10, 6), ("water", 30, 4)):
        docked.add_class(name)
        x, y = LEFT + 30 * col, TOP - 30 * 10
        docked.drag(x + 2, y - 2, x + 30 * size - 2, y - 30 * size + 2)
    counts = {"grass": ("1", "16"), "meadow": ("1", "36"), "water": ("1", "16")}
    docked.wait(lambda: docked.classes() == counts, f"not {counts} but {docked.classes()}")
    return docked


def colors(room: Docked) -> dict[str, set[str]]:
    layer = room.workspace.training.layer
    found: dict[str, set[str]] = {}
    for feature in layer.getFeatures():
        found.setdefault(feature["class_name"], set()).add(feature["color"])
    return found


def test_merged_classes_are_the_first_and_undo_parts_them(drawn: Docked) -> None:
    before = drawn.classes()
    drawn.click_row(0)
    drawn.click_row(1, CONTROL)
    drawn.click("mtmsdClassMerge")
    merged = {"grass": ("2", "52"), "water": ("1", "16")}
    drawn.wait(lambda: drawn.classes() == merged, "not merged")
    assert {len(found) for found in colors(drawn).values()} == {1}
    gc.collect()  # the undo stack must not lose what Python put on it
    drawn.click("mtmsdUndo")
    drawn.wait(lambda: drawn.classes() == before, "not taken back")
    drawn.click("mtmsdRedo")
    drawn.wait(lambda: drawn.classes() == merged, "not done again")


def test_a_deleted_class_comes_back_with_its_polygons(drawn: Docked) -> None:
    before = drawn.classes()
    drawn.click_row(1)
    drawn.click("mtmsdClassDelete")
    drawn.wait(lambda: "meadow" not in drawn.classes(), "not deleted")
    assert drawn.workspace.training.layer.featureCount() == 2
    drawn.wait_said("Deleted meadow")
    drawn.click("mtmsdUndo")
    drawn.wait(lambda: drawn.classes() == before, "not taken back")


def test_a_recoloured_class_has_its_colour_everywhere(drawn: Docked) -> None:
    was = colors(drawn)["grass"]

    def choose() -> None:
        dialog = sip.cast(QApplication.activeModalWidget(), QgsColorDialog)
        dialog.setColor(QColor("#123456"))
        dialog.accept()

    table = drawn.part("mtmsdClassTable", QTableWidget)
    place = table.visualItemRect(table.item(0, 0)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    QTimer.singleShot(500, choose)
    QTest.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert colors(drawn)["grass"] == {"#123456"}
    renderer = drawn.workspace.training.layer.renderer()
    assert renderer.categories()[0].symbol().symbolLayer(0).strokeColor().name() == "#123456"
    drawn.click("mtmsdUndo")
    assert colors(drawn)["grass"] == was


def test_a_name_that_is_taken_is_refused(drawn: Docked) -> None:
    table = drawn.part("mtmsdClassTable", QTableWidget)
    table.item(0, 1).setText("water")
    drawn.wait_said("There is a class 'water' already")
    assert list(drawn.classes()) == ["grass", "meadow", "water"]
    table.item(0, 1).setText("lawn")
    assert list(drawn.classes()) == ["lawn", "meadow", "water"]
    assert set(colors(drawn)) == {"lawn", "meadow", "water"}
