"""Exported classifiers: the same map as with torch, and all that the classifier file says."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import rasterio
import torch
from mtmsd.classify.classifier import load_classifier
from mtmsd.classify.training import TrainingSet
from mtmsd.cli.main import main
from mtmsd.diffusion.model import DiffusionModel
from mtmsd.errors import InputError
from mtmsd.labels.read import read_labels
from mtmsd.mapping.tiles import TileMapper
from mtmsd.onnx import session
from mtmsd.onnx.classifier import load_classifier as load_exported
from mtmsd.onnx.export import export
from mtmsd.onnx.session import SessionRuntime, choose_device, report
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.settings import ClassifierSettings

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
SETTINGS = ClassifierSettings(
    timesteps=(50, 400), channels=48, stride=8, members=2, epochs=3, batch_size=16,
    samples_per_epoch=0, learning_rate=3e-3, precision="fp32",
)  # fmt: skip
VARIANTS = {
    "balanced": {},
    "one member, one timestep": {"members": 1, "timesteps": (200,), "stride": 16},
    "paper": {
        "features": "patchwise", "timesteps": (50, 100, 500), "members": 3, "standardise": False,
        "head": "paper", "vote": "mode", "epochs": 10,
    },
    "dense, by mode, without the spectrum": {"head": "paper", "vote": "mode", "members": 3},
    "mean of the timesteps, two stages": {"fusion": "mean", "blocks": (0, 5), "stride": 4},
}  # fmt: skip


@pytest.fixture(scope="module")
def scene(trained: Path) -> Scene:
    return Scene.open(trained / "scene.tif")


@pytest.fixture(scope="module")
def exact(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The classifier of ``trained``, in float32 on any machine."""
    classifier = load_classifier(trained / "classifier.safetensors")
    classifier.settings = dataclasses.replace(classifier.settings, precision="fp32")
    path = tmp_path_factory.mktemp("exact") / "classifier.safetensors"
    classifier.save(path)
    return path


@pytest.fixture(scope="module")
def onnx_file(exact: Path) -> Path:
    """The same, exported by the command."""
    path = exact.with_suffix(".onnx")
    assert main(["export", str(exact), "-o", str(path)]) == 0
    return path


@pytest.mark.parametrize("variant", VARIANTS)
def test_onnxruntime_maps_as_torch_does(variant: str, trained: Path, scene: Scene, tmp_path: Path):
    settings = dataclasses.replace(SETTINGS, **VARIANTS[variant])
    labels = read_labels(trained / "labels.gpkg", scene)
    model = DiffusionModel.load(trained / "model.safetensors")
    samples = TrainingSet.extract(
        scene, labels, model, settings, device=CPU, seed=0, reporter=Reporter()
    )
    classifier = samples.fit(seed=0, reporter=Reporter())
    classifier.metadata["temperature"] = 1.7
    export(classifier, tmp_path / "c.onnx", Reporter())
    window = (7, 20, 5, 8) if settings.features == "patchwise" else (0, 0, 40, 48)
    compare = settings.members > 1
    blocks = [
        TileMapper(scene, found, "cpu" if found is not classifier else CPU, compare=compare).block(
            window
        )
        for found in (classifier, load_exported(tmp_path / "c.onnx"))
    ]
    assert len(np.unique(blocks[0].values)) == 2
    assert (blocks[0].values == blocks[1].values).mean() >= 0.9999
    for layer in ("probabilities", "confidence", "entropy", *(["disagreement"] * compare)):
        first, second = (getattr(block, layer) for block in blocks)
        assert np.isfinite(first).all()
        np.testing.assert_allclose(second, first, atol=1e-3, err_msg=layer)
    assert np.ptp(blocks[0].confidence) > 0.01


def test_the_command_maps_as_with_the_classifier_file(
    trained: Path, exact: Path, onnx_file: Path, tmp_path: Path
):
    found = {}
    for classifier in (exact, onnx_file):
        words = ["classify", trained / "scene.tif", "-o", tmp_path / "map.tif"]
        layers = ["--probabilities", tmp_path / "p.tif", "--classifier", classifier]
        assert main([str(word) for word in [*words, *layers]]) == 0
        with rasterio.open(tmp_path / "map.tif") as made, rasterio.open(tmp_path / "p.tif") as p:
            tags = {k: v for k, v in made.tags().items() if "DATE" not in k}
            found[classifier.suffix] = made.read(1), p.read(), tags, made.colormap(1)
    first, second = found.values()
    np.testing.assert_array_equal(second[0], first[0])
    np.testing.assert_allclose(second[1], first[1], atol=1e-3)
    assert second[2:] == first[2:], "the map says the same of how it was made"


def test_the_file_says_all_that_the_classifier_file_says(exact: Path, onnx_file: Path):
    classifier = load_classifier(exact)
    properties = {p.key: p.value for p in onnx.load(onnx_file).metadata_props}
    said = json.loads(properties["mtmsd"])
    assert said == {
        "kind": "classifier", "format": 1, "width": 32,
        **json.loads(json.dumps(classifier.header())),
    }  # fmt: skip
    exported = load_exported(onnx_file)
    assert exported.classes == classifier.classes
    assert exported.temperature == classifier.temperature
    np.testing.assert_array_equal(exported.model.mean_spectrum, classifier.model.mean_spectrum)


