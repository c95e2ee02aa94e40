"""Algorithms after each other in a model, in QGIS's own batch dialog, resumed, on a selection."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import Feedback, halves, memory_polygons, write_raster
from osgeo import gdal, ogr
from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog
from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterRasterLayer,
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtTest import QTest

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("engine_python")]

LEARN = "iterations=10 batch_size=2 components=4"
FIT = (
    "timesteps=100,500 blocks=1,5 channels=32 members=1 epochs=8 samples_per_epoch=500 "
    "classifier.learning_rate=6e-3"  # none is looked for
)
SPECTRAL = {"CLASSIFIER": "svm", "HOLDOUT": 0}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def features(path: str | Path) -> list[dict]:
    """Return the attributes of a GeoPackage's only layer."""
    dataset = ogr.Open(str(path))
    return [feature.items() for feature in dataset.GetLayer(0)]


def model_of_five_steps() -> QgsProcessingModelAlgorithm:
    """Return a model: pretrain, train, classify, and what is made of the map."""
    model = QgsProcessingModelAlgorithm("five steps", "test")
    for definition in (
        QgsProcessingParameterRasterLayer("scene", "scene"),
        QgsProcessingParameterMapLayer("polygons", "polygons"),
    ):
        model.addModelParameter(definition, QgsProcessingModelParameter(definition.name()))
    source = QgsProcessingModelChildParameterSource
    given, made, fixed = source.fromModelParameter, source.fromChildOutput, source.fromStaticValue
    labels = {"LABELS": given("polygons"), "CLASS_FIELD": fixed("class_id")}
    steps = {
        "pretrain": {"INPUT": given("scene"), "PRESET": fixed("quick"), "SETTINGS": fixed(LEARN)},
        "train": {
            "INPUT": given("scene"),
            **labels,
            "MODEL": made("pretrain", "OUTPUT"),
            "SETTINGS": fixed(FIT),
        },
        "classify": {"INPUT": given("scene"), "CLASSIFIER": made("train", "OUTPUT")},
        "vectorize": {
            "MAP": made("classify", "OUTPUT"),
            "CONFIDENCE": made("classify", "CONFIDENCE"),
        },
        "nextlabels": {
            "PROBABILITIES": made("classify", "PROBABILITIES"), **labels, "COUNT": fixed(5),
        },
    }  # fmt: skip
    kept = {"classify": ("OUTPUT", "CONFIDENCE", "PROBABILITIES"), "vectorize": ("OUTPUT",),
            "nextlabels": ("OUTPUT",)}  # fmt: skip
    for name, sources in steps.items():
        child = QgsProcessingModelChildAlgorithm(f"mtmsd:{name}")
        child.setChildId(name)
        for parameter, value in sources.items():
            child.addParameterSources(parameter, [value])
        outputs = {}
        for key in kept.get(name, ()):
            output = QgsProcessingModelOutput(f"{name} {key}", f"{name} {key}")
            output.setChildId(name)
            output.setChildOutputName(key)
            outputs[output.name()] = output
        child.setModelOutputs(outputs)
        model.addChildAlgorithm(child)
    return model


@pytest.mark.parametrize("kind", ["in memory", "filtered"])
def test_a_model_from_pretraining_to_polygons_and_points(
    provider, processing, scene, polygons, tmp_path, kind
):
    layer = memory_polygons()
    if kind == "filtered":
        layer = QgsVectorLayer(f"{polygons}|layername=training", "filtered")
        assert layer.setSubsetString("fid NOT IN (4, 8)")
    QgsProject.instance().addMapLayer(layer)
    model = model_of_five_steps()
    assert model.canExecute()[0]
    wanted = {p.name(): p.name() for p in model.destinationParameterDefinitions()}
    assert len(wanted) == 5
    for name in wanted:
        suffix = "gpkg" if name.startswith(("vectorize", "nextlabels")) else "tif"
        wanted[name] = str(tmp_path / f"{name.replace(':', '_')}.{suffix}")
    results = processing.run(model, {"scene": str(scene), "polygons": layer.id(), **wanted})
    step = results["CHILD_RESULTS"]
    found = gdal.Open(step["classify"]["OUTPUT"]).ReadAsArray()
    assert (found[:, :16][found[:, :16] > 0] == 3).mean() > 0.9
    assert (found[:, 24:] == 7).mean() > 0.9
    regions = features(step["vectorize"]["OUTPUT"])
    assert len(regions) == step["vectorize"]["COUNT"] >= 2
    assert sum(region["pixels"] for region in regions) == (found > 0).sum()
    assert all(0 < region["confidence"] <= 1 for region in regions)
    points = features(step["nextlabels"]["OUTPUT"])
    assert [point["rank"] for point in points] == [1, 2, 3, 4, 5]


class Batch(BatchAlgorithmDialog):
    """QGIS's own dialog, and what it tells of its rows; on new versions they are tasks."""

    told: tuple[list[dict], list[dict]] | None = None

    def createSummaryTable(self, results, errors):
        super().createSummaryTable(results, errors)
        self.told = results, errors


def batch(algorithm, rows: list[dict]) -> list[dict]:
    """Fill QGIS's batch dialog, press Run, and return what each row gave."""
    dialog = Batch(algorithm.create())
    panel, context = dialog.mainWidget(), QgsProcessingContext()
    context.setProject(QgsProject.instance())
    panel.checkLoadLayersOnCompletion.setChecked(False)
    for number, row in enumerate(rows):
        if number:
            panel.addRow()
        for name, value in row.items():
            column = panel.parameter_to_column[name]
            if algorithm.parameterDefinition(name).isDestination():
                panel.tblParameters.cellWidget(number + 1, column).setValue(value)
            else:
                panel.wrappers[number][column].setParameterValue(value, context)
    dialog.show()
    dialog.runButton().click()
    stop = time.monotonic() + 240
    while dialog.told is None and time.monotonic() < stop:
        QTest.qWait(20)
    assert dialog.told, "the rows do not end"
    given, errors = dialog.told
    assert errors == []
    dialog.close()
    return [row["results"] for row in given]


