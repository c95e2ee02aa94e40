"""The fusion after Diffusion Hyperfeatures: its weights, its size, and its way to the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from mtmsd.classify.classifier import load_classifier
from mtmsd.classify.hyperfeatures import Bottleneck, HyperfeaturesFusion
from mtmsd.cli.main import main
from mtmsd.diffusion.unet import UNet
from mtmsd.errors import InputError
from mtmsd.settings import preset
from running import TINY, words

PAPER_STAGES = [256] * 5


def small(**options: int) -> HyperfeaturesFusion:
    """Three timesteps of stages of 6 and 10 channels to 8, its weights unequal."""
    torch.manual_seed(0)
    fusion = HyperfeaturesFusion(3, (6, 10), 8, **options)
    torch.nn.init.normal_(fusion.mixing)
    return fusion


@pytest.mark.parametrize(
    ("projection", "expected"), [(128, 274_560), (256, 352_000), (384, 1_223_040), (768, 3_644_160)]
)
def test_parameter_count_of_the_published_form(projection: int, expected: int) -> None:
    with torch.device("meta"):
        fusion = HyperfeaturesFusion(19, PAPER_STAGES, projection, kernel=3, groups=32)
    assert sum(p.numel() for p in fusion.bottlenecks.parameters()) == expected
    assert fusion.mixing.numel() == 95
    assert sum(p.numel() for p in fusion.parameters()) * 5 < 20_077_440


def test_all_weights_are_alike_at_first_and_sum_to_1_after_a_step() -> None:
    fusion = HyperfeaturesFusion(19, [4] * 5, 8)
    assert fusion.shares.shape == (19, 5)
    torch.testing.assert_close(fusion.shares, torch.full((19, 5), 0.0105263), atol=1e-7, rtol=0)
    local = torch.randn(2, 3, 19, 20)
    fusion(local, local[:, 0]).square().sum().backward()
    assert (fusion.mixing.grad != 0).all(), "the gradient reaches every scalar"
    torch.optim.AdamW(fusion.parameters(), lr=0.1, weight_decay=0).step()
    assert fusion.shares.std() > 1e-4
    assert float(fusion.shares.sum()) == pytest.approx(1)


def test_maps_are_mixed_as_the_formula_says() -> None:
    fusion = small(kernel=3, groups=2)
    maps = torch.randn(2, 3, 16, 5, 7)
    found = fusion.mix(maps)
    assert found.shape == (2, 8, 5, 7)
    weights = torch.softmax(fusion.mixing, 0)
    expected = sum(
        weights[2 * s + stage] * fusion.bottlenecks[stage](part)
        for s in range(3)
        for stage, part in enumerate(maps[:, s].split([6, 10], dim=1))
    )
    torch.testing.assert_close(found, expected)


def test_timesteps_with_their_weights_may_change_places() -> None:
    fusion, local = small(), torch.randn(2, 4, 3, 16)
    found, order = fusion(local, local[:, 0]), [2, 0, 1]
    with torch.no_grad():
        fusion.mixing.copy_(fusion.mixing.view(3, 2)[order].flatten())
    torch.testing.assert_close(fusion(local[:, :, order], local[:, 0]), found)


def test_one_weight_that_outgrows_all_leaves_its_stage_alone() -> None:
    fusion, local = small(), torch.randn(2, 4, 3, 16)
    with torch.no_grad():
        fusion.mixing[3] = 1e4  # timestep 1, stage 1
    alone = fusion.bottlenecks[1](local[:, :, 1, 6:].flatten(0, 1)[..., None, None])
    torch.testing.assert_close(fusion(local, local[:, 0]).flatten(0, 1), alone[..., 0, 0])


def test_a_single_pixel_is_not_normalised_to_nothing() -> None:
    """As published, 32 groups have a value each on one pixel, and all that is seen is lost."""
    torch.manual_seed(0)
    one, other = torch.randn(2, 2, 64, 1, 1)
    published, ours = Bottleneck(64, 128), Bottleneck(64, 128, kernel=1, groups=1)
    assert (published.body(one) - published.body(other)).abs().max() < 1e-3
    assert (ours.body(one) - ours.body(other)).abs().max() > 0.1


def test_a_pixel_is_fused_alike_alone_and_among_others() -> None:
    fusion, local = small().eval(), torch.randn(2, 4, 3, 16)
    whole = fusion(local, local[:, 0])
    for tile, pixel in np.ndindex(2, 4):
        alone = fusion(local[tile : tile + 1, pixel : pixel + 1], local[:1, 0])
        torch.testing.assert_close(alone[0, 0], whole[tile, pixel])


@pytest.mark.slow
def test_from_polygons_to_map_report_and_onnx(trained: Path, tmp_path: Path) -> None:
    scene, path = trained / "scene.tif", tmp_path / "map.tif"
    report, kept = tmp_path / "report.html", tmp_path / "c.safetensors"
    given = {"fusion": "hyperfeatures", "projection": 32, "members": 2, "channels": 7, "epochs": 8}
    line = ["map", scene, trained / "labels.gpkg", "-o", path, "--model"]
    line += [trained / "model.safetensors", "--classifier-out", kept, "--report", report]
    line += ["--classifier", "mtmsd", "--holdout", "0", *words(TINY | given)]
    assert main([str(word) for word in line]) == 0
    classifier = load_classifier(kept)
    widths = [UNet(4, 32).stage_channels(block) for block in (0, 1, 2, 3, 5)]
    assert classifier.members[0].fusion.stages == tuple(widths)
    shares = torch.stack([member.fusion.shares for member in classifier.members]).mean(0)
    figures = json.loads(report.with_suffix(".json").read_text("utf-8"))
    np.testing.assert_allclose(figures["weights"]["values"], shares.detach(), atol=1e-5)
    assert shares.std() > 1e-4
    page = report.read_text("utf-8")
    assert "What the model looks at" in page
    assert "the same for every pixel" in page
    assert "purification has kept" not in page
    with rasterio.open(path) as made:
        first = made.read(1)
    assert (first[:, :24] == 1).mean() > 0.9
    assert (first[:, 24:] == 2).mean() > 0.9
    assert main(["export", str(kept), "-o", str(tmp_path / "c.onnx")]) == 0
    line = ["classify", scene, "-o", path, "--classifier", tmp_path / "c.onnx"]
    assert main([str(word) for word in line]) == 0
    with rasterio.open(path) as made:
        assert (made.read(1) == first).mean() > 0.999


@pytest.mark.parametrize("number", ["8", "130", "wide"])
def test_a_projection_that_makes_no_sense_is_named(number: str) -> None:
    with pytest.raises(InputError, match=f"projection cannot be '{number}'") as caught:
        preset("quick", {"fusion": "hyperfeatures", "projection": number})
    assert caught.value.hint == "It is a whole number from 16 to 4096, a multiple of 4."
