"""Does the plugin's code run on Qt 6: modules, enums, and what it draws."""

from __future__ import annotations

import ast
import importlib
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lint_qt import chains, complaints
from PyQt6.QtCore import QPoint
from PyQt6.QtGui import QHelpEvent, QPixmap
from PyQt6.QtWidgets import QToolTip, QWidget

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "mtmsd_qgis"
SOURCES = sorted(PLUGIN.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_every_module_imports_under_pyqt6(path, app):
    importlib.import_module(module_name(path))


def resolve(module: str, names: tuple[str, ...]) -> Any:
    """Return what a chain of attributes is in PyQt6; attributes of instances are not followed."""
    found = importlib.import_module(module)
    for name in names:
        if not isinstance(found, (type(importlib), type)):
            break
        found = getattr(found, name)
    return found


def lost(text: str) -> list[str]:
    """Return the chains of a source that PyQt6 does not have."""
    missing = []
    for chain in chains(ast.parse(text)):
        if chain.module.startswith("qgis.PyQt."):
            try:
                resolve(chain.module, chain.names)
            except AttributeError:
                missing.append(f"{chain.line}: {'.'.join(chain.names)}")
    return missing


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_every_name_of_qt_is_in_pyqt6(path):
    assert lost(path.read_text(encoding="utf-8")) == []


def test_names_that_only_pyqt5_has_are_found():
    begin = "from qgis.PyQt.QtCore import Qt\nfrom qgis.PyQt.QtWidgets import QSizePolicy\n"
    assert lost(begin + "x = Qt.AlignmentFlag.AlignLeft\ny = QSizePolicy.Policy.Fixed\n") == []
    assert lost(begin + "x = Qt.AlignLeft\n") == ["3: Qt.AlignLeft"]
    assert lost(begin + "y = QSizePolicy.Fixed\n") == ["3: QSizePolicy.Fixed"]
    assert lost(begin + "z = Qt.ItemDataRole.NoSuchRole\n") == ["3: Qt.ItemDataRole.NoSuchRole"]


def test_numbers_are_made_of_such_enums_only_as_are_numbers():
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        numbers = {
            node.args[0].lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            if node.func.id == "int" and node.args and isinstance(node.args[0], ast.Attribute)
        }
        for chain in chains(tree):
            if chain.line in numbers and chain.module.startswith("qgis.PyQt."):
                value = resolve(chain.module, chain.names)
                assert not isinstance(value, Enum) or isinstance(value, int), (path, chain)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("from qgis.PyQt.QtCore import Qt\nx = Qt.AlignLeft", "Qt.AlignLeft names no enum"),
        ("from qgis.core import QgsWkbTypes\nx = QgsWkbTypes.Polygon", "QgsWkbTypes.Polygon"),
        ("dialog.exec_()", "write exec()"),
        ("from PyQt5.QtCore import Qt", "PyQt5.QtCore is not in"),
        ("import sip", "sip is not in"),
    ],
)
def test_the_lint_refuses(line, said):
    ((_, sentence),) = complaints(line)
    assert said in sentence


@pytest.mark.parametrize(
    "line",
    [
        "from qgis.PyQt.QtCore import Qt\nx = Qt.AlignmentFlag.AlignLeft",
        "from qgis.core import QgsVectorFileWriter\nx = QgsVectorFileWriter.SaveVectorOptions()",
        "from qgis.core import QgsWkbTypes\ndef f(kind: QgsWkbTypes.Type) -> None: ...",
        "from qgis.PyQt import sip\nx = sip.isdeleted",
    ],
)
def test_the_lint_lets_pass(line):
    assert list(complaints(line)) == []


def colors(widget: QWidget) -> int:
    """Return how many colours a widget's picture has."""
    widget.resize(320, 200)
    picture = QPixmap(widget.size())
    widget.render(picture)
    image = picture.toImage()
    return len({image.pixel(x, y) for x in range(0, 320, 2) for y in range(0, 200, 2)})


def test_the_loss_is_drawn(app):
    from mtmsd_qgis.gui.widgets.line_plot import LossCurve

    curve = LossCurve()
    empty = colors(curve)
    for step in range(1, 200):
        curve.add(step, 1 / step)
    assert colors(curve) > empty


def test_spectra_are_drawn(app):
    from mtmsd_qgis.gui.widgets.spectra_plot import Line, SpectraPlot

    plot = SpectraPlot()
    empty = colors(plot)
    wavelengths = np.linspace(400, 2500, 50)
    plot.set_axis(list(wavelengths), list(range(1, 51)), "nm")
    plot.set_lines([Line("#e31a1c", np.sin(wavelengths / 500), np.full(50, 0.1))])
    plot.set_cursor(np.cos(wavelengths / 500))
    assert colors(plot) > empty


def test_the_confusion_matrix_is_drawn_and_names_its_cells(app, monkeypatch):
    from mtmsd_qgis.gui.widgets.confusion_matrix import MatrixView
    from mtmsd_qgis.state.training.classes import LandClass

    said = []
    monkeypatch.setattr(QToolTip, "showText", lambda _place, text, _widget: said.append(text))
    matrix = MatrixView()
    empty = colors(matrix)
    classes = [LandClass(1, "grass", "#33a02c"), LandClass(2, "water", "#1f78b4")]
    matrix.set_matrix(classes, [[90, 10], [0, 50]])
    assert colors(matrix) > empty
    middle = QPoint(matrix.width() * 3 // 4, matrix.height() * 2 // 5)
    assert matrix.event(QHelpEvent(QHelpEvent.Type.ToolTip, middle, middle))
    assert said == ["10 pixels of grass are mapped as water"]