def test_every_algorithm_in_qgiss_batch_dialog(provider, processing, polygons, tmp_path):
    cubes = [halves(), halves()[:, :, ::-1].copy()]
    scenes = [str(write_raster(tmp_path / f"{n}.tif", cube)) for n, cube in enumerate(cubes)]
    labels = QgsVectorLayer(f"{polygons}|layername=training", "training")
    QgsProject.instance().addMapLayer(labels)
    trained = {"LABELS": labels.id(), "CLASS_FIELD": "class_id"}

    def run(name: str, *rows: dict) -> list[dict]:
        found = batch(provider.algorithm(name), list(rows))
        assert len(found) == len(rows)
        return found

    def out(name: str) -> str:
        return str(tmp_path / name)

    first = {"INPUT": scenes[0]}
    (model,) = run("pretrain", {**first, "PRESET": "quick", "SETTINGS": LEARN,
                                "OUTPUT": out("model.safetensors")})  # fmt: skip
    (made,) = run("train", {**first, **trained, "MODEL": model["OUTPUT"], **SPECTRAL,
                            "OUTPUT": out("classifier.safetensors")})  # fmt: skip
    maps = run("classify", *(
        {"INPUT": s, "CLASSIFIER": made["OUTPUT"], "OUTPUT": out(f"map {n}.tif"),
         "PROBABILITIES": out(f"shares {n}.tif")}
        for n, s in enumerate(scenes)))  # fmt: skip
    left = [gdal.Open(m["OUTPUT"]).ReadAsArray()[8:, 4:16] for m in maps]
    commonest = [int(np.bincount(values.ravel()).argmax()) for values in left]
    assert commonest == [3, 7], "each row had its own scene: the second is mirrored"
    (regions,) = run("vectorize", {"MAP": maps[0]["OUTPUT"], "OUTPUT": out("regions.gpkg")})
    assert regions["COUNT"] >= 2
    (points,) = run("nextlabels", {"PROBABILITIES": maps[0]["PROBABILITIES"], "COUNT": 4,
                                   "OUTPUT": out("points.gpkg")})  # fmt: skip
    assert points["FOUND"] == 4
    (report,) = run("assess", {"MAP": maps[0]["OUTPUT"], **trained, "OUTPUT": out("report.html")})
    assert report["OVERALL_ACCURACY"] > 0.9
    (whole,) = run("map", {**first, **trained, **SPECTRAL, "OUTPUT": out("again.tif")})
    again = gdal.Open(whole["OUTPUT"]).ReadAsArray()
    np.testing.assert_array_equal(again, gdal.Open(maps[0]["OUTPUT"]).ReadAsArray())


def test_a_selection_of_the_polygons_is_what_is_learnt(run, scene, tmp_path):
    layer = memory_polygons()
    QgsProject.instance().addMapLayer(layer)
    given = {"INPUT": str(scene), "LABELS": layer.id(), "SELECTED": True, **SPECTRAL}
    output = {"OUTPUT": str(tmp_path / "map.tif")}
    with pytest.raises(QgsProcessingException, match="No polygon of the layer 'my polygons'"):
        run("map", {**given, **output})
    layer.selectByIds([1, 2, 5, 6])
    feedback = Feedback()
    run("map", {**given, **output}, feedback)
    (exported,) = feedback.folder.glob("*.gpkg")
    assert len(features(exported)) == 4


def test_polygons_and_points_of_a_map_in_one_step(run, scene, polygons, tmp_path):
    files = {name: str(tmp_path / f"{name}.gpkg") for name in ("POLYGONS", "NEXT_LABELS")}
    results = run(
        "map",
        {"INPUT": str(scene), "LABELS": str(polygons), **SPECTRAL, **files,
         "OUTPUT": str(tmp_path / "map.tif")},
    )  # fmt: skip
    assert {name: results[name] for name in files} == files
    found = gdal.Open(results["OUTPUT"]).ReadAsArray()
    assert sum(region["pixels"] for region in features(files["POLYGONS"])) == (found > 0).sum()
    assert len(features(files["NEXT_LABELS"])) == 20
    assert [path.name for path in tmp_path.glob("*.work")] == []


def test_a_canceled_training_is_resumed_with_what_was_found_out(run, scene, polygons, tmp_path):
    model, output = (str(tmp_path / f"{name}.safetensors") for name in ("model", "classifier"))
    run("pretrain", {"INPUT": str(scene), "PRESET": "quick", "SETTINGS": LEARN, "OUTPUT": model})
    given = {"INPUT": str(scene), "LABELS": str(polygons), "MODEL": model, "OUTPUT": output}
    given |= {"CLASSIFIER": "mtmsd", "SETTINGS": f"{FIT} epochs=30"}

    class AtFit(Feedback):
        def job_message(self, message):
            super().job_message(message)
            if message.get("name") == "fit":
                self.cancel()

    with pytest.raises(QgsProcessingException, match="Canceled"):
        run("train", given, AtFit())
    assert not Path(output).exists()
    again = Feedback()
    run("train", {**given, "RESUME": True}, again)
    assert Path(output).is_file()
    phases = [m["name"] for m in again.messages if m["type"] == "phase"]
    assert phases[-1] == "fit"
    assert "holdout" not in phases, "the held-out figures were not found out again"
