"""The stack: the same map from any window, weights that follow the folds, few labels, files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from mtmsd.classes import ClassInfo
from mtmsd.classify.classifier import load_classifier
from mtmsd.cli.main import main
from mtmsd.commands import train
from mtmsd.commands.map import Arguments
from mtmsd.commands.method import classifier_for
from mtmsd.errors import InputError
from mtmsd.files.tensor_file import checksum_of
from mtmsd.labels.labels import Labels
from mtmsd.mapping.stack import StackMapper
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import fit_whitening, read_whitened
from mtmsd.stack import features
from mtmsd.stack.classifier import PART
from mtmsd.stack.features import CHUNK, FeatureReader, gaussian_means
from mtmsd.stack.findings import classes_alike
from mtmsd.stack.folds import spatial_folds
from mtmsd.stack.pooling import disagreement, fit_pool, floored
from mtmsd.stack.training import StackTrainingSet
from running import words
from small_files import write_raster

pytestmark = pytest.mark.slow

CLASSES = (
    ClassInfo(3, "meadow", "#00ff00"),
    ClassInfo(7, "water", "#0000ff"),
    ClassInfo(9, "roof", "#ff0000"),
)
SIZE = (150, 170)
HOLE = np.s_[60:75, 100:140]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Three classes in strips of 25 columns, 10 bands, noise, and a hole without data."""
    rng = np.random.default_rng(3)
    truth = _truth()
    shapes = np.stack([np.linspace(300, 900, 10), np.linspace(500, 100, 10), np.full(10, 600.0)])
    data = shapes[truth].transpose(2, 0, 1) + rng.normal(0, 90, (10, *SIZE))
    data[(slice(None), *HOLE)] = -9999
    path = tmp_path_factory.mktemp("stack") / "strips.tif"
    return Scene.open(write_raster(path, data.astype("int16"), nodata=-9999))


