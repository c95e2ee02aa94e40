"""Diffusion models of the scenes: pretrained once, kept in bench/models, used for all splits."""

from __future__ import annotations

import time
from dataclasses import replace

import torch
from mtmsd.diffusion.devices import choose_device
from mtmsd.diffusion.model import DiffusionModel
from mtmsd.diffusion.pretrain import pretrain
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.settings import Settings, preset

from accuracy.scenes import HERE


def pretrained(scene: Scene, name: str, settings: Settings) -> DiffusionModel:
    """Return the scene's model for these settings, pretrained unless it is kept already."""
    usual = preset(settings.preset).pretrain
    changes = "".join(
        f"-{key}={value}"
        for key, value in sorted(vars(settings.pretrain).items())
        if value != getattr(usual, key)
    )
    path = HERE / "models" / f"{name}-{settings.preset}{changes}.safetensors"
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        start = time.monotonic()
        device = choose_device("auto")
        pretrain(scene, settings, path, device=device, seed=0, reporter=Reporter())
        seconds = time.monotonic() - start
        path.with_suffix(".seconds").write_text(f"{seconds:.0f}\n")
        print(f"{name}: pretrained in {seconds:.0f} s", flush=True)
    return DiffusionModel.load(path)


def untrained(scene: Scene, name: str, settings: Settings) -> DiffusionModel:
    """Return the same network with random weights, behind the same whitening."""
    model = pretrained(scene, name, settings)
    torch.manual_seed(0)
    return replace(model, backbone=model.backbone.blank().eval())
