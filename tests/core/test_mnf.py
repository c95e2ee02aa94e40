"""Whitening by MNF: components by signal over noise, whatever varies most."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import scipy.linalg
from mtmsd.cli.main import main
from mtmsd.errors import InputError
from mtmsd.labels.mask import parse_masks
from mtmsd.mapping.runtimes import runtime_for
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import fit_whitening
from running import TINY, fields_scene, words
from small_files import write_raster

BANDS, HEIGHT, WIDTH = 8, 70, 90


def noisy(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two smooth fields in eight bands, and noise that is five times as strong in two bands."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:HEIGHT, :WIDTH]
    fields = np.stack([np.sin(rows / 17) + cols / 60, np.cos(cols / 23) * np.sin(rows / 9)])
    mixed = np.einsum("fb,frc->brc", rng.normal(0, 1, (2, BANDS)), fields)
    strength = np.array([0.2, 0.2, 5, 0.2, 5, 0.2, 0.2, 0.2])
    data = mixed + rng.normal(0, 1, mixed.shape) * strength[:, None, None]
    return (data + 50).astype("float32"), fields


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "noisy.tif", noisy()[0])


def components(scene: Scene, method: str) -> np.ndarray:
    whitening = fit_whitening(scene, BANDS, seed=0, method=method)
    values, valid = scene.read(0, 0, HEIGHT, WIDTH)
    return whitening.apply(values, valid)[:, valid].astype(np.float64)


def test_the_first_components_are_signal_though_noise_varies_more(scene: Path):
    fields = noisy()[1].reshape(2, -1)
    told = {}
    for method in ("pca", "mnf"):
        with Scene.open(scene) as opened:
            first = components(opened, method)[:2]
        joined = np.corrcoef(np.concatenate([first, fields]))[:2, 2:]
        told[method] = np.linalg.svd(joined, compute_uv=False).min()
    assert told["mnf"] > 0.9
    assert told["pca"] < 0.3


def test_components_have_variance_1_and_no_correlation_and_so_has_their_noise(scene: Path):
    with Scene.open(scene) as opened:
        found = components(opened, "mnf")
    assert np.allclose(found.mean(1), 0, atol=1e-3)
    assert np.allclose(np.cov(found), np.eye(BANDS), atol=1e-3)
    image = found.reshape(BANDS, HEIGHT, WIDTH)
    chunks = [image[:, :, :64], image[:, :, 64:]]
    steps = np.concatenate([np.diff(c, axis=2).reshape(BANDS, -1) for c in chunks], axis=1)
    noise = np.cov(steps) / 2
    assert np.allclose(noise, np.diag(np.diag(noise)), atol=2e-3)
    assert (np.diff(np.diag(noise)) > -1e-6).all(), "noise grows from the first to the last"


def test_it_is_the_generalised_eigenproblem_of_the_paper(scene: Path):
    with Scene.open(scene) as opened:
        fitted = fit_whitening(opened, BANDS, seed=0, method="mnf")
    data = noisy()[0].astype(np.float64)
    steps = [data[:, r, c + 1] - data[:, r, c] for r in range(HEIGHT) for c in range(WIDTH - 1)
             if c != 63]  # fmt: skip  # the sample's windows are 64 px wide
    noise = np.cov(np.transpose(steps), bias=True) / 2
    whole = np.cov(data.reshape(BANDS, -1), bias=True)
    ratios, vectors = scipy.linalg.eigh(whole, noise)
    ratios, vectors = ratios[::-1], vectors[:, ::-1]
    assert fitted.noise.pairs == len(steps)
    assert np.allclose(
        fitted.noise.signal_to_noise, np.maximum(ratios - 1, 0), rtol=1e-3, atol=1e-4
    )
    assert np.allclose(fitted.variances, ratios / ratios.sum(), rtol=1e-3)
    ours = fitted.weights / np.linalg.norm(fitted.weights, axis=1, keepdims=True)
    theirs = (vectors / np.linalg.norm(vectors, axis=0)).T
    assert np.allclose(np.abs((ours * theirs).sum(1)), 1, atol=1e-4)


def test_differences_across_gaps_and_masks_are_not_taken(tmp_path: Path):
    data, _ = noisy()
    data[:, 10:20, 30:40] = -9999
    data[3, :, 50] = -9999  # one band is enough
    cover = np.zeros((HEIGHT, WIDTH), "uint8")
    cover[60:, :] = 1
    data[:, 60:] *= 100
    scene = write_raster(tmp_path / "gaps.tif", data, nodata=-9999)
    mask = write_raster(tmp_path / "mask.tif", cover)
    there = np.ones((HEIGHT, WIDTH), bool)
    there[10:20, 30:40], there[:, 50], there[60:] = False, False, False
    pairs = there[:, 1:] & there[:, :-1]
    pairs[:, 63] = False
    with Scene.open(scene, masks=parse_masks([str(mask)])) as opened:
        found = fit_whitening(opened, BANDS, seed=0, method="mnf").noise
    assert found.pairs == pairs.sum()
    with Scene.open(write_raster(tmp_path / "whole.tif", noisy()[0])) as opened:
        whole = fit_whitening(opened, BANDS, seed=0, method="mnf").noise
    assert np.allclose(found.signal_to_noise, whole.signal_to_noise, rtol=0.3, atol=0.1)


def test_a_scene_without_neighbours_cannot_be_whitened_by_its_noise(tmp_path: Path):
    data, _ = noisy()
    data[:, ::2, ::2] = data[:, 1::2, 1::2] = -9999
    with Scene.open(write_raster(tmp_path / "chess.tif", data, nodata=-9999)) as opened:
        with pytest.raises(InputError, match="chess has 0 pairs of neighbours with data, too few"):
            fit_whitening(opened, BANDS, seed=0, method="mnf")
        assert fit_whitening(opened, BANDS, seed=0).components == BANDS


def test_another_word_is_refused_before_any_work(scene: Path, capfd: pytest.CaptureFixture[str]):
    given = ["pretrain", scene, "-o", scene.with_name("m.safetensors"), "--set", "whitening=ica"]
    assert main(list(map(str, given))) == 1
    assert "The setting whitening cannot be 'ica'." in capfd.readouterr().err


@pytest.mark.slow
def test_the_stack_listens_to_it_and_says_the_noise(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    scene, labels = fields_scene(tmp_path)
    out, report = tmp_path / "map.tif", tmp_path / "report.html"
    given = ["map", scene, labels, "-o", out, "--report", report, "--set", "whitening=mnf"]
    assert main(list(map(str, given))) == 0
    said = " ".join(capfd.readouterr().err.split())
    assert "Whitened by MNF. The noise is estimated from the differences of 1880 pairs" in said
    assert "change nothing" not in said
    assert "differences of neighbours in a row" in report.read_text()
    path = tmp_path / "map.classifier.safetensors"
    learnt = runtime_for(path).classifiers.load_classifier(path)
    assert learnt.model.metadata["noise"]["pairs"] == 1880
    with Scene.open(scene) as opened:
        fitted = fit_whitening(opened, learnt.whitening.components, seed=0, method="mnf")
    assert np.array_equal(learnt.whitening.weights, fitted.weights)
    with rasterio.open(out) as dataset:
        assert set(np.unique(dataset.read(1))) == {1, 2}


@pytest.mark.slow
def test_a_network_behind_it_maps_the_same_by_onnx(tmp_path: Path):
    scene, labels = fields_scene(tmp_path)
    settings = words(TINY | {"iterations": 3, "epochs": 1, "whitening": "mnf"})
    model, classifier = tmp_path / "m.safetensors", tmp_path / "c.safetensors"
    for given in (
        ["pretrain", scene, "-o", model, *settings],
        ["train", scene, labels, "-o", classifier, "--model", model, "--classifier", "mtmsd",
         "--holdout", 0, *settings],
        ["export", classifier, "-o", tmp_path / "c.onnx"],
        ["classify", scene, "-o", tmp_path / "torch.tif", "--classifier", classifier],
        ["classify", scene, "-o", tmp_path / "onnx.tif", "--classifier", tmp_path / "c.onnx"],
    ):  # fmt: skip
        assert main(list(map(str, given))) == 0
    with rasterio.open(tmp_path / "torch.tif") as one, rasterio.open(tmp_path / "onnx.tif") as two:
        assert (one.read(1) == two.read(1)).mean() > 0.99
        assert set(np.unique(one.read(1))) == {1, 2}