def _truth() -> np.ndarray:
    """Column of each pixel's class."""
    return np.repeat((np.arange(SIZE[1]) // 25 % 3)[None], SIZE[0], 0)


def labels_of(squares: int, side: int = 3, seed: int = 0) -> Labels:
    """So many squares of pixels a class, far from the hole and from each other."""
    rng = np.random.default_rng(seed)
    truth, rows, cols, groups = _truth(), [], [], []
    for column in range(3):
        places = [
            (r, c)
            for r in range(4, 50, 9)
            for c in range(4, SIZE[1] - 6, 9)
            if (truth[r : r + side, c : c + side] == column).all()
        ]
        for i in rng.permutation(len(places))[:squares]:
            r, c = np.mgrid[:side, :side]
            rows.append((r + places[i][0]).ravel())
            cols.append((c + places[i][1]).ravel())
            groups.append(np.full(side * side, len(groups)))
    r, c = np.concatenate(rows), np.concatenate(cols)
    values = np.array([info.value for info in CLASSES])[truth[r, c]]
    return Labels(
        r.astype(np.int32),
        c.astype(np.int32),
        values.astype(np.uint16),
        np.concatenate(groups).astype(np.int32),
        CLASSES,
    )


@pytest.fixture(scope="module")
def samples(scene: Scene) -> StackTrainingSet:
    return StackTrainingSet.extract(scene, labels_of(4), seed=0, reporter=Reporter())


def test_a_pixel_has_the_same_features_from_any_chunk_and_alone(scene: Scene) -> None:
    whitening = fit_whitening(scene, 6, seed=0)
    reader = FeatureReader(scene, whitening)
    rows, cols = np.array([0, 62, 127, 128, 149]), np.array([0, 99, 127, 128, 169])
    together = reader.at(rows, cols, Reporter())
    for i, (row, col) in enumerate(zip(rows, cols, strict=True)):
        alone = reader.at(np.array([row]), np.array([col]), Reporter())
        np.testing.assert_array_equal(alone.context[0], together.context[i])
    whole, valid = read_whitened(scene, whitening, 0, 0, *SIZE)
    for i, sigma in enumerate(features.SCALES):
        means = gaussian_means(whole, valid, sigma)
        np.testing.assert_allclose(together.context[:, i], means[:, rows, cols].T, atol=1e-4)


def test_means_around_leave_pixels_without_data_out() -> None:
    values, valid = np.ones((1, 40, 40), np.float32), np.ones((40, 40), bool)
    valid[:, 20:] = False
    values *= valid
    means = gaussian_means(values, valid, 2.0)
    np.testing.assert_allclose(means[0, 10:30, 6:20], 1, atol=1e-5)


@pytest.mark.parametrize("window", [(0, 0, 40, 170), (37, 90, 70, 60), (120, 101, 30, 69)])
def test_a_window_is_mapped_as_the_whole_scene_is(
    scene: Scene, samples: StackTrainingSet, window: tuple[int, int, int, int]
) -> None:
    classifier = samples.fit(seed=0, reporter=Reporter())
    mapper = StackMapper(scene, classifier, "cpu", compare=True)
    whole, part = mapper.block((0, 0, *SIZE)), mapper.block(window)
    row, col, height, width = window
    here = np.s_[row : row + height, col : col + width]
    np.testing.assert_array_equal(part.values, whole.values[here])
    for name in ("confidence", "disagreement"):
        np.testing.assert_allclose(getattr(part, name), getattr(whole, name)[here], atol=1e-6)
    inside = np.ones(SIZE, bool)
    inside[HOLE] = False
    assert np.array_equal(whole.values > 0, inside)
    right = np.array([c.value for c in CLASSES])[_truth()] == whole.values
    assert right[inside].mean() > 0.97
    assert SIZE[0] > CHUNK, "the scene must have several chunks for this to say anything"


def test_the_same_labels_and_seed_give_the_same_file_and_the_file_the_same_map(
    scene: Scene, samples: StackTrainingSet, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        own = replace(samples, fits={})
        own.fit(seed=5, reporter=Reporter()).save(tmp_path / name)
    assert checksum_of(tmp_path / "first") == checksum_of(tmp_path / "second")
    again = load_classifier(tmp_path / "first")
    fitted = samples.fit(seed=5, reporter=Reporter())
    window = (100, 20, 30, 140)
    np.testing.assert_array_equal(
        StackMapper(scene, again, "cpu").block(window).probabilities,
        StackMapper(scene, fitted, "cpu").block(window).probabilities,
    )


def test_the_number_of_cores_changes_no_bit_of_a_map(
    scene: Scene, samples: StackTrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapper = StackMapper(scene, samples.fit(seed=0, reporter=Reporter()), "cpu")
    maps = []
    for cores in (1, 2, 7):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        maps.append(mapper.block((0, 0, 100, 100)).probabilities)
    assert maps[0][0].size > PART, "or nothing is divided"
    np.testing.assert_array_equal(maps[0], maps[1])
    np.testing.assert_array_equal(maps[0], maps[2])


def test_a_stream_that_fails_on_held_out_pixels_is_not_listened_to() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 300)
    good = np.eye(3)[truth] * 0.6 + 0.4 / 3
    wrong = np.where(rng.random(300) < 0.3, truth, rng.integers(0, 3, 300))
    good = np.where((rng.random(300) < 0.85)[:, None], good, np.full(3, 1 / 3))
    bad = np.eye(3)[wrong] * 0.9 + 0.1 / 3
    pool = fit_pool(floored(np.stack([good, bad])), truth, np.arange(300) % 40)
    assert pool.shares.sum() == pytest.approx(1)
    assert pool.shares[0] > 0.85
    few = fit_pool(floored(np.stack([good, bad]))[:, :4], truth[:4], np.zeros(4))
    assert abs(few.shares[0] - 0.5) < abs(pool.shares[0] - 0.5), "few polygons move weights less"


def test_regions_of_a_pixel_with_doubtful_labels_do_not_take_the_confidence() -> None:
    rng = np.random.default_rng(0)
    groups = np.concatenate([np.repeat(np.arange(20), 100), np.arange(20, 220)])
    single = groups >= 20
    truth = rng.integers(0, 3, len(groups))
    predicted = np.where(
        rng.random(len(truth)) < np.where(single, 0.4, 0.95), truth, (truth + 1) % 3
    )
    stream = floored(np.eye(3)[predicted][None] * 0.8 + 0.2 / 3)
    pool = fit_pool(stream, truth, groups)
    confidence = np.exp(pool.log_probabilities(stream)).max(1).mean()
    assert confidence == pytest.approx((predicted == truth).mean(), abs=0.1)
    whole = fit_pool(stream, truth, np.where(single, groups, 0))
    assert np.exp(whole.log_probabilities(stream)).max(1).mean() < 0.95, "a lake is not all"


def test_streams_that_agree_do_not_differ_and_those_that_do_not_do() -> None:
    sure = floored(np.array([[[1.0, 0.0]], [[1.0, 0.0]]]))
    torn = floored(np.array([[[1.0, 0.0]], [[0.0, 1.0]]]))
    shares = np.array([0.5, 0.5])
    assert disagreement(sure, shares)[0] == pytest.approx(0, abs=1e-6)
    assert disagreement(torn, shares)[0] > 0.9
    assert disagreement(torn, np.array([1.0, 0.0]))[0] == pytest.approx(0, abs=1e-6)


def test_folds_keep_polygons_whole_and_every_class_in_training() -> None:
    labels = labels_of(5)
    folds = spatial_folds(labels, seed=1)
    assert folds.count == 4
    assert (folds.fold >= 0).all()
    for k in range(folds.count):
        kept, left_out = folds.fold != k, folds.fold == k
        assert not set(labels.groups[kept]) & set(labels.groups[left_out])
        assert set(labels.values[kept]) == {3, 7, 9}


def test_a_class_of_one_polygon_is_cut_and_one_of_one_pixel_is_learnt_in_every_fold() -> None:
    labels = labels_of(4, side=8)
    first = np.unique(labels.groups[labels.values == 3])[0]
    keep = (labels.values != 3) | (labels.groups == first)
    one_polygon = labels.subset(keep)
    folds = spatial_folds(one_polygon, seed=0)
    assert (folds.fold[one_polygon.values == 3] >= 0).all()
    assert len(np.unique(folds.fold[one_polygon.values == 3])) > 1
    assert "meadow" in " ".join(folds.notes)
    keep[np.flatnonzero(labels.values == 3)[1:]] = False
    keep[labels.values == 3] = False
    keep[np.flatnonzero(labels.values == 3)[0]] = True
    one_pixel = labels.subset(keep)
    folds = spatial_folds(one_pixel, seed=0)
    assert (folds.fold[one_pixel.values == 3] == -1).all()
    assert "meadow" in " ".join(folds.notes)


@pytest.mark.parametrize(("squares", "side"), [(1, 1), (1, 3), (2, 1)])
def test_the_fewest_labels_still_make_a_map(scene: Scene, squares: int, side: int) -> None:
    labels = labels_of(squares, side)
    samples = StackTrainingSet.extract(scene, labels, seed=0, reporter=Reporter())
    classifier = samples.fit(seed=0, reporter=Reporter())
    block = StackMapper(scene, classifier, "cpu").block((0, 0, 60, 170))
    right = np.array([c.value for c in CLASSES])[_truth()[:60]] == block.values
    assert right[block.values > 0].mean() > 0.6
    assert np.isfinite(block.confidence[block.values > 0]).all()


def test_a_material_without_labels_is_mapped_without_confidence(
    scene: Scene, samples: StackTrainingSet
) -> None:
    labels = labels_of(8)
    two = StackTrainingSet.extract(
        scene, labels.subset(labels.values != 9), seed=0, reporter=Reporter()
    )
    block = StackMapper(scene, two.fit(seed=0, reporter=Reporter()), "cpu").block((0, 0, 60, 170))
    roof = _truth()[:60] == 2
    inner = np.zeros_like(roof)
    for start in range(0, SIZE[1], 25):
        inner[:, start + 5 : start + 20] = True  # away from where two classes mix in the means
    assert np.median(block.confidence[roof & inner]) < 0.6
    assert np.median(block.confidence[~roof & inner]) > 0.9


def test_one_class_is_refused_in_a_sentence(scene: Scene) -> None:
    labels = labels_of(2)
    samples = StackTrainingSet.extract(scene, labels, seed=0, reporter=Reporter())
    with pytest.raises(InputError, match="one class only"):
        samples.fit(np.flatnonzero(labels.values == 3), seed=0, reporter=Reporter())


def test_a_polygon_of_the_wrong_class_and_classes_that_look_alike_are_named(
    scene: Scene, samples: StackTrainingSet
) -> None:
    labels = labels_of(6)
    wrong = np.unique(labels.groups[labels.values == 7])[0]
    values = np.where(labels.groups == wrong, 3, labels.values).astype(np.uint16)
    swapped = StackTrainingSet.extract(
        scene, replace(labels, values=values), seed=0, reporter=Reporter()
    )
    told = swapped.fit(seed=0, reporter=Reporter()).metadata["stack"]
    assert [(p["polygon"], p["class"], p["said"]) for p in told["doubtful"]] == [
        (int(wrong), "meadow", "water")
    ]
    here = labels.groups == wrong
    x, y = scene.transform * (labels.cols[here].mean() + 0.5, labels.rows[here].mean() + 0.5)
    assert (told["doubtful"][0]["x"], told["doubtful"][0]["y"]) == pytest.approx((x, y))
    alone = samples.fit(seed=0, reporter=Reporter()).metadata["stack"]
    assert not alone["doubtful"]
    assert not [note for note in alone["notes"] if "apart" in note]

    rng = np.random.default_rng(0)
    chance = rng.dirichlet(np.ones(3), len(labels))
    sure = np.eye(3)[np.searchsorted([3, 7, 9], labels.values)]
    mixed = np.where((labels.values == 9)[:, None], sure, chance * [1, 1, 0])
    assert [sentence.split(" apart")[0] for sentence in classes_alike(labels, mixed)] == [
        "The polygons do not tell meadow and water"
    ]


def test_a_map_from_polygons_needs_no_diffusion_model(trained: Path, tmp_path: Path) -> None:
    written = tmp_path / "map.tif"
    words_ = ["map", trained / "scene.tif", trained / "labels.gpkg", "-o", written]
    words_ += ["--report", tmp_path / "report.html", "--seed", "1"]
    assert main([str(word) for word in words_]) == 0
    assert not list(tmp_path.glob("*.model.safetensors"))
    with rasterio.open(written) as dataset:
        values = dataset.read(1)
    assert (values[:, :20] == 1).mean() > 0.9
    assert (values[:, 28:] == 2).mean() > 0.9
    page = (tmp_path / "report.html").read_text()
    told = json.loads((tmp_path / "report.json").read_text())
    assert "What the map listens to" in page
    assert sum(stream["share"] for stream in told["stack"]["streams"]) == pytest.approx(1)
    assert told["validation"] == {"kind": "folds", "folds": 3}
    assert [b["name"] for b in told["baselines"]], "compared with simple classifiers"


def test_the_published_preset_is_the_published_method_alone(trained: Path, tmp_path: Path) -> None:
    assert (classifier_for("auto", "paper"), classifier_for("auto", "quick")) == ("mtmsd", "stack")
    assert classifier_for("stack", "paper") == "stack"
    given = {"scene": "s", "labels": "l", "output": Path("m.tif")}
    asks = [{"preset": "paper"}, {"classifier": "mtmsd"}, {"model_output": Path("m")},
            {"init": Path("i")}]  # fmt: skip
    assert all(Arguments(**given, **words).pretrains for words in asks)
    spares = [{}, {"preset": "quick"}, {"classifier": "svm", "preset": "paper"},
              {"preset": "paper", "model": Path("m")}]  # fmt: skip
    assert not any(Arguments(**given, **words).pretrains for words in spares)


def test_settings_that_nothing_uses_are_named(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["train", trained / "scene.tif", trained / "labels.gpkg", "-o", tmp_path / "c"]
    assert main([str(word) for word in [*line, "--holdout", "0", "--set", "members=3"]]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "Without a diffusion model these settings change nothing: members." in told


class Phases(Reporter):
    def __init__(self) -> None:
        self.titles: list[str] = []

    def phase(self, name: str, title: str) -> None:
        self.titles += [title] if name == "holdout" else []


def test_where_others_judge_the_folds_of_the_weights_calibrate_too(
    trained: Path, tmp_path: Path
) -> None:
    path, heard = tmp_path / "c.safetensors", Phases()
    files = {"scene": trained / "scene.tif", "labels": trained / "labels.gpkg", "output": path}
    train.run(train.Arguments(**files, holdout=0, calibrate=True), heard)
    assert len(heard.titles) == len(set(heard.titles)) > 1, "each fold is learnt once"
    assert load_classifier(path).metadata["temperature"] > 0


def test_a_first_map_loads_no_torch(trained: Path, tmp_path: Path) -> None:
    program = "import sys; from mtmsd.cli.main import main; status = main(sys.argv[1:]); "
    program += "sys.exit(status or ('torch' in sys.modules and 'torch was loaded'))"
    files = [tmp_path / "map.tif", "--report", tmp_path / "report.html"]
    kept = tmp_path / "map.classifier.safetensors"
    for line in (
        ["map", trained / "scene.tif", trained / "labels.gpkg", "-o", *files],
        ["classify", trained / "scene.tif", "-o", tmp_path / "again.tif", "--classifier", kept],
    ):
        ended = subprocess.run(
            [sys.executable, "-c", program, *map(str, line)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr[-500:]


def test_with_a_diffusion_model_the_network_is_one_of_the_streams(
    trained: Path, tmp_path: Path
) -> None:
    file, written = tmp_path / "stack.safetensors", tmp_path / "map.tif"
    settings = {"epochs": 1, "samples_per_epoch": 0, "stride": 16, "timesteps": 100, "members": 1}
    settings |= {"channels": 1000, "classifier.learning_rate": 2e-3, "precision": "fp32"}
    learn = ["train", trained / "scene.tif", trained / "labels.gpkg", "-o", file]
    learn += ["--model", trained / "model.safetensors"]
    assert main([str(word) for word in [*learn, *words(settings)]]) == 0
    classifier = load_classifier(file)
    assert classifier.settings.streams[-1] == "mtmsd"
    table = classifier.metadata.get("weights")
    assert (table is not None) == classifier.listens_to_network, "what the network looks at"
    accuracy = classifier.metadata["accuracy"]
    assert accuracy["validation"] == {"kind": "folds", "folds": 3}
    assert accuracy["n"] == 120
    compared = {baseline["name"] for baseline in accuracy["baselines"]}
    assert compared >= {"mtmsd", "svm", "rf"}, "with the network alone, and with simple ones"
    asked = ["classify", trained / "scene.tif", "-o", written, "--classifier", file]
    assert main([str(word) for word in asked]) == 0
    with rasterio.open(written) as dataset:
        assert (dataset.read(1)[:, :20] == 1).mean() > 0.9
