"""Polygons of another layer: shown before they are taken, by number, never mixed up."""

from __future__ import annotations

import json
import shutil
import subprocess
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from conftest import BUILD, CRS, square
from docked import Docked, docked  # noqa: F401
from osgeo import gdal, ogr, osr
from qgis.core import QgsFeature, QgsProject, QgsVectorLayer
from qgis.gui import QgsFieldComboBox
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QCheckBox, QDialog, QLabel, QPushButton, QTableWidget

from mtmsd_qgis.common import class_fields
from mtmsd_qgis.state.training.import_plan import name_key


def layer_of(fields: str, rows: list[tuple], name: str = "mine") -> QgsVectorLayer:
    """A layer in memory; each row is row, column, size and the attributes."""
    columns = "".join(f"&field={field}" for field in fields.split())
    layer = QgsVectorLayer(f"Polygon?crs={CRS}{columns}", name, "memory")
    for row, col, size, *values in rows:
        feature = QgsFeature(layer.fields())
        feature.setGeometry(square(row, col, size))
        feature.setAttributes(values)
        layer.dataProvider().addFeature(feature)
    QgsProject.instance().addMapLayer(layer)
    return layer


@pytest.fixture
def opened(docked: Docked, scene: Path, tmp_path: Path) -> Docked:  # noqa: F811
    docked.open(Path(shutil.copy(scene, tmp_path / "scene.tif")))
    return docked


def table(dialog: QDialog) -> list[tuple[str, ...]]:
    shown = dialog.findChild(QTableWidget, "mtmsdImportTable")
    return [tuple(shown.item(r, c).text() for c in range(4)) for r in range(shown.rowCount())]


def take(room: Docked, dialog: QDialog) -> None:
    button = dialog.findChild(QPushButton, "mtmsdImportTake")
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    room.wait_said("taken from")


def test_classes_are_told_by_number_and_named_as_most_polygons_are(opened: Docked) -> None:
    rows = [(5, 3, 3, 4, "Wald"), (10, 3, 3, 4, "wood"), (15, 3, 3, 4, "wood"),
            (5, 30, 3, 9, "wood"), (20, 30, 3, 9, "")]  # fmt: skip
    dialog = opened.ask_import(layer_of("class_id:integer class_name:string", rows))
    assert dialog.findChild(QgsFieldComboBox).currentField() == "class_id"
    guess = dialog.findChild(QLabel, "mtmsdImportGuess").text()
    assert guess == "The field class_id was guessed by its name."
    assert table(dialog) == [("4  wood", "3", "27", "4  wood"), ("9  wood", "2", "18", "9  wood")]
    take(opened, dialog)
    training = opened.workspace.training
    assert [(c.value, c.name) for c in training.classes] == [(4, "wood"), (9, "wood")]
    assert sorted(f["class_id"] for f in training.layer.getFeatures()) == [4, 4, 4, 9, 9]


def test_the_layers_of_scp_offer_both_fields_and_the_macro_class_first(opened: Docked) -> None:
    rows = [(5 + 4 * i, 3, 3, 1 + i % 2, "ab"[i % 2], i + 1, f"roi {i}") for i in range(6)]
    fields = "macroclass_id:integer macroclass_name:string class_id:integer class_name:string"
    dialog = opened.ask_import(layer_of(fields, rows))
    combo = dialog.findChild(QgsFieldComboBox)
    assert combo.currentField() == "macroclass_id"
    assert [row[0] for row in table(dialog)] == ["1  a", "2  b"]
    combo.setField("class_id")
    opened.wait(lambda: len(table(dialog)) == 6, "not read again")
    assert table(dialog)[0][0] == "1  roi 0"
    dialog.reject()
    assert opened.workspace.training is None, "something was taken all the same"


def test_class_0_is_refused_with_the_field_and_the_number(opened: Docked) -> None:
    dialog = opened.ask_import(layer_of("class_id:integer", [(5, 3, 3, 0), (5, 30, 3, 1)]))
    assert "The field 'class_id' of 'mine' holds the class 0" in opened.import_notes(dialog)
    assert not dialog.findChild(QPushButton, "mtmsdImportTake").isEnabled()


def test_polygons_of_another_city_are_not_taken(opened: Docked) -> None:
    dialog = opened.ask_import(layer_of("class_id:integer", [(500, 3, 3, 1), (500, 30, 3, 2)]))
    assert opened.import_notes(dialog) == "None of the 2 polygons lies in the scene."
    assert not dialog.findChild(QPushButton, "mtmsdImportTake").isEnabled()


def test_what_is_outside_without_a_class_or_in_two_classes_is_said_first(opened: Docked) -> None:
    rows = [(5, 3, 4, "a"), (7, 5, 4, "b"), (500, 3, 3, "a"), (20, 20, 3, "")]
    dialog = opened.ask_import(layer_of("class:string", rows))
    assert opened.import_notes(dialog).split("\n") == [
        "Inside the scene: 2 polygons",
        "Outside, not taken: 1 polygon",
        "Without a class or a shape, not taken: 1 polygon",
        "In two classes: 4 pixels; the later polygon counts",
    ]
    take(opened, dialog)
    assert opened.workspace.training.layer.featureCount() == 2


