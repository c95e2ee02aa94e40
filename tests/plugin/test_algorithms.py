"""The algorithms as the Toolbox sees them, with small children in the engine's place."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Feedback, memory_polygons
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsProcessingAlgorithm,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingParameterDefinition,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
    QgsReferencedRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QCoreApplication, QUrl

NAMES = {
    "pretrain": "INPUT PRESET DEVICE SEED SETTINGS EXCLUDE MASKS MASK_CHOICE PRODUCT_MASKS "
    "RESUME OUTPUT",
    "train": "INPUT LABELS CLASS_FIELD SELECTED MODEL CLASSIFIER DEVICE SEED SETTINGS "
    "EXCLUDE MASKS MASK_CHOICE PRODUCT_MASKS RESUME OUTPUT LIBRARY LIBRARY_CLASS "
    "LIBRARY_CLASSES LIBRARY_FACTOR SPLIT HOLDOUT GUARD DOUBTFUL",
    "classify": "INPUT CLASSIFIER EXTENT MASKS MASK_CHOICE PRODUCT_MASKS DEVICE RESUME OUTPUT "
    "CONFIDENCE PROBABILITIES ENTROPY DISAGREEMENT UNKNOWN_BELOW MAJORITY SIEVE",
    "classifyscenes": "INPUTS FILES CLASSIFIER MASKS MASK_CHOICE PRODUCT_MASKS DEVICE RESUME "
    "WITH_CONFIDENCE WITH_PROBABILITIES UNKNOWN_BELOW MAJORITY SIEVE OUTPUT MOSAIC",
    "assess": "MAP LABELS CLASS_FIELD MATCH SELECTED SCENE TRAINING MASKS "
    "MASK_CHOICE PRODUCT_MASKS OUTPUT OUTPUT_JSON",
    "map": "INPUT LABELS CLASS_FIELD SELECTED VALIDATION MODEL CLASSIFIER PRESET DEVICE SEED "
    "SETTINGS EXCLUDE MASKS MASK_CHOICE PRODUCT_MASKS RESUME OUTPUT CONFIDENCE REPORT "
    "OUTPUT_MODEL OUTPUT_CLASSIFIER LIBRARY LIBRARY_CLASS LIBRARY_CLASSES LIBRARY_FACTOR "
    "SPLIT HOLDOUT GUARD PROBABILITIES ENTROPY DISAGREEMENT "
    "UNKNOWN_BELOW MAJORITY SIEVE POLYGONS NEXT_LABELS DOUBTFUL",
    "vectorize": "MAP CONFIDENCE OUTPUT AREAS",
    "export": "CLASSIFIER OUTPUT",
    "mosaic": "PROBABILITIES OUTPUT CONFIDENCE",
    "exportpixels": "INPUT LABELS CLASS_FIELD SELECTED EXCLUDE MASKS MASK_CHOICE PRODUCT_MASKS "
    "OUTPUT TABLE",
    "angle": "INPUT LIBRARY SPECTRA EXCLUDE MASKS MASK_CHOICE PRODUCT_MASKS OUTPUT",
    "regions": "INPUT LABELS CLASS_FIELD SELECTED CLASSIFIER PIXEL_MAP SIZE SEED EXCLUDE MASKS "
    "MASK_CHOICE PRODUCT_MASKS RESUME OUTPUT OUTPUT_MAP OUTPUT_CLASSIFIER REPORT SPLIT HOLDOUT "
    "GUARD",
    "nextlabels": "PROBABILITIES COUNT LABELS CLASS_FIELD OUTPUT",
    "change": "BEFORE AFTER BEFORE_CONFIDENCE AFTER_CONFIDENCE BELOW LEGEND REFERENCE FROM_FIELD "
    "TO_FIELD OUTPUT TABLE",
}
OBEDIENT = """
    job = json.load(open(sys.argv[2] + "/job.json"))
    say(type="hello", version="9")
    say(type="phase", name="pretrain", title="Learning the scene")
    say(type="progress", phase="pretrain", done=1, total=2, unit="steps")
    say(type="done", results={"report": job["arguments"].get("report")})
"""
STUBBORN = """
    say(type="hello")
    for line in sys.stdin:
        if line == "cancel\\n":
            say(type="error", code="canceled", message="Canceled.", hint="")
            sys.exit(3)
