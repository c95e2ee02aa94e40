"""Do class names, colours and distinct layer names arrive in QGIS."""

from __future__ import annotations

import json

import numpy as np
from conftest import write_raster
from osgeo import gdal
from qgis.core import (
    QgsPalettedRasterRenderer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
)

from mtmsd_qgis.processing.styling import (
    ClassMapStyle,
    class_entries,
    distinct,
    layer_title,
    style_confidence,
)

CLASSES = ((3, "grass", "#11aa22"), (7, "Wässer", "#0000ff"))


def class_map(path, classes=CLASSES):
    dtype = "uint8" if classes[-1][0] < 256 else "uint16"
    write_raster(path, np.full((1, 4, 4), classes[0][0], dtype))
    dataset = gdal.Open(str(path), gdal.GA_Update)
    note = {"classes": [dict(zip(("value", "name", "color"), c)) for c in classes]}
    dataset.SetMetadataItem("MTMSD", json.dumps(note))
    dataset = None
    return path


def test_names_and_colours_of_the_file_make_the_legend_and_0_is_no_class(tmp_path):
    layer = QgsRasterLayer(str(class_map(tmp_path / "map.tif")), "map")
    ClassMapStyle().postProcessLayer(layer, QgsProcessingContext(), QgsProcessingFeedback())
    renderer = layer.renderer()
    assert isinstance(renderer, QgsPalettedRasterRenderer)
    assert [(c.value, c.label, c.color.name()) for c in renderer.classes()] == [
        (3, "grass", "#11aa22"),
        (7, "Wässer", "#0000ff"),
    ]


def test_class_values_above_255_keep_their_names(tmp_path):
    classes = ((300, "three hundred", "#010203"), (65535, "last", "#090807"))
    assert tuple(class_entries(str(class_map(tmp_path / "map.tif", classes)))) == classes


def test_a_map_without_names_keeps_qgis_own_style(tmp_path, scene):
    layer = QgsRasterLayer(str(scene), "scene")
    before = layer.renderer().type()
    ClassMapStyle().postProcessLayer(layer, QgsProcessingContext(), QgsProcessingFeedback())
    assert layer.renderer().type() == before
    assert class_entries(str(tmp_path / "nothing.tif")) == []


def test_confidence_has_one_ramp_from_0_to_1_whatever_the_data(tmp_path):
    path = write_raster(tmp_path / "c.tif", np.full((1, 4, 4), 0.5, "float32"))
    layer = QgsRasterLayer(str(path), "confidence")
    style_confidence(layer)
    shader = layer.renderer().shader().rasterShaderFunction()
    items = shader.colorRampItemList()
    assert layer.renderer().type() == "singlebandpseudocolor"
    assert [item.value for item in items] == [0, 0.25, 0.5, 0.75, 1]
    assert (items[0].color.name(), items[-1].color.name()) == ("#440154", "#fde725")
    assert shader.shade(0.5)[1:4] == (0x21, 0x91, 0x8C)


def test_no_two_layers_of_one_name(tmp_path):
    project = QgsProject.instance()
    context = QgsProcessingContext()
    context.setProject(project)
    style = ClassMapStyle()
    path = class_map(tmp_path / "map.tif")
    for _ in range(3):
        layer = QgsRasterLayer(str(path), layer_title("Class map", "potsdam"))
        project.addMapLayer(layer)
        style.postProcessLayer(layer, context, QgsProcessingFeedback())
    assert sorted(layer.name() for layer in project.mapLayers().values()) == [
        "Class map – potsdam",
        "Class map – potsdam (2)",
        "Class map – potsdam (3)",
    ]
    assert distinct("a", {"a", "a (2)"}) == "a (3)"
