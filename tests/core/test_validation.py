"""Held-out labels: which way they are held out, what is told of it, what the classifier keeps."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
from mtmsd.assess.independence import distances
from mtmsd.assess.validation import held_out_temperature, hold_out, judge
from mtmsd.cli.main import main
from mtmsd.files.tensor_file import load_tensors
from mtmsd.labels.labels import Labels
from mtmsd.labels.read import read_labels
from mtmsd.labels.splits import positions, spatial_folds
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.spectral.classifier import SpectralTrainingSet
from running import fields_scene
from small_files import cube, rectangle, write_polygons, write_raster

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A scene of two hard classes, and 8 polygons of 20 pixels in each."""
    folder = tmp_path_factory.mktemp("given")
    data = cube(6, 80, 96, seed=3)
    data[:2, :, 48:] = (data[:2, :, 48:] * 0.97).astype(data.dtype)
    scene = write_raster(folder / "scene.tif", data)
    spots = [(row, col) for col in (2, 14, 52, 70) for row in (3, 22, 41, 60)]
    labels = write_polygons(
        folder / "labels.gpkg",
        [rectangle(row, col, 4, 5) for row, col in spots],
        class_id=np.array([1 if col < 48 else 2 for _, col in spots]),
    )
    return scene, labels


@functools.cache
def told(given: tuple[Path, Path], kind: str, method: str) -> tuple[Labels, dict]:
    with Scene.open(given[0]) as scene:
        labels = read_labels(given[1], scene)
        samples = SpectralTrainingSet.extract(scene, labels, method, Reporter())
        held = hold_out(labels, kind, 0.25, 0, 1)
        result = judge(
            samples, held, scene, method=method, patch=9, seed=1, reporter=Reporter()
        )  # fmt: skip
    return labels, result


@pytest.mark.parametrize(
    ("kind", "method", "tested", "folds"),
    [("polygons", "svm", 80, 1), ("cross", "rf", 320, 3), ("random", "svm", 80, 1)],
)
def test_every_way_to_hold_out_tells_how(
    given: tuple[Path, Path], kind: str, method: str, tested: int, folds: int
) -> None:
    labels, result = told(given, kind, method)
    assert len(labels) == 320
    assert result["n"] == tested
    assert result["validation"] == {"kind": kind, "folds": folds}
    assert 0.5 < result["overall"] < 1
    others = [b["name"] for b in result["baselines"]]
    assert others
    assert method not in others, "it is what is judged"
    assert result["optimistic"] == (kind == "random")
    assert ("an optimistic figure" in result["verdict"]) == (kind == "random")
    inside = result["training"]["inside_patch"]
    assert inside > 10 if kind == "random" else inside == 0
    labelled = [point["labels"] for point in result["learning_curve"]]
    assert labelled == sorted(set(labelled))
    assert labelled[0] >= 40
    if kind != "cross":
        assert labelled[-1] == 240


def test_calibration_is_told_before_and_after(given: tuple[Path, Path]) -> None:
    _, result = told(given, "cross", "rf")
    calibration = result["calibration"]
    assert 0 <= calibration["expected_error"] <= calibration["before"]
    assert (calibration["temperature"] == 1) == (
        calibration["expected_error"] == calibration["before"]
    )
    assert sum(calibration["count"]) == result["n"]


def test_cross_validation_predicts_each_polygon_by_the_others(given: tuple[Path, Path]) -> None:
    """The same by hand: fit without a fold, predict it, count."""
    labels, result = told(given, "cross", "rf")
    with Scene.open(given[0]) as scene:
        samples = SpectralTrainingSet.extract(scene, labels, "rf", Reporter())
    right = 0
    for fold in spatial_folds(labels, 3, 0, 1):
        fitted = samples.fit(positions(fold.train, labels), seed=1, reporter=Reporter())
        spectra = samples.spectra[positions(fold.test, labels)]
        right += int((fitted.fitted.predict(spectra) == fold.test.values).sum())
    assert result["overall"] == pytest.approx(right / 320)


def test_few_polygons_are_cross_validated_and_many_are_not(
    given: tuple[Path, Path], tmp_path: Path
) -> None:
    few = fields_scene(tmp_path)
    kinds = []
    for scene_path, labels_path in (given, few):
        with Scene.open(scene_path) as scene:
            kinds.append(hold_out(read_labels(labels_path, scene), "auto", 0.25, 0, 0).kind)
    assert kinds == ["polygons", "cross"]


def test_one_polygon_per_class_leaves_nothing_to_hold_out(raster: Path, polygons: Path) -> None:
    with Scene.open(raster) as scene:
        labels = read_labels(polygons, scene)
    for kind in ("auto", "polygons", "cross"):
        assert hold_out(labels, kind, 0.25, 0, 0).splits == ()


def test_distances_are_those_within_each_fold(given: tuple[Path, Path]) -> None:
    with Scene.open(given[0]) as scene:
        labels = read_labels(given[1], scene)
    near, far = labels.subset(labels.cols < 7), labels.subset(labels.cols > 60)
    first = distances([(near, far)], 9)
    both = distances([(near, far), (far, near)], 9)
    assert first["nearest"] == both["nearest"] == 66.0
    assert (first["n"], both["inside_patch"]) == (80, 0)


def test_without_held_out_polygons_the_confidence_is_calibrated_by_cross_validation(given) -> None:
    _, result = told(given, "cross", "rf")
    with Scene.open(given[0]) as scene:
        labels = read_labels(given[1], scene)
        samples = SpectralTrainingSet.extract(scene, labels, "rf", Reporter())
        found = held_out_temperature(samples, hold_out(labels, "cross", 0.0, 0, 1), 1, Reporter())
        assert found == result["calibration"]["temperature"]
        assert found != 1
        single = labels.subset(np.isin(labels.groups, [labels.groups[0], labels.groups[-1]]))
        assert single.counts() == {1: 20, 2: 20}
        lonely = SpectralTrainingSet.extract(scene, single, "rf", Reporter())
        assert (
            held_out_temperature(lonely, hold_out(single, "cross", 0.0, 0, 1), 1, Reporter())
            is None
        )


def test_who_judges_with_other_polygons_gets_a_calibrated_map_and_who_does_not_is_told(
    given: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene, labels = given
    classifier = tmp_path / "k.safetensors"
    simple = ["--classifier", "rf"]
    others = write_polygons(
        tmp_path / "others.gpkg",
        [rectangle(row, col, 4, 5) for row in (10, 50) for col in (30, 60)],
        class_id=np.array([1, 2, 1, 2]),
    )
    judged = ["--validation", others, "--classifier-out", classifier, *simple]
    line = ["map", scene, labels, "-o", tmp_path / "map.tif", *judged]
    assert main([str(word) for word in line]) == 0
    assert "not calibrated" not in capsys.readouterr().err
    assert load_tensors(classifier, "classifier")[1]["metadata"]["temperature"] != 1
    train = ["train", scene, labels, "-o", classifier, "--holdout", "0", *simple]
    assert main([str(word) for word in train]) == 0
    assert "Warning: The confidence is not calibrated, for no" in capsys.readouterr().err
    assert "temperature" not in load_tensors(classifier, "classifier")[1]["metadata"]
