"""A scene's diffusion model: backbone, the whitening it works behind, and where both are from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mtmsd.diffusion.backbone import Backbone
from mtmsd.diffusion.backbones import backbone_named, build_backbone
from mtmsd.errors import InputError
from mtmsd.files.model_check import check_patch_size, check_scene, parts_of
from mtmsd.files.tensor_file import load_tensors, save_tensors
from mtmsd.scene.whitening import Whitening

KIND = "diffusion-model"


@dataclass
class DiffusionModel:
    """What pretraining leaves, and all that features need.

    Attributes
    ----------
    backbone : Backbone
        In evaluation mode, float32.
    whitening : Whitening
    metadata : dict
        JSON-able: ``patch_size``, ``bands``, ``wavelengths``, ``settings``, ``seed``,
        ``scene`` (name and fingerprint), ``version``.
    """

    backbone: Backbone
    whitening: Whitening
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def patch_size(self) -> int:
        """Side of a patch and of a tile, in pixels."""
        return int(self.metadata["patch_size"])

    @property
    def width(self) -> int:
        """Channels of the backbone's first level."""
        return self.backbone.width

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
        prefix = self.backbone.prefix
        named = {f"{prefix}{n}": value for n, value in self.backbone.state_dict().items()}
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
        check_patch_size(side := metadata["patch_size"])
        name = metadata.get("settings", {}).get("pretrain", {}).get("backbone", "unet")
        kind = backbone_named(name)
        if not kind.patch_limits().hold(side):
            raise ValueError(f"patches of {side} px, which are not {kind.patch_limits()}")
        prefix = kind.prefix
        weights = {n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)}
        backbone = build_backbone(weights, name=name)
        if backbone.channels > whitening.components:
            raise ValueError(f"{backbone.channels} channels of {whitening.components} components")
        return cls(backbone, whitening, metadata)


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
