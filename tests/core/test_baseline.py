"""The spectral baselines: right pixels, same answer twice, probabilities that can be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mtmsd.assess.baseline import spectral_baselines
from mtmsd.assess.calibration import reliability
from mtmsd.classes import ClassInfo
from mtmsd.classify.classifier import load_classifier
from mtmsd.errors import InputError
from mtmsd.labels.labels import Labels
from mtmsd.mapping.spectra import SpectralMapper
from mtmsd.reporting import Reporter
from mtmsd.scene.pixels import read_spectra
from mtmsd.scene.raster import Scene
from mtmsd.spectral import estimators as simple
from mtmsd.spectral.classifier import SpectralTrainingSet
from mtmsd.spectral.estimators import fit, stratified_subsample
from sklearn.model_selection import GridSearchCV
from small_files import write_raster

pytestmark = pytest.mark.slow

CLASSES = (ClassInfo(3, "left", "#ff0000"), ClassInfo(7, "right", "#0000ff"))


def _striped(path: Path) -> tuple[Path, np.ndarray]:
    """A scene of 150 rows and 310 columns whose class is right of a slanted line."""
    rows, cols = np.mgrid[:150, :310]
    truth = np.where(cols > 100 + rows // 2, 7, 3)
    noise = np.random.default_rng(0).normal(0, 20, (4, 150, 310))
    data = np.where(truth == 7, 400, 600) + noise
    data[:, 20:30, 40:50] = -9999
    truth[20:30, 40:50] = 0
    return write_raster(path / "striped.tif", data.astype("int16"), nodata=-9999), truth


def _labels(truth: np.ndarray, share: float, seed: int) -> Labels:
    chosen = (np.random.default_rng(seed).random(truth.shape) < share) & (truth > 0)
    rows, cols = np.nonzero(chosen)
    n = len(rows)
    return Labels(
        rows.astype(np.int32),
        cols.astype(np.int32),
        truth[rows, cols].astype(np.uint16),
        np.arange(n, dtype=np.int32),
        CLASSES,
    )


def test_baselines_read_the_right_pixels_and_repeat(tmp_path: Path) -> None:
    path, truth = _striped(tmp_path)
    train, test = _labels(truth, 0.004, 1), _labels(truth, 0.02, 2)
    with Scene.open(path) as scene:
        spectra = read_spectra(scene, test.rows, test.cols, Reporter())
        whole, _ = scene.read(0, 0, 150, 310)
        np.testing.assert_array_equal(spectra, whole[:, test.rows, test.cols].T)
        runs = [
            spectral_baselines(scene, [(train, test)], seed=5, reporter=Reporter())
            for _ in range(2)
        ]
    assert [b.name for b in runs[0]] == ["svm", "rf"], "two SVMs that answer the same are one"
    for first, second in zip(*runs, strict=True):
        np.testing.assert_array_equal(first.predicted, test.values)
        np.testing.assert_array_equal(first.predicted, second.predicted)


@pytest.mark.parametrize("name", ["svm", "rf"])
def test_a_file_of_spectra_maps_a_window_as_the_fit_did(tmp_path: Path, name: str) -> None:
    path, truth = _striped(tmp_path)
    file = tmp_path / "classifier.safetensors"
    with Scene.open(path) as scene:
        samples = SpectralTrainingSet.extract(scene, _labels(truth, 0.01, 1), name, Reporter())
        first = samples.fit(seed=0, reporter=Reporter())
        first.save(file)
        again = load_classifier(file)
        block, repeated = (
            SpectralMapper(scene, classifier).block((10, 30, 100, 200))
            for classifier in (first, again)
        )
    inside = truth[10:110, 30:230]
    assert np.array_equal(block.values > 0, inside > 0)
    assert np.isnan(block.probabilities[:, inside == 0]).all()
    np.testing.assert_allclose(block.probabilities[:, inside > 0].sum(0), 1, atol=1e-5)
    assert (block.values == inside).mean() > 0.999
    np.testing.assert_array_equal(block.probabilities, repeated.probabilities)
    assert [c.value for c in again.classes] == [3, 7]


@pytest.mark.parametrize("name", ["svm", "rf"])
def test_calibrated_probabilities_mean_about_what_they_say(name: str) -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 3, 3000)
    centres = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    spectra = (centres[truth] + generator.normal(0, 0.7, (3000, 3))).astype(np.float32)
    values = (truth + 1).astype(np.uint16)
    fitted = fit(name, spectra[:600], values[:600], seed=0, calibrate=True)
    probabilities = fitted.probabilities(spectra[600:])
    right = fitted.values[probabilities.argmax(1)] == values[600:]
    assert 0.6 < right.mean() < 0.8
    assert reliability(probabilities.max(1), right).expected_error < 0.09


def test_tuning_leaves_whole_polygons_out(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 10)
    values = (groups % 3 + 1).astype(np.uint16)
    spectra = (values[:, None] + generator.normal(0, 0.3, (120, 4))).astype(np.float32)
    seen = {}

    class Search(GridSearchCV):
        def __init__(self, estimator, param_grid, *, cv, refit) -> None:
            super().__init__(estimator, param_grid, cv=cv, refit=refit)
            seen[name] = cv

    monkeypatch.setattr(simple, "GridSearchCV", Search)
    for name in ("svm", "svm-polygons"):
        fit(name, spectra, values, seed=0, groups=groups)
    torn = {
        name: sum(len(np.intersect1d(groups[a], groups[b])) for a, b in folds)
        for name, folds in seen.items()
    }
    assert torn["svm-polygons"] == 0
    assert torn["svm"] > 20
    for train, test in seen["svm-polygons"]:
        assert set(values[train]) == {1, 2, 3}
        assert len(train) + len(test) == 120


def test_few_polygons_still_give_folds() -> None:
    values = np.repeat([1, 2], [20, 30]).astype(np.uint16)
    groups = np.repeat([0, 1, 2, 3], [20, 10, 10, 10])  # class 1 has one polygon
    spectra = (values[:, None] + np.random.default_rng(0).normal(0, 0.1, (50, 3))).astype("f4")
    fitted = fit("svm-polygons", spectra, values, seed=0, groups=groups, calibrate=True)
    np.testing.assert_array_equal(fitted.predict(spectra), values)


def test_a_rare_class_survives_the_subsample() -> None:
    values = np.repeat([1, 2, 3], [9_000, 990, 10]).astype(np.uint16)
    kept = stratified_subsample(values, 1_000, seed=0)
    assert np.bincount(values[kept]).tolist() == [0, 900, 99, 10]
    assert len(np.unique(kept)) == len(kept)


def test_one_class_is_one_clear_sentence() -> None:
    with pytest.raises(InputError, match="at least two classes; there is 1"):
        fit("svm", np.ones((5, 3), np.float32), np.full(5, 4, np.uint16), seed=0)


def test_two_pixels_per_class_are_enough() -> None:
    spectra = np.array([[0, 0], [0, 1], [9, 9], [9, 8]], np.float32)
    values = np.array([1, 1, 2, 2], np.uint16)
    for name in ("svm", "rf"):
        fitted = fit(name, spectra, values, seed=0, calibrate=True)
        np.testing.assert_array_equal(fitted.predict(spectra), values)
    single = fit("svm", spectra[1:], values[1:], seed=0)
    np.testing.assert_array_equal(single.predict(spectra), values)
