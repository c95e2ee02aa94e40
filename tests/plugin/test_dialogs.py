"""The Toolbox's dialogs: a raster among the labels ended QGIS."""

from __future__ import annotations

import pytest
from conftest import memory_polygons
from processing.gui.AlgorithmDialog import AlgorithmDialog
from qgis.core import QgsProcessingContext, QgsProject, QgsRasterLayer


@pytest.fixture
def dialog(qgis_iface, provider, monkeypatch):
    """Return a function that opens an algorithm's dialog."""
    monkeypatch.setattr(qgis_iface, "browserModel", lambda: None, raising=False)
    opened = []

    def open_dialog(name: str) -> AlgorithmDialog:
        opened.append(AlgorithmDialog(provider.algorithm(name).create(), False))
        return opened[-1]

    yield open_dialog
    for window in opened:
        window.close()
        window.deleteLater()


@pytest.mark.parametrize("name", ["map", "train", "assess"])
def test_a_raster_as_labels_does_not_end_qgis_and_polygons_offer_their_fields(dialog, scene, name):
    raster, polygons = QgsRasterLayer(str(scene), "a raster"), memory_polygons()
    QgsProject.instance().addMapLayer(raster)
    window = dialog(name)  # QGIS's own field chooser would end QGIS here
    wrappers = window.mainWidget().wrappers
    chooser = wrappers["CLASS_FIELD"].widget
    assert not chooser.isEnabled()
    QgsProject.instance().addMapLayer(polygons)
    wrappers["LABELS"].setParameterValue(polygons.id(), QgsProcessingContext())
    assert chooser.isEnabled()
    assert [chooser.itemText(i) for i in range(chooser.count())] == ["", "class_id", "class_name"]
    assert wrappers["CLASS_FIELD"].parameterValue() is None
    wrappers["CLASS_FIELD"].setParameterValue("class_name", QgsProcessingContext())
    assert wrappers["CLASS_FIELD"].parameterValue() == "class_name"
    wrappers["LABELS"].setParameterValue(raster.id(), QgsProcessingContext())
    assert wrappers["CLASS_FIELD"].parameterValue() is None


@pytest.mark.parametrize(
    ("name", "source"),
    [("pretrain", "INPUT"), ("classify", "INPUT"), ("vectorize", "MAP"),
     ("nextlabels", "PROBABILITIES"), ("change", "BEFORE")],
)  # fmt: skip
def test_the_other_dialogs_open(dialog, name, source):
    assert set(dialog(name).mainWidget().wrappers) > {source, "OUTPUT"}
