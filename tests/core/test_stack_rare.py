"""Rare classes: with ``rare_classes`` a class of few pixels is found, in the folds and the map."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mtmsd.classes import ClassInfo
from mtmsd.classify.classifier import load_classifier
from mtmsd.cli.main import main
from mtmsd.labels.labels import Labels
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.stack.pooling import class_shares, favour_rare
from mtmsd.stack.training import StackTrainingSet
from small_files import write_raster

CLASSES = (ClassInfo(1, "field", "#00ff00"), ClassInfo(2, "orchid", "#ff00ff"))
SIDE = 72


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> StackTrainingSet:
    """Squares of 3×3 px, every tenth an orchid's, whose spectra overlap with the field's."""
    rng = np.random.default_rng(0)
    squares = [(r, c) for r in range(0, SIDE, 6) for c in range(0, SIDE, 6)]
    truth = np.zeros((SIDE, SIDE), int)
    for i, (r, c) in enumerate(squares):
        truth[r : r + 6, c : c + 6] = i % 10 == 0
    shapes = np.stack([np.full(6, 500.0), 500 + 8 * np.arange(6)])
    data = shapes[truth].transpose(2, 0, 1) + rng.normal(0, 90, (6, SIDE, SIDE))
    scene = Scene.open(
        write_raster(tmp_path_factory.mktemp("rare") / "s.tif", data.astype("int16"))
    )
    r, c = np.mgrid[:3, :3]
    rows = np.concatenate([(r + top).ravel() for top, _ in squares])
    cols = np.concatenate([(c + left).ravel() for _, left in squares])
    labels = Labels(
        rows.astype(np.int32),
        cols.astype(np.int32),
        (truth[rows, cols] + 1).astype(np.uint16),
        np.repeat(np.arange(len(squares)), 9).astype(np.int32),
        CLASSES,
    )
    return StackTrainingSet.extract(scene, labels, seed=0, reporter=Reporter())


def _recalls(called: np.ndarray, truth: np.ndarray) -> list[float]:
    return [float((called[truth == value] == value).mean()) for value in (1, 2)]


def test_a_rare_class_is_found_where_it_matters(samples: StackTrainingSet, tmp_path: Path) -> None:
    truth, found, mapped = samples.labels.values, {}, {}
    for rare in (0.0, 0.5):
        own = replace(samples, rare=rare, fits={})
        classifier, answers = own.fit_and_answer(None, seed=0, reporter=Reporter())
        assert answers is not None
        found[rare] = _recalls(answers.probabilities.argmax(1) + 1, truth[answers.index])
        mapped[rare] = classifier.probabilities(own.features)
        np.testing.assert_allclose(answers.probabilities.sum(1), 1, rtol=1e-5)
    (field, orchid), (field_before, orchid_before) = found[0.5], found[0.0]
    assert orchid > orchid_before + 0.1
    assert field_before > field > 0.7
    share = class_shares(truth, [1, 2])
    expected = mapped[0.0] / np.sqrt(share)
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(mapped[0.5], expected, rtol=1e-4)
    classifier.save(tmp_path / "c.safetensors")
    again = load_classifier(tmp_path / "c.safetensors")
    assert np.array_equal(again.probabilities(samples.features), mapped[0.5])


def test_shares_of_classes_that_have_no_pixel_are_not_nothing() -> None:
    shares = class_shares(np.array([1, 1, 1]), [1, 2])
    np.testing.assert_allclose(shares, [0.75, 0.25])
    even = favour_rare(np.log(np.array([[0.75, 0.25]])), shares, 1.0)
    np.testing.assert_allclose(np.exp(even), [[0.5, 0.5]])


def test_the_setting_is_kept_and_said_where_it_changes_nothing(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(*more: object) -> str:
        line = ["train", trained / "scene.tif", trained / "labels.gpkg", "--holdout", "0"]
        output = ["-o", tmp_path / "c.safetensors", "--set", "rare_classes=0.5"]
        assert main([str(word) for word in [*line, *output, *more]]) == 0
        return " ".join(capsys.readouterr().err.split())

    assert "change nothing" not in train()
    kept = load_classifier(tmp_path / "c.safetensors")
    assert json.loads(json.dumps(kept.header()))["stack"]["rare"] == 0.5
    said = "rare_classes changes nothing: only the stack knows it"
    assert said in train("--classifier", "svm", "--model", trained / "model.safetensors")
