"""The table of backbones: another network learns, is kept and is read like the first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
import torch
from mtmsd.cli.main import main
from mtmsd.diffusion.backbone import Backbone
from mtmsd.diffusion.backbones import BACKBONES
from mtmsd.diffusion.model import DiffusionModel
from mtmsd.errors import InputError
from mtmsd.features.stages import StageReader
from mtmsd.files.tensor_file import load_tensors, save_tensors
from running import TINY, words
from torch import Tensor, nn

pytestmark = pytest.mark.slow


class Flat(Backbone):
    """One convolution before, one after; the first one's output is its only stage."""

    prefix = "flat."
    downsampling = 1
    width_multiple = 32
    stage_count = 1

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(channels, width)
        self.inner = nn.Conv2d(channels, width, 3, padding=1)
        self.outer = nn.Conv2d(width, 2 * channels, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """(B, C, H, W), (B,) -> (B, 2C, H, W)."""
        return self.outer(torch.tanh(self.inner(x)))

    def stages(self, x: Tensor, t: Tensor, blocks: Iterable[int]) -> list[Tensor]:
        """The output of the first convolution."""
        return [self.inner(x) for _ in set(blocks)]

    def stage_channels(self, block: int) -> int:
        """As many as it is wide."""
        return self.width

    @staticmethod
    def size_of(weights: Mapping[str, Tensor]) -> tuple[int, int] | None:
        """Of the first convolution."""
        first = weights.get("inner.weight")
        return None if first is None else (first.shape[1], first.shape[0])


def test_another_backbone_is_a_line_in_the_table(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKBONES, "flat", Flat)
    path = tmp_path / "model.safetensors"
    settings = words(TINY | {"iterations": 2, "backbone": "flat", "width": 32})
    line = ["pretrain", trained / "scene.tif", "-o", path, *settings]
    assert main([str(word) for word in line]) == 0
    model = DiffusionModel.load(path)
    assert isinstance(model.backbone, Flat)
    assert (model.backbone.channels, model.width) == (4, 32)
    reader = StageReader(model.backbone, torch.zeros(4, 16, 16), (100,), (0,))
    ((stage,),) = reader.maps(torch.ones(1, 4, 16, 16))
    assert reader.channels == [32] == [stage.shape[1]]
    classifier = tmp_path / "classifier.safetensors"
    settings = words(TINY | {"blocks": "0", "epochs": 1, "timesteps": "100"})
    line = ["train", trained / "scene.tif", trained / "labels.gpkg", "-o", classifier]
    line += ["--model", path, "--holdout", "0", "--classifier", "mtmsd", *settings]
    assert main([str(word) for word in line]) == 0
    monkeypatch.delitem(BACKBONES, "flat")
    with pytest.raises(Exception, match="There is no backbone 'flat'") as caught:
        DiffusionModel.load(path)
    assert str(path) in str(caught.value)


def test_a_backbone_that_is_not_there_is_named_before_any_work(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["pretrain", trained / "scene.tif", "-o", tmp_path / "m.safetensors"]
    assert main([*map(str, line), *words(TINY | {"backbone": "resnet"})]) == 1
    told = capsys.readouterr().err
    assert "There is no backbone 'resnet'. Choose from: unet, multistage." in " ".join(told.split())
    assert not list(tmp_path.iterdir())


def test_a_model_of_before_the_table_is_a_unet(trained: Path, tmp_path: Path) -> None:
    tensors, metadata = load_tensors(trained / "model.safetensors", "diffusion-model")
    del metadata["settings"]["pretrain"]["backbone"]
    path = tmp_path / "older.safetensors"
    save_tensors(path, "diffusion-model", tensors, metadata)
    assert DiffusionModel.load(path).backbone.prefix == "unet."


class Odd(Flat):
    """It takes widths and patches that the U-Net does not."""

    width_multiple = 3
    largest_width = 12
    least_patch = 5
    largest_patch = 15


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"width": 9, "patch_size": 15}, ""),
        ({"width": 32}, "width cannot be '32'. For the backbone odd it is a whole number from 3 "
                        "to 12, a multiple of 3."),
        ({"width": 9, "patch_size": 16}, "patch_size cannot be '16'. For the backbone odd it is a "
                                         "whole number from 5 to 15."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["pretrain", "map"])
def test_widths_and_patches_are_the_backbones_own(
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, int],
    said: str,
    command: str,
) -> None:
    monkeypatch.setitem(BACKBONES, "odd", Odd)
    settings = {"backbone": "odd", "blocks": "0", "stride": 5, "iterations": 2} | changes
    line = [command, trained / "scene.tif", *[trained / "labels.gpkg"] * (command == "map")]
    line += ["-o", tmp_path / f"made.{'tif' if command == 'map' else 'safetensors'}"]
    status = main([str(word) for word in [*line, *words(TINY | settings)]])
    told = " ".join(capsys.readouterr().err.split())
    if said:
        assert (status, list(tmp_path.iterdir())) == (1, [])
        assert said in told
        return
    assert status == 0, told
    if command == "pretrain":
        model = DiffusionModel.load(tmp_path / "made.safetensors")
        assert (model.width, model.patch_size) == (9, 15)
        monkeypatch.setattr(Odd, "largest_patch", 14)
        with pytest.raises(InputError, match="patches of 15 px, which are not from 5 to 14"):
            DiffusionModel.load(tmp_path / "made.safetensors")


def test_nothing_outside_of_diffusion_names_a_backbone() -> None:
    engine = Path(__file__).parents[2] / "core" / "mtmsd"
    named = [p for p in engine.rglob("*.py") if "UNet" in p.read_text(encoding="utf-8")]
    assert named
    assert {path.parent.name for path in named} == {"diffusion"}
