"""Buttons stay where they are, and their words fit in the dock's narrow widths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import halves, memory_polygons, write_raster
from docked import Docked, docked  # noqa: F401
from qgis.core import QgsProject, QgsSettings
from qgis.PyQt.QtCore import QPoint
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import (
    QAbstractButton,
    QCheckBox,
    QLabel,
    QPushButton,
    QToolButton,
    QWidget,
)

from mtmsd_qgis.gui.widgets.section import NEXT
from mtmsd_qgis.gui.widgets.state_line import StateLine

LANGUAGES = ["en", "de", "fr", "es", "pt", "zh"]


@pytest.fixture(params=LANGUAGES)
def speaking(request: Any) -> Iterator[str]:
    """QGIS's language, set before the plugin is loaded."""
    settings = QgsSettings()
    settings.setValue("locale/overrideFlag", True)
    settings.setValue("locale/userLocale", request.param)
    yield request.param
    settings.remove("locale/overrideFlag")
    settings.remove("locale/userLocale")


@pytest.fixture
def narrow(speaking: str, docked: Docked, scene: Path) -> Docked:  # noqa: F811
    open_all(docked)
    docked.open(scene)
    return docked


def open_all(room: Docked) -> None:
    for section in room.dock._sections:
        section.set_open(True)
    room.dock.setFloating(True)


def is_cut(widget: QWidget) -> bool:
    """Whether some of its words cannot be read, in it or in its tooltip."""
    if isinstance(widget, StateLine):
        return widget.text() not in widget.toolTip()
    if isinstance(widget, QLabel) and widget.wordWrap():
        return widget.heightForWidth(widget.width()) > widget.height() + 1
    return widget.sizeHint().width() > widget.width()


@pytest.mark.parametrize("width", [340, 320])
def test_no_words_are_cut_off_in_any_language(narrow: Docked, width: int) -> None:
    narrow.dock.resize(width, 900)
    narrow.wait(lambda: narrow.dock.width() == width, "the dock is wider")
    QTest.qWait(50)
    kinds = (QPushButton, QToolButton, QLabel, QCheckBox)
    found = [w for kind in kinds for w in narrow.dock.findChildren(kind)]
    shown = [w for w in found if w.isVisible() and w.text()]
    assert len(shown) > 40
    assert [f"{w.objectName()}: {w.text()}" for w in shown if is_cut(w)] == []
    right = narrow.part("mtmsdSections").width()
    beyond = [w for w in shown if w.mapTo(narrow.dock, QPoint(w.width(), 0)).x() > width]
    assert right <= width
    assert [w.objectName() for w in beyond] == []


def places(room: Docked) -> dict[str, tuple[int, int]]:
    """Return where each button of the dock's sections is."""
    sections = room.part("mtmsdSections")
    found = [w for w in sections.findChildren(QAbstractButton) if w.objectName()[:5] == "mtmsd"]
    spots = {w.objectName(): w.mapTo(sections, QPoint(0, 0)) for w in found if w.isVisible()}
    return {name: (spot.x(), spot.y()) for name, spot in spots.items()}


def test_buttons_stay_as_a_scene_is_chosen_classes_are_added_and_texts_grow(
    docked: Docked,  # noqa: F811
    scene: Path,
) -> None:
    open_all(docked)
    docked.dock.resize(340, 900)
    QTest.qWait(50)
    before = places(docked)
    assert len(before) > 30
    docked.open(scene)
    QTest.qWait(50)
    assert places(docked) == before, "a scene was chosen"
    for index in range(8):
        docked.add_class(f"a class with quite a long name {index}")
    QTest.qWait(50)
    assert places(docked) == before, "classes were added"
    for section in docked.dock._sections:
        section.set_state(NEXT, "a long sentence about what can be done now " * 6)
    QTest.qWait(50)
    assert places(docked) == before, "texts grew"


BETTER = {
    "overall": 0.61, "average": 0.6, "kappa": 0.4, "n": 64,
    "classes": [
        {"value": value, "name": f"class {value}", "color": "#123456", "producer": 1, "user": 1}
        for value in range(1, 13)
    ],
    "confusion": {"matrix": [[1] * 12] * 12},
    "baselines": [
        {"name": "rf", "title": "", "overall": 0.93, "difference_interval": [-0.4, -0.1]},
    ],
}  # fmt: skip
"""An assessment of twelve classes, with a baseline that did better."""


def test_buttons_stay_as_a_map_its_figures_and_the_engines_warnings_come(
    docked: Docked,  # noqa: F811
    tmp_path: Path,
) -> None:
    open_all(docked)
    docked.dock.resize(340, 900)
    QTest.qWait(50)
    before = places(docked)
    assert {"mtmsdPolygonize", "mtmsdNextLabels", "mtmsdTakeRegion", "mtmsdFlicker"} <= set(before)

    def moved() -> list[str]:
        QTest.qWait(50)
        after = places(docked)
        return [name for name, place in before.items() if after.get(name) != place]

    docked.open(write_raster(tmp_path / "halves.tif", halves()))
    layer = memory_polygons()
    QgsProject.instance().addMapLayer(layer)
    docked.take(layer, "class_id")
    docked.wait(lambda: docked.part("mtmsdSeparability").isVisible(), "no classes to compare")
    assert moved() == [], "classes are compared"
    docked.click("mtmsdDraw_grow")
    assert docked.part("mtmsdTolerance").isEnabled()
    assert moved() == [], "regions are grown"
    docked.click("mtmsdDraw_grow")
    assert not docked.part("mtmsdTolerance").isEnabled()
    box = docked.part("mtmsdClassifier")
    box.setCurrentIndex(box.findData("rf"))
    docked.click("mtmsdMapScene")
    docked.wait(lambda: docked.workspace.state.map, "no map", 120)
    docked.wait(lambda: not docked.dock.running.runs, "it goes on")
    assert docked.part("mtmsdLegend").isVisible()
    assert moved() == [], "a map was made"
    docked.click("mtmsdNextLabels")
    docked.wait(lambda: docked.part("mtmsdPointNext").isVisible(), "no points", 60)
    assert moved() == [], "points are visited"
    box.setCurrentIndex(box.findData("svm"))
    docked.workspace.change(accuracy=BETTER)
    assert docked.part("mtmsdMapBetterUse").isVisible()
    assert docked.part("mtmsdAccuracyBetterUse").isVisible()
    assert moved() == [], "a simpler classifier did better"
    for section in (docked.dock.pretraining, docked.dock.map, docked.dock.accuracy):
        section.warn(("Class 3 has few pixels.", "Band 7 is empty."))
        assert docked.part(f"{section.objectName()}Warnings").isVisible()
    docked.dock.pretraining._curve.show()
    assert moved() == [], "the engine warned, and pretraining began"
