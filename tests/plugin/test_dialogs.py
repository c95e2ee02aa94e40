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


@pytest.mark.parametrize("name", ["map", "train", "assess", "map_and_report"])
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


def test_lists_show_readable_names_and_give_the_values_that_scripts_use(dialog):
    wrappers = dialog("map").mainWidget().wrappers
    expected = {
        "PRESET": ("balanced", {"quick": "Quick: a first look", "paper": "Paper: as published"}),
        "CLASSIFIER": ("auto", {"svm": "Support vector machine", "rf": "Random forest"}),
        "SPLIT": ("auto", {"cross": "Spatial cross-validation"}),
        "DEVICE": ("auto", {"cpu": "Processor (CPU)", "cuda:1": "Graphics card 2 (CUDA)"}),
    }
    for name, (default, shown) in expected.items():
        wrapper = wrappers[name]
        assert wrapper.parameterValue() == default
        for value, text in shown.items():
            wrapper.setParameterValue(value, QgsProcessingContext())
            assert wrapper.widget.currentText().startswith(text)
            assert wrapper.parameterValue() == value


def test_no_list_of_the_toolbox_shows_a_word_of_the_command_line(provider):
    for algorithm in provider.algorithms():
        for parameter in algorithm.parameterDefinitions():
            if parameter.type() == "enum":
                names = parameter.metadata()["widget_wrapper"]["names"]
                assert [value for value, _ in names] == parameter.options()
                assert all(name != value for value, name in names), parameter.name()
