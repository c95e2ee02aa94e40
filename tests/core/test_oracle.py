"""Our numbers are the authors' numbers: every file of the oracle, to the tolerances it names."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from mtmsd.classify.fusion import GuidedFusion
from mtmsd.diffusion.backbones import build_backbone
from mtmsd.diffusion.loss import hybrid_loss
from mtmsd.diffusion.schedule import CosineSchedule
from mtmsd.diffusion.unet import UNet
from mtmsd.features.purification import purify
from mtmsd.features.stages import StageReader, centre_features, dense_features, global_features

ORACLE = Path(__file__).parents[1] / "data" / "oracle"


def answers_of(name: str) -> dict[str, np.ndarray]:
    with np.load(ORACLE / name) as stored:
        return dict(stored)


def answers(name: str) -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(value) for key, value in answers_of(name).items()}


@pytest.fixture(scope="module")
def unet() -> UNet:
    """The authors' random network: torch's own initialisation, and the weights that differ."""
    stored = answers_of("unet_weights.npz")
    expected = str(stored.pop("sha256"))
    torch.manual_seed(0)
    weights = {name: value.half().numpy() for name, value in UNet(4, 32).state_dict().items()}
    weights |= stored
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + weights[name].tobytes())
    assert digest.hexdigest() == expected, "torch initialises otherwise: these are other weights"
    tensors = {name: torch.from_numpy(value) for name, value in weights.items()}
    return build_backbone(tensors)


def test_schedule_tables() -> None:
    schedule = CosineSchedule()
    for name, expected in answers("schedule.npz").items():
        np.testing.assert_allclose(
            getattr(schedule, name), expected.numpy(), rtol=0, atol=1e-12, err_msg=name
        )


@torch.no_grad()
def test_unet_output_and_decoder_blocks(unet: UNet) -> None:
    given = answers("unet_forward.npz")
    names = sorted(name for name in given if name.startswith("block"))
    blocks = [int(name.removeprefix("block")) for name in names]
    found = unet.stages(given["x"], given["t"], blocks)
    for name, value in zip(names, found, strict=True):
        apart = value.shape[-1] // given[name].shape[-1]  # larger blocks are kept in part
        kept = value[:, :, ::apart, ::apart]
        torch.testing.assert_close(kept, given[name], rtol=0, atol=1e-4, msg=name)
    torch.testing.assert_close(unet(given["x"], given["t"]), given["output"], rtol=0, atol=1e-4)


@torch.no_grad()
def test_local_and_global_features(unet: UNet) -> None:
    given = answers("features.npz")
    side = given["patch"].shape[-1]
    reader = StageReader(
        unet, given["noise"], given["timesteps"].tolist(), given["blocks"].tolist(), "fp32"
    )
    every_channel = [None] * len(reader.blocks)
    for i, maps in enumerate(reader.maps(given["patch"][None])):
        local = centre_features(maps, side)[0]
        torch.testing.assert_close(local, given["local"][i], rtol=0, atol=1e-4)
        torch.testing.assert_close(global_features(maps)[0], given["globals"][i], rtol=0, atol=1e-4)
        dense = dense_features(maps, side, every_channel)[0].reshape(side, side, -1)
        torch.testing.assert_close(dense[side // 2, side // 2], local, rtol=0, atol=1e-4)


@torch.no_grad()
def test_training_losses(unet: UNet) -> None:
    given = answers("training_losses.npz")
    schedule, t = CosineSchedule(), given["t"]
    x_t = schedule.noised(given["x0"], t, given["noise"])
    losses = hybrid_loss(schedule, unet(x_t, t), given["x0"], x_t, t, given["noise"])
    for name, value in (("mse", losses.mse), ("vb", losses.vb), ("loss", losses.total)):
        torch.testing.assert_close(value, given[name], rtol=1e-4, atol=0, msg=name)


def test_purification_indices() -> None:
    given = answers("purification.npz")
    found = purify(given["class_means"].numpy(), int(given["k"]))
    np.testing.assert_array_equal(found, given["indices"].numpy())


@torch.no_grad()
def test_guided_fusion() -> None:
    given = answers("fusion.npz")
    timesteps, channels = given["local"].shape[1:]
    fusion = GuidedFusion(timesteps, channels).eval()
    fusion.load_state_dict(_ours(given, timesteps))
    found = fusion(given["local"][:, None], given["globals"])[:, 0]
    torch.testing.assert_close(found, given["fused"], rtol=0, atol=1e-4)


def _ours(given: dict[str, torch.Tensor], timesteps: int) -> dict[str, torch.Tensor]:
    """The authors' weights under our names: a linear layer per timestep becomes one stack."""
    theirs = {n.removeprefix("weight:"): v for n, v in given.items() if n.startswith("weight:")}
    ours = {n.replace("fc.", "compress."): v for n, v in theirs.items() if n.startswith("fc.")} | {
        "compress.2.num_batches_tracked": torch.tensor(0)
    }
    for name, stack in (("fcs", "select"), ("g_fcs", "guide")):
        for part in ("weight", "bias"):
            layers = [theirs[f"{name}.{t}.{part}"] for t in range(timesteps)]
            ours[f"{stack}_{part}"] = torch.stack(layers)
    return ours
