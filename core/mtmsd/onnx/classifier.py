"""A classifier that was exported to ONNX: no torch is needed to map with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mtmsd.classes import ClassInfo
from mtmsd.features.tiles import TileGrid
from mtmsd.files.model_check import (
    check_patch_size,
    check_scene,
    check_width,
    parts_of,
    read_classes,
    read_settings,
    read_temperature,
)
from mtmsd.onnx.check import Shapes
from mtmsd.onnx.file import STACK_PREFIX, load_graph
from mtmsd.scene.whitening import Whitening
from mtmsd.settings import ClassifierSettings
from mtmsd.stack.classifier import StackClassifier


@dataclass(frozen=True)
class ExportedModel:
    """What is left of the diffusion model beside the graph."""

    whitening: Whitening
    width: int
    """Channels of the backbone's first level."""
    metadata: dict[str, Any]

    @property
    def patch_size(self) -> int:
        """Side of a tile, in pixels."""
        return int(self.metadata["patch_size"])

    @property
    def mean_spectrum(self) -> np.ndarray:
        """Mean spectrum of the scene, float32 (bands,)."""
        return self.whitening.mean


@dataclass(frozen=True)
class ExportedClassifier:
    """The graph from whitened tiles to votes, and all that a classifier file says.

    Attributes
    ----------
    path : Path
    graph : bytes
    model : ExportedModel
    settings : ClassifierSettings
    classes : tuple of ClassInfo
        In the order of the probabilities' last axis.
    metadata : dict
        JSON-able; ``accuracy`` holds the held-out figures.
    """

    path: Path
    graph: bytes
    model: ExportedModel
    settings: ClassifierSettings
    classes: tuple[ClassInfo, ...]
    metadata: dict[str, Any] = field(default_factory=dict)
    runtime: ClassVar[str] = "onnx"
    """What computes its tiles, by name."""
    mapped_by: ClassVar[str] = "tiles"
    """What maps with it, by name."""

    @property
    def can_disagree(self) -> bool:
        """Whether it has members of which one can map how far they differ."""
        return self.settings.members > 1

    @property
    def temperature(self) -> float:
        """What calibrates the probabilities; 1 changes nothing."""
        return read_temperature(self.metadata)


def load_classifier(path: Path) -> ExportedClassifier | StackClassifier:
    """Read an exported classifier.

    Raises
    ------
    InputError
        If it is none, or damaged.
    """
    content, shapes, arrays, metadata = load_graph(path)
    with parts_of(path):
        exported = _read(path, content, shapes, arrays, metadata)
        if "stack" not in metadata:
            return exported
        start = len(STACK_PREFIX)
        own = {n[start:]: a for n, a in arrays.items() if n.startswith(STACK_PREFIX)}
        return StackClassifier.from_arrays(own, metadata["stack"], lambda *_: exported)


def _read(
    path: Path,
    content: bytes,
    shapes: Shapes,
    arrays: dict[str, np.ndarray],
    metadata: dict[str, Any],
) -> ExportedClassifier:
    """Put the network together; raises LookupError, TypeError or ValueError."""
    settings = read_settings(metadata["settings"])
    classes = read_classes(metadata["classes"])
    whitening = Whitening.of(arrays)
    check_scene(metadata["model"], len(whitening.mean))
    check_patch_size(metadata["model"]["patch_size"])
    check_width(metadata["width"])
    read_temperature(metadata["metadata"])
    model = ExportedModel(whitening, metadata["width"], metadata["model"])
    side = model.patch_size
    voters = settings.members if settings.vote == "mode" else 1
    pixels = TileGrid(side, settings.stride).core ** 2 if settings.features == "dense" else 1
    layers = len(classes) + (settings.members > 1)
    expected = ([1, whitening.components, side, side], [voters, 1, pixels, layers])
    if shapes != expected:
        raise ValueError(f"a graph of the shapes {shapes} instead of {expected}")
    return ExportedClassifier(path, content, model, settings, classes, metadata["metadata"])
