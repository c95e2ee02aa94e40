"""Is the plugin shown in QGIS's language, and only while it is loaded."""

from __future__ import annotations

import pytest
from qgis.core import QgsApplication, QgsSettings

import mtmsd_qgis
from mtmsd_qgis.dock.plural import pixels_text, polygons_text


@pytest.fixture
def language():
    """Return a function that sets QGIS's language, as its options do."""
    settings = QgsSettings()

    def use(name: str) -> None:
        settings.setValue("locale/overrideFlag", True)
        settings.setValue("locale/userLocale", name)

    yield use
    settings.remove("locale/overrideFlag")
    settings.remove("locale/userLocale")


def title() -> str:
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("mtmsd:classify")
    return algorithm.displayName()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("de", "Szene klassifizieren"),
        ("de_AT", "Szene klassifizieren"),
        ("fr", "Classer une scène"),
        ("es", "Clasificar una escena"),
        ("pt_BR", "Classificar uma cena"),
        ("pt_PT", "Classificar uma cena"),
        ("zh-Hans", "对影像分类"),
        ("zh-Hant", "Classify a scene"),
        ("en_US", "Classify a scene"),
        ("nl", "Classify a scene"),
    ],
)
@pytest.mark.usefixtures("qgis_processing")
def test_algorithms_speak_qgiss_language_while_the_plugin_is_loaded(language, name, shown):
    language(name)
    plugin = mtmsd_qgis.classFactory(None)
    plugin.initProcessing()
    assert title() == shown
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("mtmsd:classify")
    assert algorithm.name() == "classify", "ids are not translated"
    plugin.unload()
    language("en")
    plugin = mtmsd_qgis.classFactory(None)
    plugin.initProcessing()
    assert title() == "Classify a scene"
    plugin.unload()


def test_numbers_of_things_agree_with_their_words(language):
    assert (polygons_text(1), polygons_text(2)) == ("1 polygon", "2 polygons")
    language("fr")
    plugin = mtmsd_qgis.classFactory(None)
    assert (polygons_text(0), polygons_text(1)) == ("0 polygone", "1 polygone")
    assert pixels_text(7) == "7 pixels"
    plugin.unload()
