"""Is the plugin shown in QGIS's language, and only while it is loaded."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator

import pytest
from conftest import ROOT
from osgeo import gdal
from qgis.core import QgsApplication, QgsSettings
from qgis.PyQt.QtCore import QCoreApplication, QLocale, QTranslator

import mtmsd_qgis
from mtmsd_qgis.common.numbers import plain
from mtmsd_qgis.common.plural import pixels_text, polygons_text
from mtmsd_qgis.common.translation import help_page, translated
from mtmsd_qgis.engine.interpreter import BROKEN, Engine, probe
from mtmsd_qgis.engine.job import Job
from mtmsd_qgis.processing.styling import class_entries
from mtmsd_qgis.setup import doctor
from mtmsd_qgis.setup.install_errors import MISSING_WHEEL, TROUBLES, UNKNOWN, explain
from mtmsd_qgis.setup.plan import size
from mtmsd_qgis.state.training.classes import added
from mtmsd_qgis.state.training.label_sources import _class_number

sys.path.insert(0, str(ROOT / "tools"))
import help_pages


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


@pytest.fixture
def speaking(language) -> Iterator[Callable[[str], None]]:
    """Return a function that loads the plugin in a language."""
    plugins = []

    def load(name: str) -> None:
        language(name)
        plugins.append(mtmsd_qgis.classFactory(None))

    yield load
    for plugin in plugins:
        plugin.unload()


@pytest.mark.parametrize("name", ["de", "fr", "es", "pt", "zh-Hans"])
def test_every_trouble_of_the_set_up_is_told_in_the_language(speaking, name):
    texts = [text for trouble in TROUBLES for text in (trouble.sentence, trouble.remedy)]
    texts += [*MISSING_WHEEL, *UNKNOWN]
    speaking(name)
    words = dict.fromkeys(("folder", "index", "python", "wheels", "torch", "package", "last"), "X")
    for text in texts:
        shown = translated(text)
        assert shown != text
        assert shown.format(**words).count("X") == text.format(**words).count("X")


def test_an_interpreter_that_is_gone_or_broken_is_told_in_german(speaking, tmp_path, monkeypatch):
    speaking("de")
    monkeypatch.setenv("MTMSD_PYTHON", "/gone/python")
    assert Engine().state().sentence == (
        "Das Python der Engine /gone/python, bestimmt durch die Umgebungsvariable MTMSD_PYTHON, "
        "gibt es nicht."
    )
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nkill -SEGV $$\n")
    python.chmod(0o755)
    state = probe(str(python), "die Einrichtung")
    assert (state.status, state.sentence) == (
        BROKEN,
        f"{python} wurde beendet (SIGSEGV), als darin die Engine gesucht wurde (keine Meldung). "
        "Wählen Sie einen anderen Interpreter für die Engine (jetzt bestimmt durch die "
        "Einrichtung).",
    )


def test_a_job_that_is_killed_is_told_in_german(speaking, child):
    speaking("de")
    python = child("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    outcome = Job.start(python, "info", {}).follow(lambda _: None, lambda: False)
    assert outcome.sentence.startswith(
        "Die Engine wurde beendet (SIGKILL), bevor sie ein Ergebnis hatte (vielleicht reichte der "
        "Speicher nicht). Das Protokoll ist "
    )


def test_a_set_up_is_planned_refused_and_judged_in_german(speaking, stage, tmp_path):
    speaking("de")
    plan = stage.from_folder()
    assert plan.sentences()[0].endswith("Bewertung. Rechnet auf dem Prozessor.")
    assert plan.sentences()[1] == f"Aus dem Ordner {stage.wheels}; kein Netz wird benutzt."
    file = tmp_path / "datei"
    file.touch()
    assert stage.plan(file).refusal() == f"{file} ist eine Datei. Wählen Sie einen Ordner."
    assert explain("[Errno 28] No space left on device", plan)[0] == (
        f"Der Datenträger von {stage.engine} ist voll."
    )
    assert doctor.judge(["Bus error"], -7, "/x/python").sentence == (
        "/x/python wurde beendet (SIGBUS), als die Engine geprüft wurde (Bus error)."
    )


@pytest.fixture
def german_numbers():
    before = QLocale()
    QLocale.setDefault(QLocale("de_DE"))
    yield
    QLocale.setDefault(before)


@pytest.mark.usefixtures("german_numbers")
def test_numbers_of_axes_sizes_and_refusals_have_a_german_comma():
    assert (plain(0.25), plain(30), plain(0.004567, 2)) == ("0,25", "30", "0,0046")
    assert size(1_700_000_000) == "1,7 GB"
    with pytest.raises(ValueError, match="holds the class 1,5"):
        _class_number(1.5, "id", "layer")


class Marked(QTranslator):
    """A language whose words are the English ones in quotes."""

    def isEmpty(self) -> bool:
        return False

    def translate(self, context: str, text: str, *_: object) -> str:
        return f"«{text}»"


@pytest.fixture
def marked() -> Iterator[None]:
    translator = Marked()
    QCoreApplication.installTranslator(translator)
    yield
    QCoreApplication.removeTranslator(translator)


@pytest.mark.usefixtures("marked")
def test_a_new_class_and_the_class_of_doubtful_pixels_are_named_in_the_language(tmp_path):
    assert added([])[0].name == "«class 1»"
    path = str(tmp_path / "map.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(path, 2, 2)
    named = ((1, "unknown"), (255, "unknown (2)"))  # the user's, and the engine's
    classes = [{"value": v, "name": name, "color": "#112233"} for v, name in named]
    dataset.SetMetadataItem("MTMSD", json.dumps({"classes": classes, "unknown": 255}))
    dataset = None
    assert [name for _, name, _ in class_entries(path)] == ["unknown", "«unknown»"]


@pytest.mark.parametrize(
    ("name", "folder"), [("de_AT", "de"), ("zh-Hans", "zh"), ("zh-Hant", "help"), ("nl", "help")]
)
def test_help_is_in_the_users_language_where_there_is_one(language, name, folder):
    language(name)
    assert help_page("train").parent.name == folder


@pytest.mark.parametrize("folder", ["de", "es", "fr", "pt", "zh"])
def test_every_help_page_is_translated_as_it_is_now(folder):
    pages = help_pages.translations()
    there = {own.name: own for own in pages if own.parent.name == folder}
    assert there.keys() == {page.name for page in help_pages.PAGE.parent.glob("*.html")}
    for name, own in there.items():
        text, english = (path.read_text(encoding="utf-8") for path in (own, pages[own]))
        assert text.startswith(help_pages.stamp_of(pages[own])), f"{name} is behind the English one"
        for part in (r"<(/?\w+)", r'href="([^"]*)"'):
            assert re.findall(part, text) == re.findall(part, english), name
