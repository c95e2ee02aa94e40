"""Labelling without the mouse in the dock: keys take classes, draw, end, undo, change the class."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from docked import Docked, docked  # noqa: F401
from qgis.gui import QgsGui
from qgis.PyQt.QtGui import QKeySequence
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication
from test_dock_drawing import LEFT, TOP, click


@pytest.fixture
def keys(docked: Docked, scene: Path, tmp_path: Path) -> Docked:  # noqa: F811
    docked.open(Path(shutil.copy(scene, tmp_path / "scene.tif")))
    for name in ("grass", "water", "soil"):
        docked.add_class(name)
    window = docked.dock.window()
    QApplication.setActiveWindow(window)
    docked.canvas.setFocus()
    return docked


def press(room: Docked, key: str) -> None:
    """Press a key of the keyboard where the shortcuts of the main window are heard."""
    QTest.keyClick(room.dock.window(), key)
    QTest.qWait(20)


def values(room: Docked) -> list[int]:
    return sorted(f["class_id"] for f in room.workspace.training.layer.getFeatures())


def test_a_class_is_taken_and_a_polygon_drawn_ended_and_undone_by_keys(keys: Docked) -> None:
    press(keys, "2")
    assert keys.dock.classes.current.name == "water"
    press(keys, "9")  # there is no ninth class
    assert keys.dock.classes.current.name == "water"
    press(keys, "D")
    press(keys, "D")  # pressed again it is not let go
    assert keys.part("mtmsdDraw_polygon").isChecked()
    for col, row in ((5, 5), (12, 5), (12, 12)):
        click(keys, col, row)
    press(keys, "E")
    keys.wait(lambda: values(keys) == [2], "E does not end", 5)
    keys.wait(keys.part("mtmsdUndo").isEnabled, "nothing to undo", 5)
    press(keys, "U")
    keys.wait(lambda: values(keys) == [], "U does not undo", 5)
    press(keys, "G")
    assert keys.part("mtmsdDraw_grow").isChecked()
    click(keys, 30, 10)
    keys.wait(lambda: keys.part("mtmsdTakeRegion").isEnabled(), "nothing grows", 10)
    press(keys, "E")
    keys.wait(lambda: values(keys) == [2], "E does not take the region", 5)


def test_selected_polygons_change_class_in_one_undoable_step(keys: Docked) -> None:
    press(keys, "1")
    for left in (100, 500):
        keys.drag(LEFT + left, TOP - 100, LEFT + left + 200, TOP - 400)
    keys.wait(lambda: values(keys) == [1, 1], "not drawn", 5)
    press(keys, "3")
    press(keys, "C")
    keys.wait_said("Select polygons first")
    layer = keys.workspace.training.layer
    layer.selectAll()
    press(keys, "C")
    assert values(keys) == [3, 3]
    assert {f["class_name"] for f in layer.getFeatures()} == {"soil"}
    press(keys, "U")
    assert values(keys) == [1, 1]


def test_keys_are_in_qgis_settings_and_tooltips_say_the_ones_that_hold(keys: Docked) -> None:
    manager = QgsGui.shortcutsManager()
    action = next(a for a in manager.listActions() if a.text() == "MTMSD: draw a polygon")
    assert "(D)" in keys.part("mtmsdDraw_polygon").toolTip()
    assert manager.setKeySequence(action, "Ctrl+Alt+7")
    try:
        assert "(Ctrl+Alt+7)" in keys.part("mtmsdDraw_polygon").toolTip()
        press(keys, "D")
        assert not keys.part("mtmsdDraw_polygon").isChecked(), "the old key still works"
    finally:
        manager.setKeySequence(action, "D")


def test_a_key_of_qgis_stays_with_qgis_and_none_is_left_after_unloading(
    docked: Docked,  # noqa: F811
) -> None:
    manager = QgsGui.shortcutsManager()
    assert manager.actionForSequence(QKeySequence("7")) is not None
    docked.dock.keys.release()
    try:
        assert not [a for a in manager.listActions() if a.text().startswith("MTMSD")]
    finally:
        docked.dock.keys.release = lambda: None


def test_keys_of_a_hidden_dock_do_nothing(keys: Docked) -> None:
    keys.dock.keys.set_seen(False)
    press(keys, "D")
    assert not keys.part("mtmsdDraw_polygon").isChecked()
