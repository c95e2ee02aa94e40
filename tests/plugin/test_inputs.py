"""Does the engine get what the user sees: memory layers, subsets, edits, colours."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import memory_polygons, square
from osgeo import ogr
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsField,
    QgsFillSymbol,
    QgsProcessingException,
    QgsRasterLayer,
    QgsRendererCategory,
    QgsVectorLayer,
)

from mtmsd_qgis.processing.inputs import labels_file, raster_source


def read(source: str) -> list[dict]:
    """Return the features that the engine will see, with their areas."""
    path, _, layer = source.partition("|layername=")
    dataset = ogr.Open(path)
    found = dataset.GetLayerByName(layer) if layer else dataset.GetLayer(0)
    return [f.items() | {"area": f.GetGeometryRef().GetArea()} for f in found]


def field(name: str) -> QgsField:
    """Return a field of whole numbers."""
    return QgsVectorLayer(f"NoGeometry?field={name}:integer", "", "memory").fields().at(0)


def categorized(layer: QgsVectorLayer, attribute: str, colors: dict) -> QgsVectorLayer:
    categories = [
        QgsRendererCategory(value, QgsFillSymbol.createSimple({"color": color}), str(value))
        for value, color in colors.items()
    ]
    layer.setRenderer(QgsCategorizedSymbolRenderer(attribute, categories))
    return layer


def test_a_plain_file_is_passed_as_it_is(polygons, tmp_path):
    layer = QgsVectorLayer(f"{polygons}|layername=training", "x")
    assert labels_file(layer)(tmp_path) == f"{polygons}|layername=training"
    assert list(tmp_path.glob("*.gpkg")) == []


def test_a_layer_that_is_named_only_by_its_file_is_named_for_the_engine(polygons, tmp_path):
    with_style = tmp_path / "styled.gpkg"
    shutil.copyfile(polygons, with_style)
    layer = QgsVectorLayer(str(with_style), "x")
    layer.saveStyleToDatabase("mine", "", True, "")  # adds a table that GDAL sees as a layer
    assert labels_file(layer)(tmp_path) == f"{with_style}|layername=training"


def test_a_memory_layer_is_written_whole_under_its_name(tmp_path):
    source = labels_file(memory_polygons("Wiesen & Wasser/2"))(tmp_path)
    assert source == f"{tmp_path}/Wiesen _ Wasser_2.gpkg|layername=Wiesen _ Wasser_2"
    written = read(source)
    assert [f["class_id"] for f in written] == [3, 3, 3, 3, 7, 7, 7, 7]
    assert [f["class_name"] for f in written] == ["grass"] * 4 + ["water"] * 4
    assert {f["area"] for f in written} == {(4 * 30.0) ** 2}
    dataset = ogr.Open(source.split("|")[0])
    assert dataset.GetLayer(0).GetSpatialRef().GetAuthorityCode(None) == "32633"


def test_two_layers_of_one_name_get_two_files(tmp_path):
    first = labels_file(memory_polygons("same"))(tmp_path)
    second = labels_file(memory_polygons("same"))(tmp_path)
    assert first != second
    assert len(read(first)) == len(read(second)) == 8


def test_a_subset_is_what_the_user_sees(polygons, tmp_path):
    layer = QgsVectorLayer(f"{polygons}|layername=training", "x")
    assert layer.setSubsetString("class_id = 7")
    assert [f["class_id"] for f in read(labels_file(layer)(tmp_path))] == [7] * 4


def test_unsaved_edits_count(polygons, tmp_path):
    layer = QgsVectorLayer(f"{polygons}|layername=training", "x")
    assert layer.startEditing()
    added = QgsFeature(layer.fields())
    added.setGeometry(square(0, 36, 2))
    added["class_id"] = 9
    assert layer.addFeature(added)
    assert sorted(f["class_id"] for f in read(labels_file(layer)(tmp_path)))[-1] == 9
    layer.rollBack()


def test_a_computed_class_field_and_another_crs_are_written_out(polygons, tmp_path):
    layer = QgsVectorLayer(f"{polygons}|layername=training", "x")
    layer.addExpressionField("class_id * 10", field("tens"))
    assert [f["tens"] for f in read(labels_file(layer)(tmp_path))] == [30] * 4 + [70] * 4
    moved = QgsVectorLayer(f"{polygons}|layername=training", "moved")
    moved.setCrs(QgsCoordinateReferenceSystem("EPSG:32632"))
    dataset = ogr.Open(labels_file(moved)(tmp_path).split("|")[0])
    assert dataset.GetLayer(0).GetSpatialRef().GetAuthorityCode(None) == "32632"


def test_category_colours_travel_whichever_field_they_are_by(polygons, tmp_path):
    wanted = ["#11aa22"] * 4 + ["#0000ff"] * 4
    by_number = categorized(memory_polygons(), "class_id", {3: "#11aa22", 7.0: "#0000ff"})
    assert [f["color"] for f in read(labels_file(by_number)(tmp_path))] == wanted
    by_name = categorized(
        QgsVectorLayer(f"{polygons}|layername=training", "x"),
        "class_name",
        {"grass": "#11aa22", "water": "#0000ff", "": "#999999"},
    )
    assert [f["color"] for f in read(labels_file(by_name)(tmp_path))] == wanted
    by_expression = categorized(memory_polygons(), "class_id > 5", {0: "#11aa22", 1: "#0000ff"})
    assert [f["color"] for f in read(labels_file(by_expression)(tmp_path))] == wanted


def test_a_field_called_fid_with_repeated_values_is_no_obstacle(tmp_path):
    layer = memory_polygons()
    layer.dataProvider().addAttributes([field("fid")])
    layer.updateFields()
    layer.startEditing()
    for feature in layer.getFeatures():
        layer.changeAttributeValue(feature.id(), 2, 1)
    layer.commitChanges()
    assert [f["fid"] for f in read(labels_file(layer)(tmp_path))] == [1] * 8


def test_what_was_prepared_stays_when_the_layer_changes_or_goes(tmp_path):
    layer = memory_polygons()
    write = labels_file(layer)
    layer.dataProvider().truncate()
    del layer
    assert len(read(write(tmp_path))) == 8


def test_only_the_selected_polygons_and_a_sentence_where_there_are_none(polygons, scene, tmp_path):
    layer = QgsVectorLayer(f"{polygons}|layername=training", "fields")
    for of_none in (layer, QgsRasterLayer(str(scene), "fields")):
        with pytest.raises(QgsProcessingException) as caught:
            labels_file(of_none, selected=True)
        assert str(caught.value).startswith("No polygon of the layer 'fields' is selected; select")
    layer.selectByExpression("class_id = 7")
    write = labels_file(layer, selected=True)
    layer.removeSelection()
    assert [f["class_id"] for f in read(write(tmp_path))] == [7] * 4


def test_a_label_raster_is_passed_by_its_path(scene, tmp_path):
    assert labels_file(QgsRasterLayer(str(scene), "x"))(tmp_path) == str(scene)


def test_a_raster_that_only_qgis_can_read_is_refused_by_name_and_provider():
    layer = QgsRasterLayer("type=xyz&url=file:///tiles/{z}/{x}/{y}.png", "Tiles", "wms")
    with pytest.raises(QgsProcessingException) as caught:
        raster_source(layer)
    assert str(caught.value) == (
        "The raster layer 'Tiles' comes from the provider 'wms', which the engine cannot read; "
        "save it as a GeoTIFF and use that."
    )


def test_relative_paths_become_absolute_for_the_engine_works_elsewhere(scene, monkeypatch):
    monkeypatch.chdir(scene.parent)
    assert raster_source(QgsRasterLayer(scene.name, "x")) == str(scene)


def test_open_options_do_not_reach_the_path(scene):
    layer = QgsRasterLayer(f"{scene}|option:NUM_THREADS=2", "x")
    assert layer.isValid()
    assert raster_source(layer) == str(scene)


def test_a_folder_that_cannot_be_written_is_a_sentence_with_the_layers_name():
    with pytest.raises(QgsProcessingException, match=r"^The layer 'my polygons' could not be"):
        labels_file(memory_polygons())(Path("/proc/nowhere"))
