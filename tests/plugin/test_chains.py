"""Algorithms after each other in a model, in QGIS's own batch dialog, resumed, on a selection."""

from __future__ import annotations

import os
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

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("engine_python")]

LEARN = "iterations=10 batch_size=2 components=4"
FIT = "timesteps=100,500 blocks=1,5 channels=32 members=1 epochs=8"
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


def batch(algorithm, rows: list[dict]) -> list[dict]:
    """Fill QGIS's batch dialog, press Run, and return what each row gave."""
    dialog = BatchAlgorithmDialog(algorithm.create())
    panel, context = dialog.mainWidget(), QgsProcessingContext()
    context.setProject(QgsProject.instance())
    given, ended = [], []
    dialog.finish = lambda results, errors: (given.extend(results), ended.append(errors))
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
    dialog.runAlgorithm()
    assert ended == [[]]
    dialog.deleteLater()
    return [row["results"] for row in given]


def test_every_algorithm_in_qgiss_batch_dialog(provider, processing, polygons, tmp_path):
    cubes = [halves(), halves()[:, :, ::-1].copy()]
    scenes = [str(write_raster(tmp_path / f"{n}.tif", cube)) for n, cube in enumerate(cubes)]
    labels = QgsVectorLayer(f"{polygons}|layername=training", "training")
    QgsProject.instance().addMapLayer(labels)

    def run(name: str, *rows: dict) -> list[dict]:
        found = batch(provider.algorithm(name), list(rows))
        assert len(found) == len(rows)
        return found

    def out(name: str) -> list[str]:
        suffix = {"model": "safetensors", "classifier": "safetensors", "report": "html"}
        vectors = ("regions", "points")
        ending = suffix.get(name, "gpkg" if name in vectors else "tif")
        return [str(tmp_path / f"{name} {number}.{ending}") for number in range(2)]

    trained = {"LABELS": labels.id(), "CLASS_FIELD": "class_id"}
    models = run("pretrain", *(
        {"INPUT": s, "PRESET": "quick", "SETTINGS": LEARN, "OUTPUT": o}
        for s, o in zip(scenes, out("model"))))  # fmt: skip
    made = run("train", *(
        {"INPUT": s, **trained, "MODEL": m["OUTPUT"], **SPECTRAL, "OUTPUT": o}
        for s, m, o in zip(scenes, models, out("classifier"))))  # fmt: skip
    maps = run("classify", *(
        {"INPUT": s, "CLASSIFIER": c["OUTPUT"], "OUTPUT": o, "PROBABILITIES": p}
        for s, c, o, p in zip(scenes, made, out("map"), out("shares"))))  # fmt: skip
    left = [gdal.Open(m["OUTPUT"]).ReadAsArray()[8:, 4:16] for m in maps]
    assert [int(np.bincount(values.ravel()).argmax()) for values in left] == [3, 3]
    spectra = [gdal.Open(s).ReadAsArray()[0, 8:, 4:16].mean() for s in scenes]
    assert spectra[0] < 0.2 < 0.6 < spectra[1], "each row had its own scene"
    regions = run("vectorize", *({"MAP": m["OUTPUT"], "OUTPUT": o}
                                 for m, o in zip(maps, out("regions"))))  # fmt: skip
    assert all(r["COUNT"] >= 2 for r in regions)
    points = run("nextlabels", *({"PROBABILITIES": m["PROBABILITIES"], "COUNT": 4, "OUTPUT": o}
                                 for m, o in zip(maps, out("points"))))  # fmt: skip
    assert [p["FOUND"] for p in points] == [4, 4]
    reports = run("assess", *({"MAP": m["OUTPUT"], **trained, "OUTPUT": o}
                              for m, o in zip(maps, out("report"))))  # fmt: skip
    assert all(r["OVERALL_ACCURACY"] > 0.9 for r in reports)
    whole = run("map", *(
        {"INPUT": s, **trained, **SPECTRAL, "OUTPUT": o} for s, o in zip(scenes, out("again"))
    ))  # fmt: skip
    for one, other in zip(maps, whole):
        np.testing.assert_array_equal(
            gdal.Open(one["OUTPUT"]).ReadAsArray(), gdal.Open(other["OUTPUT"]).ReadAsArray()
        )


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


@pytest.mark.parametrize("name", ["train", "map", "classify"])
def test_canceled_and_resumed_ends_like_an_unbroken_run(run, scene, polygons, tmp_path, name):
    learnt = {"INPUT": str(scene), "LABELS": str(polygons), "CLASSIFIER": "svm"}
    ending = "safetensors" if name == "train" else "tif"
    whole, broken = (tmp_path / f"{word}.{ending}" for word in ("whole", "broken"))
    if name == "classify":
        classifier = tmp_path / "classifier.safetensors"
        run("train", {**learnt, "HOLDOUT": 0, "OUTPUT": str(classifier)})
        learnt = {"INPUT": str(scene), "CLASSIFIER": str(classifier)}

    class AtPhase(Feedback):
        def job_message(self, message):
            super().job_message(message)
            if message.get("name") == {"classify": "classify"}.get(name, "fit"):
                self.cancel()

    run(name, {**learnt, "OUTPUT": str(whole)})
    with pytest.raises(QgsProcessingException, match="Canceled"):
        run(name, {**learnt, "OUTPUT": str(broken)}, AtPhase())
    assert not broken.exists()
    again = Feedback()
    run(name, {**learnt, "OUTPUT": str(broken), "RESUME": True}, again)
    assert broken.read_bytes() == whole.read_bytes()
    if name != "classify":
        phases = [m["name"] for m in again.messages if m["type"] == "phase"]
        assert "fit" in phases
        assert "holdout" not in phases, "what had been found out was not done again"
