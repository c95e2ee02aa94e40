"""The authors' checkpoints start a pretraining; anything else is refused and never run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from mtmsd.diffusion.model import DiffusionModel
from mtmsd.diffusion.pretrain import pretrain
from mtmsd.diffusion.unet import UNet
from mtmsd.errors import InputError
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.settings import preset
from small_files import cube, write_raster

pytestmark = pytest.mark.slow

TINY = {"components": "4", "patch_size": "16", "iterations": "1", "batch_size": "1"}


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(8)
    return UNet(4, 32).state_dict()


def start_from(checkpoint: Path, tmp_path: Path, **changes: str) -> DiffusionModel:
    scene = Scene.open(write_raster(tmp_path / "scene.tif", cube(6, 40, 40)))
    output = tmp_path / "model.safetensors"
    settings = preset("quick", {**TINY, "learning_rate": "1e-9", **changes})
    cpu = torch.device("cpu")
    pretrain(scene, settings, output, device=cpu, seed=0, init=checkpoint, reporter=Reporter())
    return DiffusionModel.load(output)


def test_pretraining_starts_from_the_weights(
    weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    torch.save(weights, tmp_path / "published.pt")
    found = start_from(tmp_path / "published.pt", tmp_path).backbone.state_dict()
    for name, value in weights.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-6)


def test_wrong_number_of_components_says_what_to_set(
    weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    torch.save(weights, tmp_path / "published.pt")
    with pytest.raises(InputError, match="takes 4 components, the scene has 3") as caught:
        start_from(tmp_path / "published.pt", tmp_path, components="3")
    assert caught.value.hint == "Set components=4."


def test_wrong_shape_and_missing_layer_are_named(
    weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    torch.save({**weights, "out.2.weight": torch.zeros(6, 32, 3, 3)}, tmp_path / "shape.pt")
    with pytest.raises(InputError, match=r"'out.2.weight' has the shape \(6, 32, 3, 3\)"):
        start_from(tmp_path / "shape.pt", tmp_path)
    del weights["out.2.weight"]
    torch.save(weights, tmp_path / "short.pt")
    with pytest.raises(InputError, match=r"lack 'out.2.weight'"):
        start_from(tmp_path / "short.pt", tmp_path)


class Hostile:
    """Runs a command when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.trace),)


def test_code_in_a_checkpoint_never_runs(tmp_path: Path) -> None:
    torch.save({"weights": Hostile(tmp_path / "ran")}, tmp_path / "hostile.pt")
    with pytest.raises(InputError, match="not a checkpoint that holds tensors alone"):
        start_from(tmp_path / "hostile.pt", tmp_path)
    assert not (tmp_path / "ran").exists()