"""


@pytest.fixture(params=sorted(NAMES))
def algorithm(request, provider) -> QgsProcessingAlgorithm:
    return provider.algorithm(request.param).create()


def test_parameter_names_never_change(algorithm):
    names = [p.name() for p in algorithm.parameterDefinitions()]
    assert names == NAMES[algorithm.name()].split()


def test_help_speaks_of_every_parameter_with_its_default(algorithm):
    text = algorithm.shortHelpString()
    assert "Time on two CPU cores" in text or "takes seconds" in text
    optional_flag = QgsProcessingParameterDefinition.Flag.FlagOptional
    for parameter in algorithm.parameterDefinitions():
        assert parameter.description() in text
        assert len(parameter.help()) > 20, parameter.name()
        if parameter.flags() & optional_flag and not parameter.isDestination():
            assert "default" in parameter.help().lower(), parameter.name()
    assert Path(QUrl(algorithm.helpUrl()).toLocalFile()).is_file()


def test_icon_tags_and_threads(algorithm):
    assert Path(algorithm.svgIconPath()).is_file()
    assert not algorithm.icon().isNull()
    assert "hyperspectral" in algorithm.tags()
    assert not algorithm.flags() & QgsProcessingAlgorithm.Flag.FlagNoThreading


def test_every_algorithm_has_an_icon_of_its_own(provider):
    drawings = [Path(a.svgIconPath()).read_bytes() for a in provider.algorithms()]
    assert len({*drawings, Path(provider.svgIconPath()).read_bytes()}) == len(drawings) + 1


OUTPUTS = {"map": "o.tif", "classify": "o.tif", "assess": "o.html", "vectorize": "o.gpkg",
           "nextlabels": "o.gpkg", "export": "o.onnx", "change": "o.tif",
           "exportpixels": "o.gpkg", "mosaic": "o.tif", "angle": "o.tif",
           "classifyscenes": "maps", "regions": "o.gpkg"}  # fmt: skip


def parameters_for(name: str, scene: Path, polygons: Path, folder: Path) -> dict:
    """Return a value for every parameter of an algorithm."""
    model = folder / "model.safetensors"
    model.touch()
    (folder / "l.csv").touch()
    values = {
        "INPUT": str(scene), "LABELS": str(polygons), "CLASS_FIELD": "class_id",
        "MATCH": "grass=3; 7=",
        "PRESET": "quick", "DEVICE": "cpu", "SEED": 5, "SETTINGS": "iterations=10; members=1",
        "EXCLUDE": "1-2", "MASKS": [str(polygons)], "MASK_CHOICE": "bits=10,11",
        "PRODUCT_MASKS": True, "RESUME": True, "MODEL": str(model),
        "CLASSIFIER": str(model) if name in ("classify", "classifyscenes", "export")
        else "rf",
        "SPLIT": "cross", "HOLDOUT": 0.3, "GUARD": 2, "COUNT": 7,
        "UNKNOWN_BELOW": 0.4, "MAJORITY": 3, "SIEVE": 9,
        "ENTROPY": str(folder / "e.tif"), "DISAGREEMENT": str(folder / "d.tif"),
        "AREAS": str(folder / "a.csv"), "SELECTED": False,
        "POLYGONS": str(folder / "g.gpkg"), "NEXT_LABELS": str(folder / "n.gpkg"),
        "DOUBTFUL": str(folder / "w.gpkg"),
        "EXTENT": "300000,300600,5799400,5800000 [EPSG:32633]", "MAP": str(scene),
        "SCENE": str(scene), "TRAINING": str(polygons), "VALIDATION": str(polygons),
        "CONFIDENCE": str(folder / "c.tif"), "PROBABILITIES": str(folder / "p.tif"),
        "BEFORE": str(scene), "AFTER": str(scene), "BEFORE_CONFIDENCE": str(scene),
        "AFTER_CONFIDENCE": str(scene), "BELOW": 0.4, "LEGEND": str(folder / "l.csv"),
        "REFERENCE": str(polygons), "FROM_FIELD": "class_id", "TO_FIELD": "class_name",
        "TABLE": str(folder / "t.csv"), "LIBRARY": str(folder / "l.csv"),
        "SPECTRA": "wet soil; grass", "INPUTS": [str(scene)], "FILES": [str(folder / "gone.tif")],
        "WITH_CONFIDENCE": True, "WITH_PROBABILITIES": True, "MOSAIC": str(folder / "all.tif"),
        "PIXEL_MAP": str(scene), "SIZE": 6, "OUTPUT_MAP": str(folder / "rm.tif"),
        "LIBRARY_CLASS": "wet soil",
        "LIBRARY_CLASSES": str(folder / "l.csv"), "LIBRARY_FACTOR": 0.5,
        "REPORT": str(folder / "r.html"), "OUTPUT_JSON": str(folder / "r.json"),
        "OUTPUT_MODEL": str(folder / "m2.safetensors"),
        "OUTPUT_CLASSIFIER": str(folder / "k.safetensors"),
        "OUTPUT": str(folder / OUTPUTS.get(name, "o.safetensors")),
    }  # fmt: skip
    if name in ("vectorize", "nextlabels"):
        values |= {"CONFIDENCE": str(scene), "PROBABILITIES": str(scene)}
    if name == "regions":
        values["CLASSIFIER"] = ""  # either this or the polygons
    if name == "mosaic":
        values["PROBABILITIES"] = [str(scene), str(scene)]
    return {key: values[key] for key in NAMES[name].split()}


CHECK = """
import json, sys
from mtmsd.commands.arguments import build
from mtmsd.commands.registry import COMMANDS
for command, values in json.load(sys.stdin).values():
    build(COMMANDS[command].Arguments, values)
