"""Regions with true edges: tokens, soft labels, derivative, learning, and the way to the files."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
import torch
from mtmsd.cli.main import main
from mtmsd.labels.read import read_labels
from mtmsd.regions.answers import achievable_accuracy
from mtmsd.regions.blocks import usual_size
from mtmsd.regions.derivative import Derivative
from mtmsd.regions.methods import Supertokens
from mtmsd.regions.network import SupertokenNetwork, token_loss
from mtmsd.regions.seeds import SeedGrid, proportions
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from small_files import cube, write_raster

SHARP = torch.tensor(8.0)


def test_every_pixel_has_one_token_near_it() -> None:
    torch.manual_seed(0)
    grid, valid = SeedGrid(11, 14, 4), torch.rand(154) > 0.2
    shares = grid.assign(torch.randn(154, 5), valid, SHARP)
    torch.testing.assert_close(shares.sum(1), valid.float())
    token = grid.nearest(shares, valid)
    assert (token[~valid] == -1).all()
    assert ((token[valid] >= 0) & (token[valid] < grid.count)).all()
    apart = [
        (token // grid.cols - grid.cell // grid.cols),
        token % grid.cols - grid.cell % grid.cols,
    ]
    assert all(int(way[valid].abs().max()) == 1 for way in apart), (
        "of the 3×3 cells around, no other"
    )


@pytest.mark.parametrize("size", [2, 3, 7, 16])
def test_a_constant_image_keeps_the_seed_grid(size: int) -> None:
    grid, valid = SeedGrid(13, 17, size), torch.ones(13 * 17, dtype=torch.bool)
    shares = grid.assign(torch.full((13 * 17, 6), 3.7), valid, SHARP)
    torch.testing.assert_close(grid.nearest(shares, valid), grid.cell)


def test_a_true_edge_is_followed_across_the_grid() -> None:
    """A border that lies within cells parts the tokens, whatever the squares were."""
    truth = torch.zeros(16, 16)
    truth[:, 9:] = 1
    grid, valid = SeedGrid(16, 16, 4), torch.ones(256, dtype=torch.bool)
    values = torch.stack([truth.flatten(), 1 - truth.flatten()], dim=1)
    token = grid.nearest(grid.assign(values, valid, 4 * SHARP), valid).numpy()
    assert achievable_accuracy(token, truth.flatten().numpy()) == 1
    assert achievable_accuracy(grid.cell.numpy(), truth.flatten().numpy()) < 1


def test_sums_and_means_are_those_of_the_definition() -> None:
    torch.manual_seed(1)
    grid, values = SeedGrid(5, 7, 3), torch.randn(35, 2)
    shares = grid.assign(values, torch.ones(35, dtype=torch.bool), SHARP)
    expected = torch.zeros(grid.count, 2)
    for pixel, place in np.ndindex(35, 9):
        seed = int(grid.neighbours[grid.cell[pixel], place])
        if seed >= 0:
            expected[seed] += shares[pixel, place] * values[pixel]
        else:
            assert shares[pixel, place] == 0
    torch.testing.assert_close(grid.sums(values, shares), expected)
    means = grid.means(values, torch.ones(35, dtype=torch.bool))
    for seed in range(grid.count):
        torch.testing.assert_close(means[seed], values[grid.cell == seed].mean(0))


def test_soft_labels_are_proportions_and_their_counts_sum_to_the_labels() -> None:
    token, target = torch.tensor([0, 0, 0, 2, 2]), torch.tensor([1, 1, 0, 2, 2])
    shares, counts = proportions(token, target, 4, 3)
    assert counts.tolist() == [3, 0, 2, 0]
    assert int(counts.sum()) == len(token)
    torch.testing.assert_close(shares[[0, 2]].sum(1), torch.ones(2))
    torch.testing.assert_close(shares[0], torch.tensor([1 / 3, 2 / 3, 0]))
    loss = token_loss(torch.zeros(4, 3), shares, counts)
    assert float(loss) == pytest.approx(math.log(3)), "of even scores: ln K"
    other = torch.zeros(4, 3)
    other[[1, 3]] = torch.tensor([9.0, -4, 1])
    assert float(token_loss(other, shares, counts)) == float(loss), "tokens without labels are out"


def test_the_derivative_of_a_straight_spectrum_is_its_slope() -> None:
    wavelengths = np.array([400.0, 410, 425, 425, 500, 503])
    found = Derivative.of(wavelengths, [1, 2, 3, 4, 9, 10])
    assert found.first.tolist() == [0, 1, 4], "not across a gap, nor where detectors overlap"
    assert not found.by_index
    spectra = 3 + 0.5 * wavelengths[:, None] * np.ones(4)
    np.testing.assert_allclose(found(spectra), 0.5, rtol=1e-6)
    unknown = Derivative.of(np.array([400.0, np.nan, 420]), [1, 2, 3])
    assert unknown.by_index
    np.testing.assert_allclose(unknown(np.array([1.0, 4, 2])), [3, -2])


def test_achievable_accuracy_by_hand() -> None:
    region = np.array([0, 0, 0, 1, 1, -1])
    values = np.array([1, 1, 2, 3, 3, 1])
    assert achievable_accuracy(region, values) == pytest.approx(4 / 6)


@pytest.fixture(scope="module")
def fields(trained: Path) -> tuple[Scene, Supertokens]:
    scene = Scene.open(trained / "scene.tif")
    labels = read_labels(trained / "labels.gpkg", scene)
    return scene, Supertokens.of(scene, labels, 5, 0, Reporter())


def test_both_embeddings_learn(fields: tuple[Scene, Supertokens]) -> None:
    """The reference clusters without gradient, so that its embeddings stay random."""
    reader = fields[1].reader
    torch.manual_seed(0)
    network = SupertokenNetwork(reader.whitening.components, 6, len(reader.derivative), 2)
    block = reader.read(0, 0)
    tokens = network(block)
    target = torch.eye(2)[torch.arange(len(tokens.scores)) % 2]
    token_loss(tokens.scores, target, torch.ones(len(target))).backward()
    for name in ("spectrum.weight", "derivative.weight", "log_sharpness"):
        assert float(network.get_parameter(name).grad.abs().max()) > 1e-9, name


@pytest.mark.slow
def test_learning_tells_two_fields_apart_and_is_the_same_again(
    trained: Path, fields: tuple[Scene, Supertokens], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtmsd.regions.learner.STEPS", 20)
    scene, method = fields
    labels = read_labels(trained / "labels.gpkg", scene)
    first, second = (method.learn(labels, seed=3, reporter=Reporter()) for _ in range(2))
    for one, other in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(one, other)
    rows, cols = (a.ravel().astype(np.int32) for a in np.mgrid[0:40, 0:48])
    truth = np.where(cols < 24, 1, 2).astype(np.uint16)
    whole = dataclasses.replace(labels, rows=rows, cols=cols, values=truth, groups=rows * 0)
    found = method.answers(first, whole)
    right = (found.probabilities.argmax(1) + 1 == truth).mean()
    assert right > 0.97
    assert achievable_accuracy(found.region, truth) >= right


@pytest.mark.slow
def test_from_polygons_to_regions_and_report(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtmsd.regions.learner.STEPS", 40)
    scene, out, report = trained / "scene.tif", tmp_path / "map.tif", tmp_path / "report.html"
    line = ["map", scene, trained / "labels.gpkg", "-o", out, "--classifier", "rf"]
    line += ["--regions", "supertokens", "--region-size", "5", "--report", report]
    line += ["--split", "polygons"]
    assert main([str(word) for word in line]) == 0
    with rasterio.open(tmp_path / "map.regions.tif") as made, rasterio.open(scene) as source:
        values = made.read(1)
        assert made.transform == source.transform
        assert json.loads(made.tags()["MTMSD"])["regions"]["kind"] == "supertokens"
    assert (values == np.where(np.arange(48) < 24, 1, 2)).mean() > 0.95
    meta, _, wkb, columns = pyogrio.raw.read(tmp_path / "map.regions.gpkg")
    table = dict(zip(meta["fields"], columns))
    shapes = shapely.from_wkb(wkb)
    assert shapely.union_all(shapes).area == pytest.approx(400 * 480)
    np.testing.assert_allclose(shapely.area(shapes), 100 * table["pixels"])
    np.testing.assert_allclose(table["area_ha"], 0.01 * table["pixels"])
    np.testing.assert_allclose(table["share_1"] + table["share_2"], 1, atol=1e-6)
    assert (np.where(table["share_1"] > 0.5, 1, 2) == table["class_id"]).all()
    assert set(table["class_name"]) == {"left", "right"}
    assert len(set(table["region_id"])) == len(shapes) <= 80
    figures = json.loads(report.with_suffix(".json").read_text("utf-8"))
    told = figures["regions"]
    assert (told["size"], told["count"], told["n"]) == (5, len(shapes), figures["n"])
    assert told["pixel_map"] == figures["overall"]
    assert 0.9 < told["overall"] <= told["achievable"] <= 1
    assert "Regions with true edges" in report.read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--region-size", "1"], "cannot begin as squares of 1 px in scene, which has 48×40 px"),
        (["--region-size", "41"], "Give a size from 2 to 40, or 0 to choose it by the polygons"),
    ],
)
def test_sizes_that_make_no_sense_are_told_before_any_work(
    words: list[str], sentence: str, trained: Path, tmp_path: Path, capsys
) -> None:
    line = ["map", trained / "scene.tif", trained / "labels.gpkg", "-o", tmp_path / "m.tif"]
    line += ["--classifier", "rf", "--regions", "supertokens", *words]
    assert main([str(word) for word in line]) == 1
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_the_size_is_half_of_a_typical_polygon(trained: Path) -> None:
    labels = read_labels(trained / "labels.gpkg", Scene.open(trained / "scene.tif"))
    assert usual_size(labels) == 4, "20 px a polygon"
    large = dataclasses.replace(labels, groups=labels.groups * 0)
    assert usual_size(large) == round(math.sqrt(len(labels)) / 2)


def test_missing_wavelengths_are_told(tmp_path: Path, trained: Path) -> None:
    scene = Scene.open(write_raster(tmp_path / "plain.tif", cube(6, 40, 48)))
    labels = read_labels(trained / "labels.gpkg", scene)
    told: list[str] = []
    listening = type("Listening", (Reporter,), {"warning": lambda self, text: told.append(text)})
    Supertokens.of(scene, labels, 5, 0, listening())
    (sentence,) = told
    assert sentence.startswith("plain does not tell all wavelengths")
