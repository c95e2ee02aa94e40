"""Every widget of the dock: named, explained, reached by the keyboard, in the user's language."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from conftest import ROOT
from docked import Docked, docked  # noqa: F401
from qgis.core import QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QEvent, QObject, Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QSlider,
    QTableWidget,
    QWidget,
)

FILES = sorted((ROOT / "mtmsd_qgis/gui").rglob("*.py"))
OPERATED = (QAbstractButton, QComboBox, QLineEdit, QAbstractSpinBox, QSlider, QTableWidget)
SHOWING = {"setText", "setToolTip", "setTitle", "setWindowTitle", "setInformativeText", "set_title"}
SHOWING |= {"set_state", "addAction", "addItem", "addMenu", "QLabel", "QPushButton", "QCheckBox"}
SHOWING |= {"setPlaceholderText", "QgsCollapsibleGroupBox", "QMessageBox"}


def operated(room: Docked) -> list[QWidget]:
    """What the user operates; not the insides of a spin box or a combo box."""
    own = [w for w in room.dock.findChildren(QWidget) if w.objectName().startswith("mtmsd")]
    return [w for w in own if isinstance(w, OPERATED)]


def test_everything_has_a_name_and_a_tooltip(docked: Docked) -> None:  # noqa: F811
    found = operated(docked)
    assert len(found) > 40
    assert [w.objectName() for w in found if not w.toolTip()] == []
    names = [w.objectName() for w in found]
    assert sorted({n for n in names if names.count(n) > 1}) == []


class Painted(QObject):
    """Counts what is painted in the dock."""

    def __init__(self, dock: QWidget) -> None:
        super().__init__()
        self._dock = dock
        self.names: list[str] = []
        QApplication.instance().installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint and self._dock.isAncestorOf(watched):
            self.names.append(watched.objectName())
        return False


def test_a_dock_at_rest_is_not_painted_again_and_again(docked: Docked, scene: Path) -> None:  # noqa: F811
    docked.open(scene)
    QTest.qWait(500)
    assert docked.part("mtmsdSceneState").isVisible()
    painted = Painted(docked.dock)
    docked.part("mtmsdSceneState").update()
    QTest.qWait(500)
    QApplication.instance().removeEventFilter(painted)
    assert 0 < painted.names.count("mtmsdSceneState") < 5, "it asks for the next while it paints"
    assert len(painted.names) < 200


def test_what_is_disabled_says_why(docked: Docked) -> None:  # noqa: F811
    buttons = [w for w in operated(docked) if isinstance(w, QAbstractButton)]
    shut = [w for w in buttons if not w.isEnabled()]
    assert len(shut) > 10, "without a scene there is little to press"
    reasons = ("Choose", "Map Scene", "There", "Select", "All polygons", "Waiting", "Wait", "Show")
    assert [w.toolTip() for w in shut if not w.toolTip().startswith(reasons)] == []


def test_no_two_mnemonics_are_the_same(docked: Docked) -> None:  # noqa: F811
    sections = docked.part("mtmsdSections")
    texts = [w.text() for w in sections.findChildren(QAbstractButton) if w.text()]
    texts += [w.text() for w in sections.findChildren(QLabel) if w.buddy() is not None]
    letters = [text[text.index("&") + 1].lower() for text in texts if "&" in text]
    letters.append("c")  # Cancel of a running job
    assert len(letters) > 15
    assert sorted({x for x in letters if letters.count(x) > 1}) == []
    buttons = [w.text() for w in sections.findChildren(QPushButton) if w.text()]
    assert [text for text in buttons if "&" not in text and not text.endswith("…")] == []


def test_tab_goes_from_top_to_bottom(docked: Docked) -> None:  # noqa: F811
    sections = docked.part("mtmsdSections")
    for section in sections.children():
        if hasattr(section, "set_open"):
            section.set_open(True)
    wanted = {w for w in operated(docked) if w.focusPolicy() & Qt.FocusPolicy.TabFocus}
    first = docked.part("mtmsdFirstStepsClose")
    order, widget = [first], first.nextInFocusChain()
    while widget is not first:
        if widget in wanted and widget.isVisible() and sections.isAncestorOf(widget):
            order.append(widget)
        widget = widget.nextInFocusChain()
    places = [w.mapTo(sections, w.rect().center()) for w in order]
    jumps = [
        f"{a.objectName()} → {b.objectName()}"
        for a, b, p, q in zip(order, order[1:], places, places[1:])
        if q.y() < p.y() - 12
    ]
    assert len(order) > 20
    assert jumps == []


@pytest.mark.parametrize(
    "file", sorted((ROOT / "mtmsd_qgis/gui").rglob("*.py")), ids=lambda p: p.name
)
def test_no_words_are_shown_untranslated(file: Path) -> None:
    bare = []
    for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(call, ast.Call):
            continue
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        for value in call.args if name in SHOWING else []:
            words = value.value if isinstance(value, ast.Constant) else ""
            if isinstance(words, str) and any(c.isalpha() for c in words) and words not in UNITS:
                bare.append(f"{call.lineno}: {words}")
    assert bare == []


UNITS = {"1-5, 1340-1460nm", "iterations=2000 members=5", "bits=10,11"}
"""Examples of what the engine reads: the same in every language."""


def test_pictures_of_maps_are_not_offered_as_a_scene(docked, scene):  # noqa: F811
    picture = QgsRasterLayer("type=xyz&url=http://127.0.0.1/{z}/{x}/{y}.png", "map", "wms")
    assert picture.isValid()
    raster = QgsRasterLayer(str(scene), "scene")
    QgsProject.instance().addMapLayers([picture, raster])
    chooser = docked.part("mtmsdSceneLayer")
    offered = [chooser.layer(row) for row in range(chooser.count())]
    assert raster in offered
    assert picture not in offered
