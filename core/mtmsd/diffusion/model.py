"""A scene's diffusion model: the U-Net, the whitening it works behind, and where both are from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mtmsd.diffusion.unet import UNet
from mtmsd.errors import InputError
from mtmsd.files.model_check import check_patch_size, check_scene, load_weights, parts_of
from mtmsd.files.tensor_file import load_tensors, save_tensors
from mtmsd.scene.whitening import Whitening

KIND = "diffusion-model"
FIRST_WEIGHT = "input_blocks.0.0.weight"


@dataclass
class DiffusionModel:
    """What pretraining leaves, and all that features need.

    Attributes
    ----------
    unet : UNet
        In evaluation mode, float32.
    whitening : Whitening
    metadata : dict
        JSON-able: ``patch_size``, ``bands``, ``wavelengths``, ``settings``, ``seed``,
        ``scene`` (name and fingerprint), ``version``.
    """

    unet: UNet
    whitening: Whitening
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def patch_size(self) -> int:
        """Side of a patch and of a tile, in pixels."""
        return int(self.metadata["patch_size"])

    @property
    def width(self) -> int:
        """Channels of the U-Net's first level."""
        return self.unet.width

    @property
    def mean_spectrum(self) -> np.ndarray:
        """Mean spectrum of the scene, float32 (bands,)."""
        return self.whitening.mean

    def save(self, path: Path) -> None:
        """Write the model file."""
        save_tensors(path, KIND, self.tensors(), self.metadata)

    @classmethod
    def load(cls, path: Path) -> DiffusionModel:
        """Read a model file; raises :class:`InputError` if it is none, or damaged."""
        tensors, metadata = load_tensors(path, KIND)
        with parts_of(path):
            return cls.from_tensors(tensors, metadata)

    def tensors(self) -> dict[str, Tensor]:
        """Everything as named tensors, for a model file or inside a classifier file."""
        named = {f"unet.{name}": value for name, value in self.unet.state_dict().items()}
        return named | {n: torch.from_numpy(a) for n, a in self.whitening.arrays().items()}

    @classmethod
    def from_tensors(
        cls, tensors: Mapping[str, Tensor], metadata: dict[str, Any]
    ) -> DiffusionModel:
        """Undo :meth:`tensors`; other names are left alone.

        Raises
        ------
        InputError, LookupError, RuntimeError, TypeError, ValueError
            If the parts do not fit together; see :func:`mtmsd.files.model_check.parts_of`.
        """
        named = {n: t.numpy() for n, t in tensors.items() if n.startswith("whitening.")}
        whitening = Whitening.of(named)
        check_scene(metadata, len(whitening.mean))
        check_patch_size(metadata["patch_size"])
        prefix = "unet."
        weights = {n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)}
        channels = min(weights[FIRST_WEIGHT].shape[1], whitening.components)
        return cls(build_unet(weights, channels), whitening, metadata)


def build_unet(weights: Mapping[str, Tensor], channels: int, source: str = "the file") -> UNet:
    """Make the U-Net that fits these weights, and load them.

    Raises
    ------
    InputError
        If they are not a U-Net's of this architecture, or of another number of channels.
    """
    first = weights.get(FIRST_WEIGHT)
    if first is None or first.ndim != 4 or first.shape[0] % 32:
        raise InputError(
            f"The weights in {source} are not those of an MTMSD diffusion U-Net.",
            hint="Choose a checkpoint of the authors' code or a model file.",
        )
    if first.shape[1] != channels:
        raise InputError(
            f"The U-Net in {source} takes {first.shape[1]} components, the scene has {channels}.",
            hint=f"Set components={first.shape[1]}.",
        )
    with torch.device("meta"):
        unet = UNet(channels, first.shape[0])
    expected = {name: tuple(value.shape) for name, value in unet.state_dict().items()}
    for name, shape in expected.items():
        if name not in weights:
            raise InputError(f"The weights in {source} lack '{name}'.")
        if tuple(weights[name].shape) != shape:
            found = tuple(weights[name].shape)
            raise InputError(f"In {source}, '{name}' has the shape {found} instead of {shape}.")
    return load_weights(unet, {name: weights[name] for name in expected})


def read_authors_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read a state dict published by the authors (``.pt``), as plain tensors only.

    Raises
    ------
    InputError
        If the file is no such checkpoint; nothing in it is ever executed.
    """
    refusal = InputError(
        f"{path} is not a checkpoint that holds tensors alone.",
        hint="Choose a .pt file with a state dict, as the authors publish them.",
    )
    if not Path(path).is_file():
        raise InputError(f"There is no file {path}.", hint="Choose a .pt checkpoint.")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a file that is none of its own
        raise refusal from error
    if not isinstance(loaded, dict) or not all(isinstance(v, Tensor) for v in loaded.values()):
        raise refusal
    return loaded
