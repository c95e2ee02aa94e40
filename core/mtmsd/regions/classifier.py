"""Learnt regions as a classifier: in memory, and in a file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from mtmsd.classes import ClassInfo
from mtmsd.files.model_check import check_scene, load_weights, read_classes, read_temperature
from mtmsd.files.tensor_file import save_arrays
from mtmsd.regions.blocks import SMALLEST, BlockReader
from mtmsd.regions.derivative import Derivative
from mtmsd.regions.network import SupertokenNetwork
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import Whitening
from mtmsd.spectral.classifier import KIND, SceneBands

SUPERTOKENS = "supertokens"
LARGEST_NUMBER = 1e15
"""Of all that a file holds: products must be numbers, too."""


@dataclass(frozen=True)
class RegionSettings:
    """How regions are made."""

    kind: str
    """A name in :data:`mtmsd.regions.methods.REGIONS`."""
    size: int
    """Side in pixels of the squares in which they begin."""
    seed: int


@dataclass
class RegionClassifier:
    """The network that parts a scene into regions and gives each a class.

    Attributes
    ----------
    model : SceneBands
    whitening : Whitening
    settings : RegionSettings
    classes : tuple of ClassInfo
        In the order of the scores' last axis.
    mean, scale : float32 arrays (B + D,)
        As in :class:`mtmsd.regions.blocks.BlockReader`.
    network : SupertokenNetwork
    metadata : dict
        JSON-able; ``accuracy`` holds the held-out figures.
    """

    model: SceneBands
    whitening: Whitening
    settings: RegionSettings
    classes: tuple[ClassInfo, ...]
    mean: np.ndarray
    scale: np.ndarray
    network: SupertokenNetwork
    metadata: dict[str, Any] = field(default_factory=dict)
    mapped_by: ClassVar[str] = "regions"
    """What maps with it, by name."""
    can_disagree: ClassVar[bool] = False
    needs_torch: ClassVar[bool] = True
    diffusion_network: ClassVar[None] = None

    @property
    def temperature(self) -> float:
        """What calibrates the probabilities; 1 changes nothing."""
        return read_temperature(self.metadata)

    def reader(self, scene: Scene) -> BlockReader:
        """Return what reads blocks of a scene with the bands that were learnt."""
        derivative = Derivative.of_model(self.model.metadata)
        size = self.settings.size
        return BlockReader(scene, self.whitening, derivative, size, self.mean, self.scale)

    @torch.no_grad()
    def regions(
        self, reader: BlockReader, row: int, col: int
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Part the block whose upper left pixel is at ``row``, ``col``.

        Returns
        -------
        region : int64 array (h, w)
            Which of the block's M regions; −1 without data.
        probabilities : float32 array (M, K)
            Not calibrated by temperature. None instead of both for a block without data.
        """
        block = reader.read(row, col)
        if not bool(block.valid.any()):
            return None
        tokens = self.network(block)
        region = tokens.token.numpy().reshape(block.grid.height, block.grid.width)
        return region, torch.softmax(tokens.scores, dim=1).numpy()

    def save(self, path: Path) -> None:
        """Write the classifier file."""
        arrays = {
            "mean_spectrum": self.model.mean_spectrum,
            "input.mean": self.mean,
            "input.scale": self.scale,
            **self.whitening.arrays(),
        }
        for name, tensor in self.network.state_dict().items():
            arrays[f"network.{name}"] = tensor.numpy()
        metadata = {
            "model": self.model.metadata,
            "regions": dataclasses.asdict(self.settings),
            "classes": [dataclasses.asdict(c) for c in self.classes],
            "metadata": self.metadata,
        }
        save_arrays(path, KIND, arrays, metadata)

    @classmethod
    def from_arrays(
        cls, arrays: dict[str, np.ndarray], metadata: dict[str, Any]
    ) -> RegionClassifier:
        """Undo :meth:`save`.

        Raises
        ------
        LookupError, TypeError, ValueError, RuntimeError
            If the parts do not fit together; see :func:`mtmsd.files.model_check.parts_of`.
        """
        (bands,) = arrays["mean_spectrum"].shape
        check_scene(metadata["model"], bands)
        settings = _read_settings(metadata["regions"])
        classes = read_classes(metadata["classes"])
        read_temperature(metadata["metadata"])
        whitening, derivative = Whitening.of(arrays), Derivative.of_model(metadata["model"])
        seen = (bands + len(derivative),)
        shapes = [arrays[name].shape for name in ("input.mean", "input.scale")]
        if shapes != [seen, seen] or whitening.mean.shape != (bands,):
            raise ValueError(f"scalings of the shapes {shapes} for {bands} bands")
        for name, array in arrays.items():
            if not (np.abs(array) < LARGEST_NUMBER).all():
                raise ValueError(f"numbers '{name}' that are none, or too large")
        with torch.device("meta"):
            network = SupertokenNetwork(whitening.components, bands, len(derivative), len(classes))
        start = len("network.")
        weights = {
            name[start:]: torch.from_numpy(array)
            for name, array in arrays.items()
            if name.startswith("network.")
        }
        return cls(
            SceneBands(metadata["model"], arrays["mean_spectrum"]),
            whitening,
            settings,
            classes,
            arrays["input.mean"],
            arrays["input.scale"],
            load_weights(network, weights),
            metadata["metadata"],
        )


def _read_settings(entries: dict[str, Any]) -> RegionSettings:
    """Return the settings that a file lists; raises ValueError or TypeError."""
    settings = RegionSettings(**entries)
    if settings.kind != SUPERTOKENS:
        raise ValueError(f"regions of the kind {str(settings.kind)[:40]}")
    if type(settings.size) is not int or not SMALLEST <= settings.size <= 65_536:
        raise ValueError(f"regions that begin as squares of {str(settings.size)[:40]} px")
    if type(settings.seed) is not int or not 0 <= settings.seed < 2**31:
        raise ValueError(f"the seed {str(settings.seed)[:40]}")
    return settings