print("understood")
"""


def test_the_engine_understands_every_argument(
    child_is_engine, run, scene, polygons, tmp_path, engine_python
):
    sent, jobs = {}, {}
    child_is_engine(OBEDIENT)
    for name in NAMES:
        feedback = Feedback()
        run(name, parameters_for(name, scene, polygons, tmp_path), feedback)
        job = json.loads((feedback.folder / "job.json").read_text())
        sent[name] = job["arguments"]
        jobs[name] = [job["command"], job["arguments"]]
    core = Path(__file__).resolve().parents[2] / "build/mtmsd_qgis/core"
    answer = subprocess.run(
        [engine_python, "-c", CHECK], input=json.dumps(jobs), env={"PYTHONPATH": str(core)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.stdout == "understood\n", answer.stderr[-500:]
    assert sent["pretrain"] == {
        "scene": str(scene), "output": str(tmp_path / "o.safetensors"), "resume": True,
        "preset": "quick", "device": "cpu", "seed": 5, "exclude": "1-2",
        "settings": {"iterations": "10", "members": "1"},
        "mask": ["product", f"{polygons}|layername=training"], "mask_bits": "10,11",
    }  # fmt: skip
    assert jobs["classifyscenes"][0] == "classify"
    assert sent["classifyscenes"]["scene"] == str(scene)
    assert sent["classifyscenes"]["more"] == [str(tmp_path / "gone.tif")]
    masked = ("train", "classify", "map", "assess")
    assert {sent[name]["mask_bits"] for name in masked} == {"10,11"}
    assert {sent[name]["resume"] for name in ("train", "classify", "map")} == {True}
    filters = {name: sent["map"][name] for name in ("unknown_below", "majority", "sieve")}
    assert filters == {"unknown_below": 0.4, "majority": 3, "sieve": 9}
    chosen = {name: sent["train"][name] for name in ("classifier", "split", "holdout", "guard")}
    assert chosen == {"classifier": "rf", "split": "cross", "holdout": 0.3, "guard": 2}
    library = {name: sent["map"][name] for name in sent["map"] if name.startswith("library")}
    assert library == {name: sent["train"].get(name) for name in library} == {
        "library": [f"{tmp_path / 'l.csv'}:wet soil"], "library_factor": 0.5,
        "library_classes": str(tmp_path / "l.csv"),
    }  # fmt: skip
    assert sent["nextlabels"]["count"] == 7
    assert sent["classify"]["extent"] == [300000.0, 5799400.0, 300600.0, 5800000.0]


def test_an_extent_in_another_crs_arrives_in_the_scenes(child_is_engine, run, scene, tmp_path):
    child_is_engine(OBEDIENT)
    feedback, wanted = Feedback(), QgsRectangle(300300, 5799400, 300600, 5799700)
    crs, degrees = (QgsCoordinateReferenceSystem(f"EPSG:{code}") for code in (32633, 4326))
    there = QgsCoordinateTransform(crs, degrees, QgsProject.instance()).transform(wanted)
    parameters = parameters_for("classify", scene, scene, tmp_path)
    parameters["EXTENT"] = QgsReferencedRectangle(there, degrees)
    run("classify", parameters, feedback)
    extent = json.loads((feedback.folder / "job.json").read_text())["arguments"]["extent"]
    assert QgsRectangle(*extent).contains(wanted.buffered(-1))
    assert wanted.buffered(20).contains(QgsRectangle(*extent))


def test_outputs_are_all_returned(child_is_engine, run, provider, scene, polygons, tmp_path):
    child_is_engine(OBEDIENT)
    for name in NAMES:
        parameters = parameters_for(name, scene, polygons, tmp_path)
        results = run(name, parameters)
        declared = {o.name() for o in provider.algorithm(name).outputDefinitions()}
        assert set(results) == declared
        files = {key: value for key, value in parameters.items() if key in declared}
        if name == "classifyscenes":  # this engine has made no mosaic
            assert files.pop("MOSAIC")
        assert {key: results[key] for key in files} == files


def test_progress_grows_to_100_and_the_phase_is_told(child_is_engine, run, scene, tmp_path):
    child_is_engine(OBEDIENT)
    feedback = Feedback()
    run("pretrain", {"INPUT": str(scene), "OUTPUT": str(tmp_path / "m.safetensors")}, feedback)
    assert feedback.percents == sorted(feedback.percents)
    assert feedback.percents[-1] == 100
    assert 40 < feedback.percents[-2] < 60
    assert [m["type"] for m in feedback.messages] == ["hello", "phase", "progress", "done"]


SENTENCES = [
    ("pretrain", {"SETTINGS": "iterations"}, "'iterations' in Other settings is not of the form"),
    ("train", {"CLASS_FIELD": "klass"}, "has no field 'klass'; it has"),
    ("map", {"CLASS_FIELD": "klass"}, "has no field 'klass'; it has"),
    ("assess", {"TRAINING": None}, "Spectral baselines need both the scene and the training"),
    ("classify", {"EXTENT": "0,10,0,10 [EPSG:32633]"}, "The extent does not touch the scene"),
    ("classify", {"OUTPUT": "o.jp2"}, "'o.jp2' is not a GeoTIFF"),
    ("export", {"OUTPUT": "o.pt"}, "'o.pt' does not end in .onnx; choose another name"),
    ("regions", {"LABELS": None}, "Choose training polygons or learnt regions: one of the two"),
    ("regions", {"SIZE": 1}, "Regions cannot begin as squares of 1 px; choose 2 or more, or 0"),
    ("regions", {"SIZE": -1}, "SIZE"),
    ("vectorize", {"OUTPUT": "o.shp"}, "'o.shp' is not a GeoPackage"),
    ("train", {"MODEL": None, "CLASSIFIER": "mtmsd"}, "'mtmsd' needs a diffusion model"),
    ("classify", {"SIEVE": 1}, "SIEVE"),
    ("pretrain", {"INPUT": "/nowhere/scene.tif"}, "Could not load source layer for INPUT"),
    ("train", {"LABELS": "/nowhere/p.gpkg"}, "The layer for 'Training polygons' cannot be opened"),
    ("map", {"LABELS": "INPUT"}, "'two halves' is the scene itself; choose the layer with"),
    ("map", {"PRESET": "slow"}, "PRESET"),
    ("map", {"LIBRARY": None}, "LIBRARY_CLASS is given, and no spectral library"),
    ("train", {"LIBRARY": None, "LIBRARY_CLASS": ""}, "LIBRARY_CLASSES is given, and no"),
    ("map", {"SEED": -1}, "SEED"),
    ("classifyscenes", {"INPUTS": None, "FILES": None}, "There is no scene to map; give layers or"),
    ("classifyscenes", {"INPUTS": ["/nowhere/s.tif"]}, "1 of 1 scenes are no layers: /nowhere/s.t"),
    ("classifyscenes", {"MOSAIC": "m.png"}, "'m.png' is not a GeoTIFF"),
]


@pytest.mark.parametrize(("name", "changes", "said"), SENTENCES)
def test_a_value_that_cannot_be_is_one_sentence_before_any_job(
    child_is_engine, run, scene, polygons, tmp_path, name, changes, said
):
    child_is_engine(OBEDIENT)
    parameters = {**parameters_for(name, scene, polygons, tmp_path), **changes}
    if parameters.get("LABELS") == "INPUT":
        parameters["LABELS"] = parameters["INPUT"]
    feedback = Feedback()
    with pytest.raises(QgsProcessingException) as caught:
        run(name, parameters, feedback)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value).strip()
    assert feedback.folder is None


def test_the_engines_sentence_and_hint_are_what_the_user_reads(
    child_is_engine, run, scene, tmp_path
):
    child_is_engine("""
        print("Traceback (most recent call last):", file=sys.stderr)
        say(type="error", code="input", message="Class 'soil' has 2 pixels.", hint="Draw more.")
        sys.exit(1)
    """)
    with pytest.raises(QgsProcessingException) as caught:
        run("pretrain", {"INPUT": str(scene), "OUTPUT": str(tmp_path / "m.safetensors")})
    assert str(caught.value) == "Class 'soil' has 2 pixels. Draw more."


def test_an_engine_that_breaks_after_the_check_ends_in_its_last_words(
    child_is_engine, run, scene, tmp_path
):
    child_is_engine("sys.exit('ImportError: libtorch.so: cannot open shared object file')")
    with pytest.raises(QgsProcessingException) as caught:
        run("pretrain", {"INPUT": str(scene), "OUTPUT": str(tmp_path / "m.safetensors")})
    assert "ended with status 1" in str(caught.value)
    assert "libtorch.so: cannot open shared object file" in str(caught.value)


def test_cancel_reaches_the_engine(child_is_engine, run, scene, tmp_path):
    child_is_engine(STUBBORN)
    feedback = Feedback(cancel_at="hello")
    with pytest.raises(QgsProcessingException, match=r"^Canceled\.$"):
        run("pretrain", {"INPUT": str(scene), "OUTPUT": str(tmp_path / "m.safetensors")}, feedback)
    assert feedback.messages[-1]["code"] == "canceled"


def test_a_job_that_was_canceled_elsewhere_cancels_the_algorithm(
    child_is_engine, run, scene, tmp_path
):
    child_is_engine("say(type='error', code='canceled', message='Canceled.', hint='')")
    feedback = Feedback()
    with pytest.raises(QgsProcessingException):
        run("pretrain", {"INPUT": str(scene), "OUTPUT": str(tmp_path / "m.safetensors")}, feedback)
    assert feedback.isCanceled()


def test_a_job_folder_that_cannot_be_made_is_one_sentence(
    child_is_engine, run, scene, tmp_path, monkeypatch
):
    child_is_engine(OBEDIENT)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    with pytest.raises(QgsProcessingException, match=r"job's folder .*file.* cannot be made"):
        run("pretrain", {"INPUT": str(scene), "OUTPUT": str(tmp_path / "m.safetensors")})


def test_a_memory_layer_and_a_layer_of_the_project_work_in_a_worker_thread_and_block_nothing(
    child_is_engine, provider, scene, tmp_path
):
    child_is_engine("""
        say(type="hello")
        for i in range(20000):
            say(type="metric", step=i, name="loss", value=1.0)
            if i % 100 == 0:
                time.sleep(0.015)
        say(type="done", results={})
    """)
    raster = QgsRasterLayer(str(scene), "scene")
    polygons = memory_polygons()
    QgsProject.instance().addMapLayers([raster, polygons])
    context, feedback = QgsProcessingContext(), Feedback()
    context.setProject(QgsProject.instance())
    parameters = {
        "INPUT": raster.id(),
        "LABELS": polygons.id(),
        "OUTPUT": str(tmp_path / "o.tif"),
        "REPORT": str(tmp_path / "r.html"),
    }
    ended = []
    task = QgsProcessingAlgRunnerTask(
        provider.algorithm("map").create(), parameters, context, feedback
    )
    task.executed.connect(lambda ok, results: ended.append((ok, results)))
    QgsApplication.taskManager().addTask(task)
    QgsProject.instance().removeMapLayer(polygons.id())  # the user goes on
    longest, until = 0.0, time.monotonic() + 60
    while not ended and time.monotonic() < until:
        began = time.monotonic()
        QCoreApplication.processEvents()
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.002)
    assert ended, "it never ended"
    assert ended[0][0], feedback.messages[-3:]
    assert longest < 1
    exported = next(feedback.folder.glob("*.gpkg"))
    assert QgsVectorLayer(str(exported), "x").featureCount() == 8


WALL = """
import sys
sys.path[:0] = [{build!r}, "/usr/share/qgis/python/plugins"]
from qgis.core import QgsApplication
app = QgsApplication([], False)
app.initQgis()
import mtmsd_qgis
plugin = mtmsd_qgis.classFactory(None)
plugin.initProcessing()
assert plugin.provider.algorithms()
plugin.provider.engine.state(wait=20)
print(sorted({{"torch", "sklearn", "skimage", "rasterio", "mtmsd", "scipy"}} & set(sys.modules)))
plugin.unload()
assert QgsApplication.processingRegistry().providerById("mtmsd") is None
"""


def test_qgis_python_never_loads_the_engines_libraries(engine_python):
    program = WALL.format(build=str(Path(__file__).resolve().parents[2] / "build"))
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr[-800:]
