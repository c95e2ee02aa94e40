"""Backbones by name, made anew or from weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mtmsd.diffusion.backbone import Backbone
from mtmsd.diffusion.multistage import MultistageUNet
from mtmsd.diffusion.unet import UNet
from mtmsd.errors import InputError
from mtmsd.files.model_check import load_weights
from mtmsd.tables import named

BACKBONES: dict[str, type[Backbone]] = {"unet": UNet, "multistage": MultistageUNet}
"""Backbones by name: (channels, width) -> module as :class:`Backbone` says."""


def backbone_named(name: str) -> type[Backbone]:
    """Return the backbone of that name; raises :class:`InputError` if there is none."""
    return named("backbone", name, BACKBONES)


def build_backbone(
    weights: Mapping[str, Tensor],
    channels: int | None = None,
    source: str = "the file",
    name: str = "unet",
) -> Backbone:
    """Make the backbone that fits these weights, and load them.

    Raises
    ------
    InputError
        If they are not of this architecture, or not of so many channels.
    """
    kind = backbone_named(name)
    size = kind.size_of(weights)
    if size is None:
        raise InputError(
            f"The weights in {source} are not those of an MTMSD diffusion {kind.__name__}.",
            hint="Choose a checkpoint of the authors' code or a model file.",
        )
    if channels not in (None, size[0]):
        raise InputError(
            f"The {kind.__name__} in {source} takes {size[0]} components, "
            f"the scene has {channels}.",
            hint=f"Set components={size[0]}.",
        )
    with torch.device("meta"):
        backbone = kind.shaped(weights, size)
    further = sorted(weights.keys() - backbone.state_dict().keys())
    if further:
        raise InputError(
            f"The weights in {source} are those of another backbone: a {kind.__name__} has no "
            f"'{further[0]}'.",
            hint="Set backbone to the one that they were learnt with, or choose another file.",
        )
    expected = {name: tuple(value.shape) for name, value in backbone.state_dict().items()}
    for name, shape in expected.items():
        if name not in weights:
            raise InputError(f"The weights in {source} lack '{name}'.")
        if (given := tuple(weights[name].shape)) != shape:
            raise InputError(f"In {source}, '{name}' has the shape {given} instead of {shape}.")
    return load_weights(backbone, {name: weights[name] for name in expected})