def test_an_interrupted_map_goes_on_with_an_exported_classifier(
    trained: Path, onnx_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("mtmsd.mapping.mapper.BLOCK", 24)
    words = ["classify", trained / "scene.tif", "--classifier", onnx_file, "-o"]
    assert main([str(word) for word in [*words, tmp_path / "whole.tif"]]) == 0
    real, calls = SessionRuntime.votes, []

    def broken(self: SessionRuntime, tiles: list, *, compare: bool) -> np.ndarray:
        calls.append(len(tiles))
        if stop and len(calls) > stop:
            raise KeyboardInterrupt
        return real(self, tiles, compare=compare)

    monkeypatch.setattr(SessionRuntime, "votes", broken)
    stop = 2
    resumed = [str(word) for word in [*words, tmp_path / "map.tif"]]
    assert main(resumed) == 3
    done, stop = len(calls), 0
    assert main([*resumed, "--resume"]) == 0
    with rasterio.open(tmp_path / "map.tif") as a, rasterio.open(tmp_path / "whole.tif") as b:
        np.testing.assert_array_equal(a.read(), b.read())
    again, calls = len(calls) - done, []
    assert main(resumed) == 0
    assert again < len(calls), "finished blocks are not mapped again"


def test_memory_running_out_halves_the_batch(scene: Scene, onnx_file: Path, monkeypatch):
    exported = load_exported(onnx_file)
    mapper = TileMapper(scene, exported, "cpu")
    expected = mapper.block((0, 0, 40, 48)).confidence
    session = mapper._runtime._session

    class Cramped:
        def run(self, names: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
            if len(feeds["tiles"]) > 3:
                raise RuntimeError("Failed to allocate memory for requested buffer of size 9")
            return session.run(names, feeds)

    monkeypatch.setattr(mapper._runtime, "_session", Cramped())
    np.testing.assert_allclose(mapper.block((0, 0, 40, 48)).confidence, expected, atol=1e-5)


def test_devices_of_onnxruntime_are_tried():
    (row,) = [row for row in report() if row["name"] == "cpu"]
    assert row["ok"]
    assert 0 < row["seconds"] < 60
    assert choose_device("cpu") == "cpu"
    with pytest.raises(InputError, match="no device 'mps' for an exported classifier"):
        choose_device("mps")


@pytest.mark.parametrize("fails", ["when it is built", "when it computes"])
def test_the_processor_takes_over_from_a_card_that_fails_with_the_real_graph(
    fails: str,
    trained: Path,
    onnx_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """No card is here: the processor does what is asked of it in the trial."""
    real, real_votes = session.open_session, SessionRuntime.votes

    def opened(graph: bytes, device: str, *, alone: bool = False) -> object:
        if device == "cuda" and len(graph) > 100_000 and fails == "when it is built":
            raise RuntimeError("no kernel image is available")
        return real(graph, "cpu", alone=alone)

    def votes(self: SessionRuntime, found: list, *, compare: bool) -> np.ndarray:
        if self.kind == "cuda":
            raise RuntimeError("no kernel image is available")
        return real_votes(self, found, compare=compare)

    monkeypatch.setattr(session, "open_session", opened)
    monkeypatch.setattr(SessionRuntime, "votes", votes)
    there = list(session.PROVIDERS.values())
    monkeypatch.setattr(session.onnxruntime, "get_available_providers", lambda: there)
    made = {}
    for device in ("auto", "cpu"):
        path = tmp_path / f"{device}.tif"
        words = ["classify", trained / "scene.tif", "-o", path, "--classifier", onnx_file]
        capsys.readouterr()
        assert main([*map(str, words), "--device", device]) == 0
        told = capsys.readouterr().err
        warnings = [line for line in told.splitlines() if line.startswith("Warning: ")]
        with rasterio.open(path) as raster:
            made[device] = raster.read().tobytes(), warnings
    assert made["auto"][0] == made["cpu"][0]
    assert made["cpu"][1] == []
    (warning,) = made["auto"][1]
    assert warning.startswith("Warning: The device 'cuda' was chosen and then failed (")
    assert "no kernel image is available" in warning
    assert warning.endswith("). The processor takes over.")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["export", "{c}", "-o", "out.txt"], "out.txt does not end in .onnx"),
        (["export", "{o}", "-o", "out.onnx"], "The runtime torch reads .safetensors files"),
        (["export", "{m}", "-o", "out.onnx"], "is a diffusion-model file, not a classifier"),
        (["classify", "{s}", "-o", "map.tif", "--classifier", "{c}", "--runtime", "onnx"],
         "'mtmsd export' makes an .onnx file"),
        (["classify", "{s}", "-o", "map.tif", "--classifier", "{o}", "--runtime", "torch"],
         "The runtime torch reads .safetensors files; classifier.onnx is none"),
    ],
)  # fmt: skip
def test_files_of_the_other_runtime_are_refused(
    words: list[str],
    sentence: str,
    trained: Path,
    onnx_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    files = {
        "s": trained / "scene.tif", "m": trained / "model.safetensors",
        "c": trained / "classifier.safetensors", "o": onnx_file,
    }  # fmt: skip
    assert main([word.format(**files) for word in words]) == 1
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
