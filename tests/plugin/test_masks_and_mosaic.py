"""Masks and mosaics from the Toolbox, with the real engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import halves, square
from osgeo import gdal
from qgis.core import QgsFeature, QgsProcessingException, QgsProject, QgsVectorLayer

pytestmark = pytest.mark.usefixtures("engine_python")


def pixels(path: str | Path) -> np.ndarray:
    return gdal.Open(str(path)).ReadAsArray()


def clouds() -> QgsVectorLayer:
    """Add a layer of the project that is only in memory: 4 × 4 px in the upper right corner."""
    layer = QgsVectorLayer("Polygon?crs=EPSG:32633", "clouds", "memory")
    feature = QgsFeature()
    feature.setGeometry(square(0, 36))
    layer.dataProvider().addFeature(feature)
    QgsProject.instance().addMapLayer(layer)
    return layer


def test_a_masked_map_and_its_mosaic(provider, processing, scene, polygons, tmp_path):
    files = {name: str(tmp_path / f"{name}.tif") for name in ("OUTPUT", "PROBABILITIES")}
    made = processing.run(
        "mtmsd:map",
        {"INPUT": str(scene), "LABELS": str(polygons), "CLASSIFIER": "svm", "HOLDOUT": 0,
         "MASKS": [clouds().id()], **files},
    )  # fmt: skip
    values = pixels(made["OUTPUT"])
    hidden = np.isnan(halves()[0])
    hidden[:4, 36:] = True
    np.testing.assert_array_equal(values == 0, hidden)
    joined = processing.runAndLoadResults(
        "mtmsd:mosaic",
        {"PROBABILITIES": [made["PROBABILITIES"]], "OUTPUT": str(tmp_path / "mosaic.tif")},
    )
    np.testing.assert_array_equal(pixels(joined["OUTPUT"]), values)
    names = {x.name(): x for x in QgsProject.instance().mapLayers().values()}
    legend = [c.label for c in names["Class map – mosaic"].renderer().classes()]
    assert legend[:2] == ["grass", "water"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"MASK_CHOICE": "10,11"}, "'10,11' does not say what of a mask is meant; write bits"),
        ({"MASKS": ["/no/such.tif"]}, "1 of 1 masks cannot be opened: /no/such.tif"),
    ],
)
def test_masks_that_cannot_be_are_one_sentence(run, scene, tmp_path, changes, sentence):
    given = {"INPUT": str(scene), "OUTPUT": str(tmp_path / "m.safetensors"), **changes}
    with pytest.raises(QgsProcessingException, match=sentence):
        run("pretrain", given)
