"""From polygons to a styled map with the real engine: run, in a model, in batch, headless."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import BUILD, ROOT, Feedback, halves, memory_polygons, write_raster
from osgeo import gdal
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsFillSymbol,
    QgsProcessingException,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterRasterLayer,
    QgsProject,
    QgsRendererCategory,
)

from mtmsd_qgis.engine.process import is_alive

sys.path.insert(0, str(ROOT / "tools"))
from qgis_headless import find_qgis_process, headless_environment

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("engine_python")]

LEARN = "iterations=10 batch_size=2 components=4"
FIT = (
    "timesteps=100,500 blocks=1,5 channels=32 members=1 epochs=8 samples_per_epoch=500 "
    "classifier.learning_rate=6e-3"  # none is looked for
)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pixels(path: str | Path) -> np.ndarray:
    return gdal.Open(str(path)).ReadAsArray()


def assert_is_the_map_of_two_halves(path: str | Path) -> None:
    """The scene's grid, its nodata, the classes' own numbers, and mostly the right half."""
    found, dataset = pixels(path), gdal.Open(str(path))
    assert dataset.GetGeoTransform() == (300000, 30, 0, 5800000, 0, -30)
    assert set(np.unique(found)) == {0, 3, 7}
    np.testing.assert_array_equal(found == 0, np.isnan(halves()[0]))
    assert (found[:, :16][found[:, :16] > 0] == 3).mean() > 0.9
    assert (found[:, 24:] == 7).mean() > 0.9


@pytest.fixture
def colored_polygons():
    """A memory layer in the project, styled by categories."""
    layer = memory_polygons()
    categories = [
        QgsRendererCategory(value, QgsFillSymbol.createSimple({"color": color}), "")
        for value, color in ((3, "#11aa22"), (7, "#0000ff"))
    ]
    layer.setRenderer(QgsCategorizedSymbolRenderer("class_id", categories))
    QgsProject.instance().addMapLayer(layer)
    return layer


def test_from_polygons_in_memory_to_a_styled_map_in_the_project(
    provider, processing, scene, colored_polygons, tmp_path, feedback
):
    parameters = {
        "INPUT": str(scene),
        "LABELS": colored_polygons,
        "PRESET": "quick",
        "SETTINGS": f"{LEARN} {FIT}",
        "OUTPUT": "TEMPORARY_OUTPUT",
        "CONFIDENCE": str(tmp_path / "confidence.tif"),
        "REPORT": str(tmp_path / "report.html"),
        "OUTPUT_MODEL": str(tmp_path / "model.safetensors"),
    }
    results = processing.runAndLoadResults("mtmsd:map", parameters, feedback=feedback)
    layers = {layer.name(): layer for layer in QgsProject.instance().mapLayers().values()}
    class_map = layers["Class map – two halves"]
    assert_is_the_map_of_two_halves(class_map.source())
    legend = [(c.value, c.label, c.color.name()) for c in class_map.renderer().classes()]
    assert legend == [(3, "grass", "#11aa22"), (7, "water", "#0000ff")]
    confidence = layers["Confidence – two halves"]
    assert confidence.renderer().type() == "singlebandpseudocolor"
    values = pixels(confidence.source())
    assert np.nanmin(values) >= 0
    assert np.nanmax(values) <= 1
    np.testing.assert_array_equal(np.isnan(values), np.isnan(halves()[0]))
    assert "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "model.safetensors").stat().st_size > 100_000
    assert 0.5 < results["OVERALL_ACCURACY"] <= 1
    phases = [m["name"] for m in feedback.messages if m["type"] == "phase"]
    known = [name for name, _ in provider.algorithm("map").PHASES]
    assert [name for name in known if name in phases] == list(dict.fromkeys(phases))
    assert feedback.percents == sorted(feedback.percents)
    assert feedback.percents[-1] == 100
    assert len(feedback.percents) > 10


def test_from_a_simple_classifier_to_polygons_and_points_in_the_project(
    provider, processing, scene, colored_polygons, tmp_path
):
    files = {name: str(tmp_path / f"{name.lower()}.tif") for name in ("CONFIDENCE", "ENTROPY")}
    files |= {"OUTPUT": str(tmp_path / "map.tif"), "PROBABILITIES": str(tmp_path / "shares.tif")}
    made = processing.run(
        "mtmsd:map",
        {"INPUT": str(scene), "LABELS": colored_polygons, "CLASSIFIER": "svm", "SIEVE": 3, **files},
    )
    assert_is_the_map_of_two_halves(made["OUTPUT"])
    assert made["OVERALL_ACCURACY"] > 0.9
    assert 0 <= np.nanmin(pixels(made["ENTROPY"])) <= np.nanmax(pixels(made["ENTROPY"])) <= 1
    polygons = {"MAP": made["OUTPUT"], "CONFIDENCE": made["CONFIDENCE"]}
    told = processing.runAndLoadResults(
        "mtmsd:vectorize",
        {**polygons, "OUTPUT": "TEMPORARY_OUTPUT", "AREAS": str(tmp_path / "areas.csv")},
    )
    points = {"PROBABILITIES": made["PROBABILITIES"], "LABELS": colored_polygons, "COUNT": 6}
    found = processing.runAndLoadResults(
        "mtmsd:nextlabels", {**points, "OUTPUT": str(tmp_path / "points.gpkg")}
    )
    layers = {layer.name(): layer for layer in QgsProject.instance().mapLayers().values()}
    regions = layers["Polygons – map"]
    assert regions.featureCount() == told["COUNT"] >= 2
    legend = [(c.value(), c.label(), c.symbol().color().name()) for c in
              regions.renderer().categories()]  # fmt: skip
    assert legend == [(3, "grass", "#11aa22"), (7, "water", "#0000ff")]
    assert sum(f["pixels"] for f in regions.getFeatures()) == (pixels(made["OUTPUT"]) > 0).sum()
    assert "grass" in (tmp_path / "areas.csv").read_text(encoding="utf-8")
    changed = processing.runAndLoadResults(
        "mtmsd:change",
        {"BEFORE": made["OUTPUT"], "AFTER": made["OUTPUT"], "OUTPUT": str(tmp_path / "change.tif"),
         "TABLE": str(tmp_path / "change.csv")},
    )  # fmt: skip
    (loaded,) = [x for x in QgsProject.instance().mapLayers().values() if "→" in x.name()]
    entries = {c.label: c.color.name() for c in loaded.renderer().classes()}
    assert entries == {"grass": "#c4eac8", "water": "#bfbfff", "unknown": "#808080"}
    assert "grass,grass" in Path(changed["TABLE"]).read_text(encoding="utf-8")
    doubtful = layers["Points to label – shares"]
    assert doubtful.featureCount() == found["FOUND"] == 6
    assert doubtful.labelsEnabled()
    assert {f["class_1"] for f in doubtful.getFeatures()} <= {"grass", "water"}


def model_of_four_steps() -> QgsProcessingModelAlgorithm:
    """Return a model: pretrain, train, classify, assess."""
    model = QgsProcessingModelAlgorithm("four steps", "test")
    for definition in (
        QgsProcessingParameterRasterLayer("scene", "scene"),
        QgsProcessingParameterMapLayer("polygons", "polygons"),
    ):
        model.addModelParameter(definition, QgsProcessingModelParameter(definition.name()))
    source = QgsProcessingModelChildParameterSource
    given, made, fixed = source.fromModelParameter, source.fromChildOutput, source.fromStaticValue
    steps = {
        "pretrain": {"INPUT": given("scene"), "PRESET": fixed("quick"), "SETTINGS": fixed(LEARN)},
        "train": {
            "INPUT": given("scene"),
            "LABELS": given("polygons"),
            "MODEL": made("pretrain", "OUTPUT"),
            "SETTINGS": fixed(FIT),
        },
        "classify": {"INPUT": given("scene"), "CLASSIFIER": made("train", "OUTPUT")},
        "assess": {"MAP": made("classify", "OUTPUT"), "LABELS": given("polygons")},
    }
    for name, sources in steps.items():
        child = QgsProcessingModelChildAlgorithm(f"mtmsd:{name}")
        child.setChildId(name)
        for parameter, value in sources.items():
            child.addParameterSources(parameter, [value])
        if name == "classify":
            output = QgsProcessingModelOutput("map", "map")
            output.setChildId(name)
            output.setChildOutputName("OUTPUT")
            child.setModelOutputs({"map": output})
        model.addChildAlgorithm(child)
    return model


def test_all_four_steps_inside_a_model(provider, processing, scene, polygons, tmp_path):
    model = model_of_four_steps()
    assert model.canExecute()[0]
    (output,) = (p.name() for p in model.destinationParameterDefinitions())
    results = processing.run(
        model, {"scene": str(scene), "polygons": str(polygons), output: str(tmp_path / "m.tif")}
    )
    assert_is_the_map_of_two_halves(results[output])
    assert results["CHILD_RESULTS"]["assess"]["OVERALL_ACCURACY"] > 0.8


@pytest.fixture(scope="module")
def headless(tmp_path_factory) -> tuple[str, dict[str, str]]:
    """A qgis_process that answers, with the plugin enabled in a throw-away profile."""
    folder = tmp_path_factory.mktemp("qgis")
    environment = headless_environment(folder, BUILD)
    program = find_qgis_process(environment)
    enable = [program, "plugins", "enable", "mtmsd_qgis"]
    subprocess.run(enable, env=environment, check=True, capture_output=True)
    return program, environment


def test_every_algorithm_headless_by_qgis_process(headless, scene, polygons, tmp_path):
    program, environment = headless

    def run(name: str, **parameters: object) -> dict:
        listed = [f"{key}={value}" for key, value in parameters.items()]
        done = subprocess.run(
            [program, "--json", "run", f"mtmsd:{name}", "--", *listed],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-500:] + done.stdout[-500:]
        return json.loads(done.stdout[done.stdout.index("{") :])["results"]

    run("pretrain", INPUT=scene, PRESET="quick", SETTINGS=LEARN, OUTPUT="model.safetensors")
    run("train", INPUT=scene, LABELS=polygons, MODEL="model.safetensors", SETTINGS=FIT,
        OUTPUT="classifier.safetensors")  # fmt: skip
    run("classify", INPUT=scene, CLASSIFIER="classifier.safetensors", OUTPUT="map.tif",
        PROBABILITIES="probabilities.tif")  # fmt: skip
    assert_is_the_map_of_two_halves(tmp_path / "map.tif")
    shares = pixels(tmp_path / "probabilities.tif")
    np.testing.assert_allclose(np.nansum(shares[:, 5:], axis=0), 1, atol=1e-5)
    run("export", CLASSIFIER="classifier.safetensors", OUTPUT="classifier.onnx")
    run("classify", INPUT=scene, CLASSIFIER="classifier.onnx", OUTPUT="light.tif",
        PROBABILITIES="light_probabilities.tif")  # fmt: skip
    assert_is_the_map_of_two_halves(tmp_path / "light.tif")
    light = pixels(tmp_path / "light_probabilities.tif")  # torch may have computed in bfloat16
    np.testing.assert_allclose(light[:, 5:], shares[:, 5:], atol=0.05)
    part = run("classify", INPUT=scene, CLASSIFIER="classifier.safetensors", OUTPUT="part.tif",
               EXTENT="300300,300900,5799400,5799700 [EPSG:32633]")  # fmt: skip
    assert gdal.Open(part["OUTPUT"]).GetGeoTransform() == (300300, 30, 0, 5799700, 0, -30)
    assert pixels(part["OUTPUT"]).shape == (10, 20)
    regions = run("vectorize", MAP="map.tif", OUTPUT="regions.gpkg", AREAS="areas.csv")
    assert regions["COUNT"] >= 2
    assert (tmp_path / "areas.csv").is_file()
    points = run("nextlabels", PROBABILITIES="probabilities.tif", COUNT=4, OUTPUT="points.gpkg")
    assert points["FOUND"] == 4
    figures = run("assess", MAP="map.tif", LABELS=polygons, OUTPUT="report.html")
    assert 0.8 < figures["OVERALL_ACCURACY"] <= 1
    assert Path(figures["OUTPUT_JSON"]).is_file()
    run("map", INPUT=scene, LABELS=polygons, MODEL="model.safetensors", SETTINGS=FIT,
        OUTPUT="again.tif", REPORT="again.html")  # fmt: skip
    assert_is_the_map_of_two_halves(tmp_path / "again.tif")


def test_two_scenes_in_batch_keep_apart(provider, processing, polygons, tmp_path):
    scenes = [
        write_raster(tmp_path / "a.tif", halves()),
        write_raster(tmp_path / "b.tif", -halves()),
    ]
    algorithm = provider.algorithm("pretrain")
    outputs = [str(tmp_path / f"{path.stem}.safetensors") for path in scenes]
    for path, output in zip(scenes, outputs):
        parameters = {"INPUT": str(path), "PRESET": "quick", "SETTINGS": LEARN, "OUTPUT": output}
        assert processing.run(algorithm, parameters)["OUTPUT"] == output
    assert Path(outputs[0]).read_bytes() != Path(outputs[1]).read_bytes()


def test_cancel_leaves_no_child_and_no_model_and_resume_goes_on(run, scene, tmp_path):
    output = tmp_path / "model.safetensors"
    parameters = {
        "INPUT": str(scene),
        "PRESET": "quick",
        "SETTINGS": f"{LEARN} iterations=60 checkpoint_every=3",
        "OUTPUT": str(output),
    }

    class AtStep(Feedback):
        def job_message(self, message):
            super().job_message(message)
            if message.get("phase") == "pretrain" and message["done"] >= 6:
                self.cancel()

    feedback = AtStep()
    with pytest.raises(QgsProcessingException, match="Canceled"):
        run("pretrain", parameters, feedback)
    pid = next(m["pid"] for m in feedback.messages if m["type"] == "hello")
    assert not is_alive(pid)
    assert not output.exists()
    again = Feedback()
    run("pretrain", {**parameters, "RESUME": True}, again)
    assert output.is_file()
    steps = [m["done"] for m in again.messages if m.get("phase") == "pretrain"]
    assert (steps[0] >= 6, steps[-1]) == (True, 60)


def test_killed_from_outside_is_a_sentence_and_leaves_no_half_model(run, scene, tmp_path):
    class Killer(Feedback):
        def job_message(self, message):
            super().job_message(message)
            if message["type"] == "phase":
                pid = next(m["pid"] for m in self.messages if m["type"] == "hello")
                os.kill(pid, signal.SIGKILL)

    output = tmp_path / "model.safetensors"
    with pytest.raises(QgsProcessingException) as caught:
        run("pretrain", {"INPUT": str(scene), "SETTINGS": LEARN, "OUTPUT": str(output)}, Killer())
    assert "The engine was killed (SIGKILL)" in str(caught.value)
    assert not output.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"SETTINGS": "iterrations=5"}, "There is no setting 'iterrations'."),
        ({"OUTPUT": "/nowhere/at/all/model.safetensors"}, "/nowhere/at/all"),
        ({"EXCLUDE": "1-12"}, "two halves"),
    ],
)
def test_what_only_the_engine_knows_comes_back_as_its_sentence(run, scene, tmp_path, changes, said):
    parameters = {"INPUT": str(scene), "OUTPUT": str(tmp_path / "m.safetensors"), **changes}
    with pytest.raises(QgsProcessingException) as caught:
        run("pretrain", parameters)
    assert said in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.glob("*.safetensors")) == []


def test_headless_without_an_engine_says_so_and_fails(headless, scene, tmp_path):
    program, environment = headless
    environment = {**environment, "MTMSD_PYTHON": "/gone/python"}
    began = time.monotonic()
    done = subprocess.run(
        [program, "run", "mtmsd:pretrain", "--", f"INPUT={scene}", "OUTPUT=m.safetensors"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "The engine's Python /gone/python, named by" in done.stdout + done.stderr
    assert time.monotonic() - began < 60
