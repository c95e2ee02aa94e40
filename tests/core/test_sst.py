"""The head sst: dense as patchwise, tokens that are means, and its way to map, ONNX and report."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from mtmsd.classify.classifier import load_classifier
from mtmsd.classify.heads import check_window
from mtmsd.classify.network import Streams, seeded_network
from mtmsd.classify.sst import Tokeniser, TransformerHead
from mtmsd.cli.main import main
from mtmsd.commands.method import check_method
from mtmsd.errors import InputError
from mtmsd.features.stages import StageReader
from mtmsd.settings import PRESETS, ClassifierSettings
from running import TINY, words

SETTINGS = ClassifierSettings(
    timesteps=(50, 100), channels=6, head="sst", window=7, features="dense"
)


def head(features: int = 0) -> TransformerHead:
    """For windows of 7 px, 5 components, 3 classes; its norms have seen something."""
    torch.manual_seed(0)
    made = TransformerHead(7, features, 5, 3).train()
    for _ in range(3):
        made(torch.randn(20 * 9, features), torch.empty(0), 2 + 3 * torch.randn(20, 5, 9, 9))
    return made.eval()


@pytest.mark.parametrize("features", [0, 6])
def test_a_tile_and_its_pixels_one_by_one_have_the_same_scores(features: int) -> None:
    """No convolution pads in secret, and no pixel hears of more than its window."""
    made, cube = head(features), torch.randn(2, 5, 12, 11)
    fused = torch.randn(2 * 6 * 5, features)
    with torch.no_grad():
        dense = made(fused, torch.empty(0), cube).view(2, 6, 5, 3)
        for tile, row, col in np.ndindex(2, 6, 5):
            window = cube[tile, :, row : row + 7, col : col + 7][None]
            own = fused[tile * 30 + row * 5 + col][None]
            alone = made(own, torch.empty(0), window)[0, 0]
            torch.testing.assert_close(alone, dense[tile, row, col], rtol=1e-4, atol=1e-5)
    assert dense.std() > 1e-2


def test_attention_of_every_token_sums_to_1() -> None:
    tokens = Tokeniser(5)
    torch.nn.init.zeros_(tokens.value.weight)
    torch.nn.init.ones_(tokens.value.bias)
    found = tokens(100 * torch.randn(2, 64, 9, 8))
    assert found.shape == (2, 5, 4, 4, 64)
    torch.testing.assert_close(found, torch.ones_like(found))


def test_a_token_is_the_mean_of_its_window_where_attention_is_even() -> None:
    tokens, maps = Tokeniser(3), torch.randn(1, 64, 4, 3)
    torch.nn.init.zeros_(tokens.attention.weight)
    expected = tokens.value(maps[:, :, 1:4]).mean((2, 3))
    torch.testing.assert_close(tokens(maps)[0, 1, 0], expected.expand(4, -1))


def test_classes_in_another_order_have_their_scores_in_that_order() -> None:
    made, cube, order = head(), torch.randn(1, 5, 9, 9), [2, 0, 1]
    with torch.no_grad():
        before = made(torch.empty(9, 0), torch.empty(0), cube)
        for parameter in (made.out.weight, made.out.bias):
            parameter.copy_(parameter[order].clone())
        after = made(torch.empty(9, 0), torch.empty(0), cube)
    torch.testing.assert_close(after, before[..., order])


def test_the_components_alone_need_no_fusion() -> None:
    settings = dataclasses.replace(SETTINGS, input="components")
    network = seeded_network(settings, components=4, classes=3, seed=1).eval()
    assert not [name for name, _ in network.named_parameters() if name.startswith("fusion")]
    streams = Streams(
        torch.empty(2, 9, 2, 0), torch.empty(2, 2, 0), torch.randn(2, 9, 12),
        torch.randn(2, 4, 9, 9),
    )  # fmt: skip
    assert network.probabilities(streams).shape == (2, 9, 3)
    both = seeded_network(SETTINGS, components=4, classes=3, seed=1)
    assert both.head.fused.in_features == both.fusion.channels == 6


@pytest.mark.parametrize(
    "given",
    [{"input": "both"}, {"input": "components"}, {"input": "both", "features": "patchwise"}],
)
@pytest.mark.slow
def test_from_polygons_to_map_and_onnx(
    given: dict[str, str], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, path, kept = trained / "scene.tif", tmp_path / "map.tif", tmp_path / "c.safetensors"
    settings = TINY | {"head": "sst", "window": 5, "members": 2, "epochs": 8, "batch_size": 16}
    if given["input"] == "components":
        monkeypatch.setattr(StageReader, "maps", None)
    line = ["train", scene, trained / "labels.gpkg", "-o", kept, "--holdout", "0", "--model"]
    line += [trained / "model.safetensors", "--classifier", "mtmsd", *words(settings | given)]
    assert main([str(word) for word in line]) == 0
    extent = "400080,5799840,400400,5799990"  # 32 × 15 px across both fields
    ways = []
    for file in (kept, kept.with_suffix(".onnx")):
        if file != kept:
            assert main(["export", str(kept), "-o", str(file)]) == 0
        line = ["classify", scene, "-o", path, "--classifier", file, "--extent", extent]
        assert main([str(word) for word in line]) == 0
        with rasterio.open(path) as made:
            ways.append(made.read(1))
            assert json.loads(made.tags()["MTMSD"])["settings"]["head"] == "sst"
    assert (ways[0] == ways[1]).mean() > 0.995
    assert (ways[0] == np.repeat([[1] * 16 + [2] * 16], 15, axis=0)).mean() > 0.9
    weights = load_classifier(kept).metadata.get("weights")
    assert (weights is None) == (given["input"] == "components")


@pytest.mark.parametrize(
    ("changed", "sentence", "hint"),
    [
        ({"window": 6}, "window cannot be '6'", "5 or 7"),
        ({"window": 15}, "Tiles of 48 px, 28 px apart, do not show the 15 px around each pixel",
         "window to 13 at most, or stride to 27"),
        ({"window": 49, "features": "patchwise"}, "Tiles of 48 px do not show the 49 px", "to 47"),
    ],
)  # fmt: skip
def test_a_window_that_does_not_fit_is_told_before_any_work(
    changed: dict, sentence: str, hint: str
) -> None:
    settings = dataclasses.replace(PRESETS["quick"].classifier, head="sst", **changed)
    for check in (check_method, check_window):
        with pytest.raises(InputError, match=sentence) as caught:
            check(settings, 48)
        assert hint in caught.value.hint
    check_window(dataclasses.replace(settings, head="spectral"), 48)
    check_window(dataclasses.replace(settings, window=13, features="dense"), 48)
