"""The models that the provider brings: run by qgis_process and in the language of QGIS."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import BUILD, ROOT, halves, write_raster
from osgeo import gdal, ogr
from qgis.core import QgsApplication, QgsProcessingModelAlgorithm, QgsRasterLayer, QgsSettings

import mtmsd_qgis

sys.path.insert(0, str(ROOT / "tools"))
from qgis_headless import find_qgis_process, headless_environment

NAMES = {
    "map_and_report": "INPUT LABELS CLASS_FIELD VALIDATION CLASSIFIER "
    "assess:OUTPUT classify:CONFIDENCE classify:OUTPUT train:OUTPUT",
    "map_another_scene": "INPUT CLASSIFIER classify:CONFIDENCE classify:OUTPUT "
    "vectorize:AREAS vectorize:OUTPUT",
    "assess_and_polygonize": "MAP CONFIDENCE LABELS CLASS_FIELD "
    "assess:OUTPUT vectorize:AREAS vectorize:OUTPUT",
}


@pytest.mark.slow
@pytest.mark.usefixtures("engine_python")
def test_every_model_headless_by_qgis_process(scene, polygons, tmp_path):
    environment = headless_environment(tmp_path / "profile", BUILD)
    program = find_qgis_process(environment)
    enable = [program, "plugins", "enable", "mtmsd_qgis"]
    subprocess.run(enable, env=environment, check=True, capture_output=True)

    def run(name: str, **files: object) -> None:
        given = [f"{key.replace('__', ':')}={value}" for key, value in files.items()]
        done = subprocess.run(
            [program, "--json", "run", f"mtmsd:{name}", "--", *given],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-500:] + done.stdout[-500:]
        results = json.loads(done.stdout[done.stdout.index("{") :])["results"]
        for key, path in files.items():
            if "__" in key:
                assert Path(results[key.replace("__", ":")]).samefile(tmp_path / str(path))

    def classes(path: str) -> tuple[float, float]:
        values = gdal.Open(str(tmp_path / path)).ReadAsArray()
        return (values[8:, :16] == 3).mean(), (values[8:, 24:] == 7).mean()

    def pixels(path: str) -> int:
        dataset = ogr.Open(str(tmp_path / path))
        return sum(feature.GetField("pixels") for feature in dataset.GetLayer(0))

    run("map_and_report", INPUT=scene, LABELS=polygons, CLASS_FIELD="class_id", CLASSIFIER="svm",
        classify__OUTPUT="map.tif", classify__CONFIDENCE="confidence.tif",
        train__OUTPUT="classifier.safetensors", assess__OUTPUT="report.html")  # fmt: skip
    assert min(classes("map.tif")) > 0.9
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["overall"] > 0.9

    other = write_raster(tmp_path / "other.tif", halves()[:, :, ::-1].copy())
    run("map_another_scene", INPUT=other, CLASSIFIER="classifier.safetensors",
        classify__OUTPUT="other map.tif", vectorize__OUTPUT="other.gpkg",
        vectorize__AREAS="areas.csv")  # fmt: skip
    assert max(classes("other map.tif")) < 0.1, "the scene is mirrored"
    mapped = int((gdal.Open(str(tmp_path / "other map.tif")).ReadAsArray() > 0).sum())
    assert pixels("other.gpkg") == mapped
    assert "water" in (tmp_path / "areas.csv").read_text("utf-8")

    run("assess_and_polygonize", MAP="map.tif", CONFIDENCE="confidence.tif", LABELS=polygons,
        assess__OUTPUT="independent.html", vectorize__OUTPUT="regions.gpkg")  # fmt: skip
    assert json.loads((tmp_path / "independent.json").read_text("utf-8"))["overall"] > 0.9
    assert pixels("regions.gpkg") == int(
        (gdal.Open(str(tmp_path / "map.tif")).ReadAsArray() > 0).sum()
    )


def test_reference_polygons_judge_the_map_of_the_first_model(
    provider, processing, engine_python, scene, polygons, tmp_path
):
    values = np.zeros((1, 32, 40), "uint8")
    values[:, 30:, :18], values[:, 30:, 22:] = 3, 7  # where nothing was trained
    reference = write_raster(tmp_path / "reference.tif", values)
    given = {"INPUT": str(scene), "LABELS": str(polygons), "VALIDATION": str(reference)}
    report, class_map = tmp_path / "r.html", tmp_path / "m.tif"
    classifier = tmp_path / "c.safetensors"
    results = processing.run(
        "mtmsd:map_and_report",
        {**given, "CLASSIFIER": "svm", "assess:OUTPUT": str(report),
         "classify:OUTPUT": str(class_map), "train:OUTPUT": str(classifier)},
    )  # fmt: skip
    assert QgsRasterLayer(results["classify:OUTPUT"]).isValid()
    assert results["CHILD_RESULTS"]["assess"]["OVERALL_ACCURACY"] > 0.9
    assert json.loads(report.with_suffix(".json").read_text("utf-8"))["n"] == 72
    assert results["CHILD_RESULTS"]["train"]["OUTPUT"] == str(classifier)


@pytest.mark.parametrize("name", NAMES)
def test_models_are_the_providers_own_with_fixed_names(provider, name):
    model = provider.algorithm(name)
    assert isinstance(model, QgsProcessingModelAlgorithm)
    assert model.id() == f"mtmsd:{name}"
    assert [p.name() for p in model.parameterDefinitions()] == NAMES[name].split()
    copy = model.create()
    assert [p.name() for p in copy.parameterDefinitions()] == NAMES[name].split()
    assert model.validate() == (True, [])


@pytest.mark.parametrize("name", NAMES)
def test_help_speaks_of_every_parameter(provider, name):
    text = provider.algorithm(name).shortHelpString()
    for parameter in provider.algorithm(name).parameterDefinitions():
        assert parameter.description() in text
    assert f"resources/models/{name}.model3" in text
    assert (BUILD / f"mtmsd_qgis/resources/models/{name}.model3").is_file()


@pytest.fixture
def german():
    settings = QgsSettings()
    settings.setValue("locale/overrideFlag", True)
    settings.setValue("locale/userLocale", "de")
    yield
    settings.remove("locale/overrideFlag")
    settings.remove("locale/userLocale")


@pytest.mark.usefixtures("qgis_processing", "german")
def test_models_speak_qgiss_language():
    plugin = mtmsd_qgis.classFactory(None)
    plugin.initProcessing()
    model = QgsApplication.processingRegistry().createAlgorithmById("mtmsd:map_and_report")
    titles = {p.name(): p.description() for p in model.parameterDefinitions()}
    assert titles["INPUT"] == "Szene"
    assert titles["LABELS"] == "Trainingspolygone"
    assert titles["classify:OUTPUT"] == "Klassenkarte"
    classifiers = dict(
        model.parameterDefinition("CLASSIFIER").metadata()["widget_wrapper"]["names"]
    )
    assert classifiers["rf"] == "Random Forest"
    plugin.unload()


def test_a_provider_that_is_taken_away_before_it_is_added_loads_no_model():
    from mtmsd_qgis.processing.provider import MtmsdProvider

    provider = MtmsdProvider()
    provider.load()
    assert provider.algorithm("map_and_report") is None
    provider.unload()
    provider.unload()
