"""Class schemes come in and go out: CSV, styles of polygons and of rasters; bad ones are named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from docked import Docked, docked  # noqa: F401
from qgis.core import QgsPalettedRasterRenderer, QgsRasterLayer, QgsVectorLayer
from qgis.PyQt.QtGui import QColor
from qgis.PyQt.QtWidgets import QFileDialog, QMenu

from mtmsd_qgis.state.training.class_scheme import read_scheme, write_scheme
from mtmsd_qgis.state.training.classes import LandClass

CLASSES = [
    LandClass(1, "Wald; dicht", "#1a7837"),
    LandClass(7, 'the "old", lake', "#2b7bba"),
    LandClass(300, "水", "#c98b4f"),
]


@pytest.mark.parametrize("name", ["scheme.csv", "scheme.qml"])
def test_what_is_saved_is_what_is_loaded(qgis_app, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_scheme(path, CLASSES)
    assert read_scheme(path) == CLASSES
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_the_style_of_a_class_map_is_a_scheme(qgis_app, scene: Path, tmp_path: Path) -> None:
    layer = QgsRasterLayer(str(scene), "map")
    entries = [
        QgsPalettedRasterRenderer.Class(value, QColor(color), name)
        for value, color, name in ((0, "#000000", "no data"), (4, "#ff9e17", "soil"))
    ]
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, entries))
    layer.saveNamedStyle(str(tmp_path / "map.qml"))
    assert read_scheme(tmp_path / "map.qml") == [LandClass(4, "soil", "#ff9e17")]


@pytest.mark.parametrize(
    "text",
    ["1,soil,#c98b4f\n2,water,blue\n", "Name;Colour;Value\nsoil;#C98B4F;1\nwater;#0000ff;2\n",
     "\ufeffvalue\tname\tcolor\n1\tsoil\t#c98b4f\n\n2\twater\t#0000ff"],
)  # fmt: skip
def test_tables_of_other_programs_are_read(qgis_app, tmp_path: Path, text: str) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text(text, encoding="utf-8")
    assert read_scheme(path) == [LandClass(1, "soil", "#c98b4f"), LandClass(2, "water", "#0000ff")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "s.csv holds no classes"),
        ("a,b\n1,2\n", "needs the columns value, name and colour"),
        ("value,name,colour\n0,soil,#c98b4f\n", "line 2: '0' is no class number from 1 to 65535"),
        ("1,soil,brownish\n", "line 1: 'brownish' is no colour"),
        ("1,soil,#c98b4f\n1,water,#0000ff\n", "has the number 1 twice"),
        ("1,soil,#c98b4f\n2,soil,#0000ff\n", "has the name soil twice"),
        ("1,soil\n", "line 1: a cell is missing"),
    ],
)
def test_a_bad_table_is_named_with_its_line(qgis_app, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "s.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        read_scheme(path)


def test_a_style_of_another_kind_is_named(qgis_app, tmp_path: Path) -> None:
    path = tmp_path / "single.qml"
    QgsVectorLayer("Polygon", "one symbol", "memory").saveNamedStyle(str(path))
    with pytest.raises(ValueError, match=r"single\.qml is a style of another kind"):
        read_scheme(path)
    path.write_text("no xml", encoding="utf-8")
    with pytest.raises(ValueError, match=r"single\.qml is no style of QGIS"):
        read_scheme(path)


def test_a_scheme_is_loaded_in_one_undoable_step_and_saved_from_the_menu(
    docked: Docked,  # noqa: F811
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def choose(text: str) -> None:
        menu = docked.part("mtmsdImportMenu", QMenu)
        menu.aboutToShow.emit()
        next(a for a in menu.actions() if a.text() == text).trigger()

    docked.open(Path(shutil.copy(scene, tmp_path / "scene.tif")))
    docked.add_class("Lake")
    path = tmp_path / "scheme.csv"
    path.write_text("5,lake,#0000ff\n1,soil,#c98b4f\n3,tree,#1a7837\n", encoding="utf-8")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    choose("Load a Class Scheme…")
    training = docked.workspace.training
    expected = [("Lake", 1, "#0000ff"), ("soil", 2, "#c98b4f"), ("tree", 3, "#1a7837")]
    assert [(c.name, c.value, c.color) for c in training.classes] == expected
    docked.wait_said("Of another number than in the file: Lake (1), soil (2).")
    saved = tmp_path / "saved.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(saved), ""))
    choose("Save the Class Scheme…")
    assert read_scheme(saved) == training.classes
    docked.click("mtmsdUndo")
    assert list(docked.classes()) == ["Lake"]
    path.write_text("1,soil,mud\n", encoding="utf-8")
    choose("Load a Class Scheme…")
    docked.wait_said("'mud' is no colour")
    assert list(docked.classes()) == ["Lake"]
