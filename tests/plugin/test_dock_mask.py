"""The mask of a scene: chosen in the dock, counted by the engine, remembered by its file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import square, write_raster
from docked import Docked, docked  # noqa: F401
from qgis.core import (
    QgsFeature,
    QgsProject,
    QgsRasterLayer,
    QgsVectorFileWriter,
    QgsVectorLayer,
)

from mtmsd_qgis.gui.widgets.section import DONE, WRONG
from mtmsd_qgis.state.scene_mask import mask_key, mask_parameters


@pytest.fixture
def own(scene: Path, tmp_path: Path) -> Path:
    """A folder of its own with a scene and a mask."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(scene, folder / "scene.tif")
    return folder


def clouds(path: Path, value: int = 1) -> QgsRasterLayer:
    """Add a mask of 4 × 5 px."""
    data = np.zeros((1, 32, 40), "uint8")
    data[0, :4, :5] = value
    layer = QgsRasterLayer(str(write_raster(path, data)), path.stem)
    QgsProject.instance().addMapLayer(layer)
    return layer


def pick(room: Docked, text: str) -> None:
    """Choose an entry of the mask chooser as a user does."""
    combo = room.part("mtmsdMaskLayer")
    index = combo.findText(text)
    assert index >= 0, [combo.itemText(i) for i in range(combo.count())]
    combo.setCurrentIndex(index)
    combo.activated.emit(index)


def masked(room: Docked) -> str:
    """Wait for what the engine says of the scene with its mask."""
    room.wait(lambda: room.workspace.facts or room.workspace.facts_error, "no facts")
    return room.text("mtmsdScene_nodata")


def test_a_mask_is_counted_and_goes_into_every_run(docked: Docked, own: Path):  # noqa: F811
    docked.open(own / "scene.tif")
    assert docked.text("mtmsdScene_nodata") == "0 %" or "masked" not in masked(docked)
    layer = clouds(own / "clouds.tif")
    pick(docked, "clouds")
    assert "20 px masked" in masked(docked)
    state = docked.workspace.state
    assert state.mask == own / "clouds.tif"
    assert mask_parameters(state) == {"MASKS": [layer.id()], "MASK_CHOICE": ""}
    assert docked.dock.pretraining._parameters(own / "m.safetensors")["MASKS"] == [layer.id()]
    before = mask_key(state)
    clouds(own / "clouds.tif", 0)
    assert mask_key(state) != before
    pick(docked, "No mask")
    assert "masked" not in masked(docked)
    assert mask_parameters(docked.workspace.state) == {}


def test_bits_of_a_mask_are_chosen(docked: Docked, own: Path):  # noqa: F811
    docked.open(own / "scene.tif")
    clouds(own / "QA.tif", 1 << 3)
    pick(docked, "QA")
    masked(docked)
    choice = docked.part("mtmsdMaskChoice")
    choice.setText("bits=2")
    choice.editingFinished.emit()
    assert "0 px masked" in masked(docked)
    choice.setText("bits=9")
    choice.editingFinished.emit()
    docked.wait(lambda: docked.workspace.facts_error, "a wrong bit is not said")
    assert docked.dock.scene.kind == WRONG
    assert "has no bit 9" in docked.workspace.facts_error


def test_the_mask_is_remembered_relative_to_the_project(docked: Docked, own: Path):  # noqa: F811
    project = QgsProject.instance()
    project.write(str(own / "p.qgs"))
    docked.open(own / "scene.tif")
    shape = QgsVectorLayer("Polygon?crs=EPSG:32633", "clouds", "memory")
    feature = QgsFeature()
    feature.setGeometry(square(0, 0))
    shape.dataProvider().addFeature(feature)
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.layerName = "clouds"
    file = str(own / "clouds.gpkg")
    QgsVectorFileWriter.writeAsVectorFormatV3(shape, file, project.transformContext(), options)
    layer = QgsVectorLayer(f"{file}|layername=clouds", "clouds", "ogr")
    project.addMapLayer(layer)
    pick(docked, "clouds")
    assert "16 px masked" in masked(docked)
    project.write(str(own / "p.qgs"))
    entry = json.loads(project.readEntry("mtmsd", "scenes", "")[0])
    assert entry["scenes"][0]["state"]["mask"] == "./clouds.gpkg|layername=clouds"
    moved = own.parent / "moved"
    shutil.move(own, moved)
    project.clear()
    assert project.read(str(moved / "p.qgs"))
    docked.dock.scene.take_first()
    assert str(docked.workspace.state.mask) == f"{moved / 'clouds.gpkg'}|layername=clouds"
    assert docked.part("mtmsdMaskLayer").currentText() == "clouds"
    assert "16 px masked" in masked(docked)


def test_a_mask_that_left_the_project_still_counts(docked: Docked, own: Path):  # noqa: F811
    docked.open(own / "scene.tif")
    layer = clouds(own / "clouds.tif")
    pick(docked, "clouds")
    QgsProject.instance().removeMapLayer(layer.id())
    assert docked.part("mtmsdMaskLayer").currentText() == "clouds.tif"
    assert mask_parameters(docked.workspace.state)["MASKS"] == [str(own / "clouds.tif")]
    assert "20 px masked" in masked(docked)


def test_a_layer_without_a_file_is_no_mask(docked: Docked, own: Path):  # noqa: F811
    docked.open(own / "scene.tif")
    scratch = QgsVectorLayer("Polygon?crs=EPSG:32633", "scratch", "memory")
    QgsProject.instance().addMapLayer(scratch)
    pick(docked, "scratch")
    assert docked.workspace.state.mask is None
    assert "the layer scratch has none; save it" in docked.said[-1]
    assert docked.part("mtmsdMaskLayer").currentText() == "No mask"


def test_masks_of_the_product_are_one_choice(docked: Docked, own: Path):  # noqa: F811
    shutil.move(own / "scene.tif", own / "ENMAP01-L2A-SPECTRAL_IMAGE.TIF")
    data = np.zeros((1, 32, 40), "uint8")
    data[0, :3, :3] = 1
    write_raster(own / "ENMAP01-L2A-QL_QUALITY_CLOUD.TIF", data)
    docked.open(own / "ENMAP01-L2A-SPECTRAL_IMAGE.TIF")
    pick(docked, "Masks of the product")
    assert "9 px masked" in masked(docked)
    assert docked.dock.scene.kind == DONE
    assert mask_parameters(docked.workspace.state) == {"PRODUCT_MASKS": True}