def test_names_that_are_alike_are_merged_on_request(opened: Docked) -> None:
    rows = [(5, 3, 3, "Water"), (10, 3, 3, "water "), (15, 3, 3, "WATER"), (5, 30, 3, "soil")]
    dialog = opened.ask_import(layer_of("class:string", rows))
    assert len(table(dialog)) == 4
    box = dialog.findChild(QCheckBox, "mtmsdImportMerge")
    assert not box.isHidden()
    box.setChecked(True)
    opened.wait(lambda: len(table(dialog)) == 2, "not merged")
    take(opened, dialog)
    training = opened.workspace.training
    taken = sorted(f["class_id"] for f in training.layer.getFeatures())
    many = next(c.value for c in training.classes if c.name.lower().strip() == "water")
    assert (taken.count(many), len(taken)) == (3, 4)
    assert len(training.classes) == 2


def test_a_number_that_is_another_class_here_is_not_mixed_with_it(opened: Docked) -> None:
    opened.add_class("soil")
    dialog = opened.ask_import(
        layer_of("class_id:integer class_name:string", [(5, 3, 3, 1, "water")])
    )
    assert table(dialog) == [("1  water", "1", "9", "2  water")]
    assert "1 is another class here, so water becomes 2." in opened.import_notes(dialog)
    take(opened, dialog)
    names = {c.value: c.name for c in opened.workspace.training.classes}
    assert names == {1: "soil", 2: "water"}


def of_engine(python: str, code: str) -> Any:
    """Return what the engine's code prints as JSON."""
    environment = {"PYTHONPATH": str(BUILD / "mtmsd_qgis/core")}
    told = subprocess.run(
        [python, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(told.stdout)


def test_plugin_and_engine_have_one_list_of_field_names(engine_python: str) -> None:
    code = (
        "import json; from mtmsd.labels import class_fields as f; "
        "print(json.dumps([f.CLASS_FIELDS, f.NAME_FIELDS, f.COLOR_FIELDS]))"
    )
    names = class_fields.field_names()
    assert of_engine(engine_python, code) == [names["class"], names["name"], names["color"]]


def test_plugin_and_engine_take_the_same_names_for_alike(
    engine_python: str, tmp_path: Path
) -> None:
    odd = [*range(0x3100), *range(0xD7F0, 0xD810), *range(0xFB00, 0x10000), 0xE0041, 0xE0100]
    names = [f" \u1e9eE{chr(code)}\u0301  Rye{chr(code)}" for code in odd]
    file = tmp_path / "names.json"
    file.write_text(json.dumps(names))
    code = (
        "import json; from pathlib import Path; from unicodedata import category; "
        "from mtmsd.classes import name_key; "
        f"names = json.loads(Path({str(file)!r}).read_text()); "
        "print(json.dumps([[name_key(name), category(name[3])] for name in names]))"
    )
    theirs = of_engine(engine_python, code)
    assert theirs[ord("X")][0] == "ssex\u0301 ryex"
    differ = [
        hex(ord(name[3]))
        for name, (key, category) in zip(names, theirs)
        # a letter that the older Unicode of the two Pythons does not know has no lower case there
        if name_key(name) != key and category == unicodedata.category(name[3])
    ]
    assert differ == []


NO_PLACE = 'LOCAL_CS["local grid",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
TAKEN = "p has no coordinate system; the scene's was taken."


@pytest.mark.parametrize(
    ("driver", "ending", "crs", "said"),
    [
        ("GPKG", "gpkg", "", TAKEN),
        ("ESRI Shapefile", "shp", "", TAKEN),
        ("FlatGeobuf", "fgb", "", TAKEN),
        ("GPKG", "gpkg", NO_PLACE, "The coordinate system of p, local grid, is of no place"),
        ("GPKG", "gpkg", CRS, "Inside the scene: 2 polygons"),
        ("GeoJSON", "geojson", "", "p cannot be brought from its coordinate system, EPSG:4326"),
    ],
)
def test_a_layer_without_a_coordinate_system_is_taken_as_the_scenes_and_that_is_said(
    opened: Docked, tmp_path: Path, driver: str, ending: str, crs: str, said: str
) -> None:
    reference = osr.SpatialReference() if crs else None
    if reference is not None:
        reference.SetFromUserInput(crs)
    made = gdal.GetDriverByName(driver).Create(str(tmp_path / f"p.{ending}"), 0, 0, 0, 0)
    shapes = made.CreateLayer("p", reference, ogr.wkbPolygon)
    shapes.CreateField(ogr.FieldDefn("class_id", ogr.OFTInteger))
    for column in (3, 30):
        feature = ogr.Feature(shapes.GetLayerDefn())
        feature.SetField("class_id", 1)
        feature.SetGeometry(ogr.CreateGeometryFromWkt(square(5, column, 3).asWkt()))
        shapes.CreateFeature(feature)
    feature = shapes = made = None
    layer = QgsVectorLayer(str(tmp_path / f"p.{ending}"), "p", "ogr")
    assert layer.isValid()
    QgsProject.instance().addMapLayer(layer)
    dialog = opened.ask_import(layer)
    lines = opened.import_notes(dialog).split("\n")
    assert lines[0].startswith(said)
    if driver == "GeoJSON":  # it is of degrees, whatever is meant
        assert (len(lines), table(dialog)) == (1, [])
    else:
        assert table(dialog) == [("1  class 1", "2", "18", "1  class 1")]
        assert (len(lines) == 1) == (crs == CRS)
