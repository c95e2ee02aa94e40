"""The light engine, in an environment of its own without torch: what it does and what it says."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from mtmsd.classify.classifier import load_classifier
from mtmsd.cli.main import main
from mtmsd.onnx.export import export
from mtmsd.reporting import Reporter
from running import words as words_of
from small_files import rectangle, write_polygons

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
PYTHON = REPOSITORY / ".env-light" / "bin" / "python"
CARDS_PYTHON = REPOSITORY / ".env-gpu" / "bin" / "python"
"""The same with onnxruntime-gpu, but without CUDA's libraries: no card computes there."""
with_cards_build = pytest.mark.skipif(
    not CARDS_PYTHON.exists(),
    reason="there is no .env-gpu: `tools/environment.sh gpu` makes it, and fetches 256 MB",
)


@pytest.fixture(scope="module")
def files(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a classifier in both forms, and torch's map."""
    folder = tmp_path_factory.mktemp("light")
    classifier = load_classifier(trained / "classifier.safetensors")
    classifier.settings = dataclasses.replace(classifier.settings, precision="fp32")
    classifier.save(folder / "classifier.safetensors")
    export(classifier, folder / "classifier.onnx", Reporter())
    words = ["classify", trained / "scene.tif", "--classifier", folder / "classifier.safetensors"]
    rasters = ["-o", folder / "map.tif", "--probabilities", folder / "probabilities.tif"]
    assert main([str(word) for word in words + rasters]) == 0
    return folder


def light(
    *words: str | Path, python: Path = PYTHON, beside: str = ""
) -> tuple[int, list[dict], str]:
    """Run the engine's code in the light environment: status, messages, stderr."""
    paths = os.pathsep.join(filter(None, [str(REPOSITORY / "core"), beside]))
    ended = subprocess.run(
        [python, "-m", "mtmsd", *map(str, words), "--json"],
        env={**os.environ, "PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return ended.returncode, [json.loads(line) for line in ended.stdout.splitlines()], ended.stderr


def done(*words: str | Path) -> dict:
    """Run the engine to a good end; its results."""
    status, messages, told = light(*words)
    assert status == 0, (messages[-1:], told)
    return messages[-1]["results"]


def refusal(*words: str | Path) -> tuple[int, dict]:
    """Run the engine to a bad end: the status and its one sentence."""
    status, messages, told = light(*words)
    assert "Traceback" not in told
    assert messages[-1]["type"] == "error"
    return status, messages[-1]


def test_it_is_the_engine_without_torch():
    core = REPOSITORY / "core"
    block = re.search(r"\ndependencies = \[(.*?)\n\]", (core / "pyproject.toml").read_text(), re.S)
    needed = set(re.findall(r'"([^"]+)"', block[1]))
    lines = (core / "light-requirements.in").read_text().splitlines()
    listed = {line for line in lines if not line.startswith("#")}
    (torch,) = needed - listed
    assert torch.startswith("torch>=")
    assert listed < needed
    ended = subprocess.run([PYTHON, "-c", "import torch"], capture_output=True, text=True)
    assert "No module named 'torch'" in ended.stderr


def test_doctor_says_what_it_is():
    results = done("doctor")
    assert results["kind"] == "light"
    assert results["packages"]["torch"] is None
    assert results["runtime"] == "onnxruntime"
    (cpu,) = [row for row in results["devices"] if row["name"] == "cpu"]
    assert cpu["ok"]
    assert cpu["seconds"] > 0


def test_it_maps_as_torch_does(trained: Path, files: Path, tmp_path: Path):
    status, messages, told = light(
        "classify", trained / "scene.tif", "-o", tmp_path / "map.tif",
        "--classifier", files / "classifier.onnx", "--probabilities", tmp_path / "p.tif",
        "--runtime", "onnx", "--majority", "3",
    )  # fmt: skip
    assert status == 0, told
    (hello,) = [message for message in messages if message["type"] == "hello"]
    assert hello["device"] == "cpu"
    with rasterio.open(tmp_path / "p.tif") as p, rasterio.open(files / "probabilities.tif") as q:
        found, expected = p.read(), q.read()
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert (found.argmax(0) == expected.argmax(0)).mean() >= 0.9999
    with rasterio.open(tmp_path / "map.tif") as made:
        assert set(np.unique(made.read(1))) == {1, 2}


def test_it_assesses_and_outlines_a_map(trained: Path, files: Path, tmp_path: Path):
    expected = tmp_path / "expected.json"
    reference = write_polygons(
        tmp_path / "reference.gpkg",
        [rectangle(9, 12, 4, 5), rectangle(9, 33, 4, 5)],
        class_id=np.array([1, 2]),
        class_name=np.array(["left", "right"], object),
    )
    words = [files / "map.tif", reference, "-o"]
    line = ["assess", *words, tmp_path / "expected.html", "--json-out", expected]
    assert main([str(word) for word in line]) == 0
    spectra = ["--scene", trained / "scene.tif", "--training", trained / "labels.gpkg"]
    found = done("assess", *words, tmp_path / "report.html", *spectra)
    figures = json.loads(expected.read_text())
    assert found["overall"] == figures["overall"] > 0.5
    assert {row["name"] for row in found["baselines"]} >= {"svm", "rf"}
    assert "data:image/png" in (tmp_path / "report.html").read_text()
    assert done("vectorize", files / "map.tif", "-o", tmp_path / "regions.gpkg")["count"] > 1
    points = tmp_path / "points.gpkg"
    assert done("nextlabels", files / "probabilities.tif", "-o", points)
    assert points.is_file()


def test_it_looks_at_rasters_and_imports_them(trained: Path, tmp_path: Path):
    assert done("info", trained / "scene.tif")["bands"] == 6
    done("import", trained / "scene.tif", "-o", tmp_path / "copy.tif")
    with rasterio.open(tmp_path / "copy.tif") as copy, rasterio.open(trained / "scene.tif") as own:
        np.testing.assert_array_equal(copy.read(), own.read())


def test_a_classifier_file_is_told_to_be_exported_first(trained: Path, files: Path, tmp_path: Path):
    classifier = files / "classifier.safetensors"
    words = ["-o", tmp_path / "map.tif", "--classifier", classifier]
    status, error = refusal("classify", trained / "scene.tif", *words)
    assert (status, error["code"]) == (4, "no-package")
    assert error["message"].startswith("classifier.safetensors needs torch, which the engine's")
    assert "mtmsd export classifier.safetensors -o classifier.onnx" in error["hint"]
    assert not list(tmp_path.iterdir())


def test_a_stack_without_network_is_learnt_and_mapped_as_the_full_engine_does(
    trained: Path, tmp_path: Path
):
    scene, labels = trained / "scene.tif", trained / "labels.gpkg"
    made = {name: tmp_path / f"{name}.tif" for name in ("full", "here", "again")}
    classifier = tmp_path / "stack.safetensors"
    learn = ["map", scene, labels, "-o", tmp_path / "map.tif", "--probabilities"]
    words = [*learn, made["full"], "--classifier-out", classifier]
    assert main([str(word) for word in words]) == 0
    done("classify", scene, "-o", tmp_path / "m.tif", "--classifier", classifier,
         "--probabilities", made["here"])  # fmt: skip
    done(*learn, made["again"])
    found = {name: rasterio.open(path).read() for name, path in made.items()}
    for name in ("here", "again"):
        np.testing.assert_allclose(found[name], found["full"], atol=1e-5)
    assert np.ptp(found["full"]) > 0.5


def test_a_stack_with_its_network_is_exported_and_mapped_as_torch_does(
    trained: Path, tmp_path: Path
):
    scene, classifier = trained / "scene.tif", tmp_path / "stack.safetensors"
    settings = {"epochs": 4, "samples_per_epoch": 0, "stride": 16, "timesteps": 100, "members": 2}
    settings |= {"channels": 1000, "classifier.learning_rate": 2e-3, "precision": "fp32"}
    learn = ["train", scene, trained / "labels.gpkg", "-o", classifier, "--holdout", "0"]
    learn += ["--model", trained / "model.safetensors", *words_of(settings)]
    assert main([str(word) for word in learn]) == 0
    stack = load_classifier(classifier)
    assert stack.listens_to_network, "or the network's tiles are not compared"
    assert np.sum(stack.metadata["weights"]["values"]) == pytest.approx(1), "what it looks at"
    onnx, made = tmp_path / "stack.onnx", [tmp_path / "full.tif", tmp_path / "here.tif"]
    assert main(["export", str(classifier), "-o", str(onnx)]) == 0
    line = ["classify", scene, "-o", tmp_path / "map.tif", "--probabilities"]
    words = [*line, made[0], "--classifier", classifier]
    assert main([str(word) for word in words]) == 0
    done(*line, made[1], "--classifier", onnx, "--disagreement", tmp_path / "d.tif")
    full, here = (rasterio.open(path).read() for path in made)
    np.testing.assert_allclose(here, full, atol=1e-5)


def test_learning_is_told_to_need_the_full_engine(trained: Path, files: Path, tmp_path: Path):
    scene, labels, out = (
        trained / "scene.tif",
        trained / "labels.gpkg",
        tmp_path / "out.safetensors",
    )
    for words in (
        ["pretrain", scene, "-o", out],
        ["train", scene, labels, "-o", out, "--model", trained / "model.safetensors"],
        ["map", scene, labels, "-o", tmp_path / "map.tif", "--classifier", "mtmsd"],
        ["export", files / "classifier.safetensors", "-o", tmp_path / "out.onnx"],
    ):
        status, error = refusal(*words)
        assert (status, error["code"]) == (4, "no-package"), words
        assert "needs torch" in error["message"]
        assert not list(tmp_path.iterdir())


def warnings_of(messages: list[dict]) -> list[str]:
    return [message["message"] for message in messages if message["type"] == "warning"]


@with_cards_build
def test_the_build_for_cards_maps_on_the_processor_and_says_why(
    trained: Path, files: Path, tmp_path: Path
):
    made = {}
    for python in (PYTHON, CARDS_PYTHON):
        folder = tmp_path / python.parts[-3]
        folder.mkdir()
        layers = {"-o": folder / "map.tif", "--probabilities": folder / "p.tif"}
        words = ["classify", trained / "scene.tif", "--classifier", files / "classifier.onnx"]
        options = [word for pair in layers.items() for word in pair]
        status, messages, told = light(*words, *options, python=python)
        assert status == 0, told
        rasters = []
        for path in layers.values():
            with rasterio.open(path) as raster:
                rasters.append((raster.read().tobytes(), raster.dtypes))
        (hello,) = [message for message in messages if message["type"] == "hello"]
        made[python] = rasters, hello["device"], warnings_of(messages)
    assert made[CARDS_PYTHON][:2] == made[PYTHON][:2]
    assert made[PYTHON][1:] == ("cpu", [])
    (warning,) = made[CARDS_PYTHON][2]
    assert "The device 'cuda' does not work here (onnxruntime could not start" in warning
    assert "libcu" in warning, "which library is missing is said"


@with_cards_build
def test_a_card_asked_for_by_name_that_fails_is_refused(trained: Path, files: Path, tmp_path: Path):
    words = ["classify", trained / "scene.tif", "--classifier", files / "classifier.onnx", "-o"]
    for device in ("cuda", "cuda:1"):
        more = [tmp_path / "map.tif", "--device", device]
        status, messages, told = light(*words, *more, python=CARDS_PYTHON)
        error = messages[-1]
        assert (status, error["type"], error["code"]) == (4, "error", "no-device")
        assert f"The device '{device}' does not work here (onnxruntime could" in error["message"]
        assert error["hint"] == "Choose another device, or cpu."
        assert "Traceback" not in told
        assert not list(tmp_path.iterdir())


@with_cards_build
def test_doctor_names_the_providers_that_computed_and_why_another_did_not():
    status, messages, _ = light("doctor", python=CARDS_PYTHON)
    results = messages[-1]["results"]
    assert (status, results["kind"]) == (0, "light")
    assert (results["packages"]["onnxruntime"], results["providers"]) == (
        None,
        ["CPUExecutionProvider"],
    )
    assert {row["name"]: row["ok"] for row in results["devices"]} == {"cpu": True, "cuda": False}
    (warning,) = warnings_of(messages)
    assert warning.startswith("onnxruntime does not compute by CUDAExecutionProvider here (")
    assert warning.endswith("exported classifiers are mapped on the processor.")


def test_doctor_tells_that_both_packages_of_one_module_are_installed(tmp_path: Path):
    for name in ("onnxruntime", "onnxruntime-gpu"):
        info = tmp_path / f"{name.replace('-', '_')}-1.31.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.31.1\n")
    status, messages, _ = light("doctor", beside=str(tmp_path))
    assert status == 0
    (warning,) = warnings_of(messages)
    assert warning.startswith("onnxruntime and onnxruntime-gpu are both installed")
    assert "uninstall both" in warning
    _, alone, _ = light("doctor")
    assert warnings_of(alone) == []


def test_the_full_engine_needs_no_onnxruntime_until_it_maps_with_it(
    trained: Path, files: Path, tmp_path: Path
):
    code = (
        "import importlib, pkgutil, sys; sys.modules['onnxruntime'] = None\n"
        "import mtmsd\n"
        "for found in pkgutil.walk_packages(mtmsd.__path__, 'mtmsd.'):\n"
        "    if found.name not in ('mtmsd.onnx.session', 'mtmsd.__main__'):\n"
        "        importlib.import_module(found.name)\n"
        "from mtmsd.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    map_words = ["classify", trained / "scene.tif", "-o", tmp_path / "map.tif", "--classifier"]
    ended = [
        subprocess.run(
            [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True
        )
        for words in (["doctor", "--json"], [*map_words, files / "classifier.onnx"])
    ]
    results = json.loads(ended[0].stdout.splitlines()[-1])["results"]
    assert (results["kind"], results["providers"]) == ("full", [])
    assert ended[1].returncode == 4
    assert "classifier.onnx needs onnxruntime, which the engine's" in ended[1].stderr
    said = " ".join(ended[1].stderr.split())
    assert "Install one of 'onnxruntime' and, for NVIDIA cards, 'onnxruntime-gpu[cuda" in said
    assert not list(tmp_path.iterdir())
