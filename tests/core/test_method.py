"""The method's numbers that can be said without the authors' code."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from mtmsd.classify.fusion import GuidedFusion
from mtmsd.classify.head import PaperHead, SpectralHead
from mtmsd.classify.network import Streams, seeded_network
from mtmsd.diffusion.loss import hybrid_loss
from mtmsd.diffusion.schedule import CosineSchedule
from mtmsd.diffusion.unet import UNet
from mtmsd.errors import InputError
from mtmsd.features.purification import purification_indices, purify
from mtmsd.features.stages import StageReader
from mtmsd.files.model_check import read_settings
from mtmsd.scene.whitening import Whitening
from mtmsd.settings import PAPER_TIMESTEPS, PRESETS, ClassifierSettings, preset

ALPHAS_CUMPROD = {
    0: 0.9999587158, 50: 0.9917246846, 100: 0.9715756818, 250: 0.8458879865, 500: 0.4922851724,
    750: 0.1431786464, 900: 0.0236161088, 950: 0.0058201493, 999: 2.4288e-9,
}  # fmt: skip


def test_cosine_schedule_values() -> None:
    found = CosineSchedule().alphas_cumprod
    for t, expected in ALPHAS_CUMPROD.items():
        assert found[t] == pytest.approx(expected, rel=1e-4, abs=5e-11)


@pytest.mark.parametrize(
    ("components", "expected"),
    [(25, 26_503_986), (13, 26_462_490), (6, 26_438_284), (34, 26_535_108)],
)
def test_parameter_count_of_the_papers_unet(components: int, expected: int) -> None:
    with torch.device("meta"):
        unet = UNet(components, 128)
    assert sum(p.numel() for p in unet.parameters()) == expected
    assert sum(p.numel() for p in unet.middle_block[1].parameters()) == 263_680


def test_parameter_count_of_the_papers_fusion() -> None:
    assert sum(p.numel() for p in GuidedFusion(19, 768).parameters()) == 20_077_440


def test_fresh_unet_predicts_nothing_at_the_known_loss() -> None:
    torch.manual_seed(0)
    unet, schedule = UNet(4, 32), CosineSchedule()
    x0, noise = torch.randn(3, 4, 48, 48).clamp(-1, 1), torch.randn(3, 4, 48, 48)
    t = torch.tensor([0, 50, 999])
    x_t = schedule.noised(x0, t, noise)
    with torch.no_grad():
        output = unet(x_t, t)
    assert output.abs().max() == 0
    losses = hybrid_loss(schedule, output, x0, x_t, t, noise)
    torch.testing.assert_close(losses.mse, torch.ones(3), rtol=0.05, atol=0)
    torch.testing.assert_close(losses.vb[1:], torch.tensor([0.025, 719.0]), rtol=0.1, atol=0)


def test_purification_by_hand() -> None:
    first = np.array([[0, 1], [2, 5], [1, 2]], float)
    second = np.array([[1, 3], [1.5, 2], [2, 0]])
    found = purification_indices(np.stack([first, second], axis=2))
    np.testing.assert_allclose(found.by_class, [-0.130556, -0.243210], atol=1e-6)
    np.testing.assert_allclose(found.by_timestep, [0.15, 0.15], atol=1e-12)
    np.testing.assert_allclose(found.total, [-0.055556, -0.168210], atol=1e-6)


def test_purification_ignores_scale_offset_and_order_of_classes() -> None:
    rng = np.random.default_rng(3)
    means = rng.normal(size=(5, 7, 40))
    scaled = means * rng.uniform(0.1, 9, 40) + rng.normal(size=40)
    chosen = purify(means, 12)
    np.testing.assert_array_equal(purify(scaled, 12), chosen)
    np.testing.assert_array_equal(purify(means[::-1], 12), chosen)


def test_purification_ranks_a_constant_channel_as_zero_not_first() -> None:
    means = np.random.default_rng(4).normal(size=(4, 3, 6))
    means[:, :, 2] = 7.0
    found = purification_indices(means)
    assert found.total[2] == 0
    assert np.isfinite(found.total).all()


def test_fusion_without_weights_is_the_mean_over_timesteps() -> None:
    fusion = GuidedFusion(5, 8).eval()
    for parameter in fusion.parameters():
        torch.nn.init.zeros_(parameter)
    local, global_ = torch.randn(2, 3, 5, 8), torch.randn(2, 5, 8)
    torch.testing.assert_close(fusion(local, global_), local.mean(2))


def test_each_branch_of_the_spectral_head_takes_its_own_streams() -> None:
    head = SpectralHead(8, 4, 3).eval()
    fused, spectrum = torch.randn(5, 8), torch.randn(5, 12)
    around = torch.cat([spectrum[:, :4], torch.randn(5, 8)], dim=1)
    branches = head(fused, spectrum)
    assert branches.shape == (5, 3, 3)
    changed = [
        [bool((branches[:, i] != other[:, i]).any()) for i in range(3)]
        for other in (head(torch.randn(5, 8), spectrum), head(fused, around))
    ]
    assert changed == [[True, False, False], [True, True, False]]
    assert PaperHead(8, 4, 3)(fused, spectrum).shape == (5, 1, 3)


def test_the_network_answers_with_the_mean_of_its_branches() -> None:
    settings = ClassifierSettings(timesteps=(50, 100), channels=6)
    network = seeded_network(settings, components=4, classes=3, seed=1).eval()
    streams = Streams(torch.randn(2, 5, 2, 6), torch.randn(2, 2, 6), torch.randn(2, 5, 12))
    with torch.no_grad():
        expected = sum(torch.softmax(branch, -1) for branch in network(streams).unbind(2)) / 3
        torch.testing.assert_close(network.probabilities(streams), expected)


def test_the_unet_sees_the_components_that_it_has_learnt_and_no_other() -> None:
    reader = StageReader(UNet(4, 32).eval(), torch.randn(4, 16, 16), (100,), (0, 5), "fp32")
    tiles = torch.randn(1, 7, 16, 16)
    for whole, part in zip(next(reader.maps(tiles)), next(reader.maps(tiles[:, :4]))):
        torch.testing.assert_close(whole, part, rtol=0, atol=0)


def test_the_spectral_stream_lies_between_whitened_and_plain_components() -> None:
    shares = np.array([0.81, 0.16, 0.01], np.float32)
    factors = Whitening(np.zeros(3), np.eye(3), shares).emphasis
    assert (factors**2).mean() == pytest.approx(1)
    np.testing.assert_allclose(factors / factors[2], [3.0, 2.0, 1.0], rtol=1e-5)


def test_paper_preset_is_the_paper() -> None:
    paper = PRESETS["paper"]
    assert paper.pretrain.patch_size == 48
    assert paper.pretrain.width == 128
    assert paper.pretrain.spectral_components <= paper.pretrain.components
    assert paper.pretrain.iterations == 40_000
    assert paper.classifier.timesteps == PAPER_TIMESTEPS
    assert len(PAPER_TIMESTEPS) == 19
    assert paper.classifier.blocks == (0, 1, 2, 3, 5)
    assert paper.classifier.channels == 768
    assert (paper.classifier.fusion, paper.classifier.head) == ("guided", "paper")
    assert (paper.classifier.members, paper.classifier.vote) == (5, "mode")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("widht", "64", "widht"),
        ("width", "wide", "width cannot be 'wide'"),
        ("timesteps", "50,x", "timesteps"),
        ("vote", "loudest", "vote cannot be 'loudest'"),
    ],
)
def test_wrong_settings_are_named(key: str, value: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        preset("quick", {key: value})


def test_settings_are_known_by_their_former_names() -> None:
    """Older classifier files and job folders have them."""
    assert preset("quick", {"joint_weight": "2.5"}).classifier.branch_weight == 2.5
    assert preset("quick", {"classifier.joint_weight": "4"}).classifier.branch_weight == 4
    entries = dataclasses.asdict(ClassifierSettings(branch_weight=3.0))
    entries["joint_weight"] = entries.pop("branch_weight")
    assert read_settings(entries) == ClassifierSettings(branch_weight=3.0)


def test_single_numbers_of_a_preset_can_be_set() -> None:
    chosen = preset("quick", {"width": "64", "timesteps": "50,100", "classifier.batch_size": "32"})
    assert chosen.pretrain.width == 64
    assert chosen.classifier.timesteps == (50, 100)
    assert chosen.classifier.batch_size == 32
    assert chosen.pretrain.batch_size == PRESETS["quick"].pretrain.batch_size
