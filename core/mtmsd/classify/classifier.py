"""A trained classifier: everything from whitened tiles to class probabilities, in one file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mtmsd.classes import ClassInfo
from mtmsd.classify.ensemble import voters
from mtmsd.classify.heads import check_window, head_named
from mtmsd.classify.network import Network, Streams
from mtmsd.compute.arithmetic import Arithmetic
from mtmsd.diffusion.fastest import for_features
from mtmsd.diffusion.model import DiffusionModel
from mtmsd.features.stages import (
    StageReader,
    centre_features,
    dense_features,
    global_features,
    neighbourhood_spectra,
)
from mtmsd.features.tiles import TileGrid
from mtmsd.files.model_check import (
    load_weights,
    parts_of,
    read_classes,
    read_settings,
    read_temperature,
)
from mtmsd.files.tensor_file import load_arrays, save_tensors
from mtmsd.regions.classifier import RegionClassifier
from mtmsd.reporting import Reporter
from mtmsd.settings import ClassifierSettings
from mtmsd.spectral.classifier import KIND, SpectralClassifier
from mtmsd.stack.classifier import StackClassifier


@dataclass(frozen=True)
class Selection:
    """Which channels of a stream are kept, and their scaling over the training pixels.

    Attributes
    ----------
    channels : int64 Tensor (k,)
        Ascending.
    mean, scale : float32 Tensors (T, k)
        A value v becomes (v − mean)·scale.
    """

    channels: Tensor
    mean: Tensor
    scale: Tensor

    def scaled(self, values: Tensor, timestep: int) -> Tensor:
        """Scale values (..., k) of one timestep, in one pass and in their own number format."""
        scale = self.scale[timestep]
        shift = (-self.mean[timestep] * scale).to(values.dtype)
        return torch.addcmul(shift, values, scale.to(values.dtype))

    @classmethod
    def none(cls, timesteps: int) -> Selection:
        """Select nothing, where no diffusion features are read."""
        nothing = torch.zeros(timesteps, 0)
        return cls(torch.zeros(0, dtype=torch.int64), nothing, nothing)

    def check(self, timesteps: int, channels: int) -> None:
        """Raise ValueError unless it selects from so many channels at so many timesteps."""
        kept, shape = self.channels, (timesteps, len(self.channels))
        ascending = bool((kept.diff() > 0).all()) and 0 <= kept[0] <= kept[-1] < channels
        if not (ascending and self.mean.shape == self.scale.shape == shape):
            raise ValueError(f"a selection of {len(kept)} channels out of {channels}")

    def by_stage(self, widths: Sequence[int]) -> tuple[int, ...]:
        """How many channels are kept of each stage, of those that it has."""
        return tuple(len(kept) for kept in _by_block(self.channels, widths))

    def to(self, device: torch.device) -> Selection:
        """Return a copy on that device."""
        return Selection(*(getattr(self, f.name).to(device) for f in dataclasses.fields(self)))


@dataclass
class Classifier:
    """The diffusion model, the noise, the purified channels, and the ensemble.

    Attributes
    ----------
    model : DiffusionModel
    settings : ClassifierSettings
    classes : tuple of ClassInfo
        In the order of the probabilities' last axis.
    noise : Tensor (C, S, S)
    local, global_ : Selection
    members : list of Network
    metadata : dict
        JSON-able; ``accuracy`` holds the held-out figures.
    """

    model: DiffusionModel
    settings: ClassifierSettings
    classes: tuple[ClassInfo, ...]
    noise: Tensor
    local: Selection
    global_: Selection
    members: list[Network]
    metadata: dict[str, Any] = field(default_factory=dict)
    runtime: ClassVar[str] = "torch"
    """What computes its tiles, by name."""
    mapped_by: ClassVar[str] = "tiles"
    """What maps with it, by name."""
    needs_torch: ClassVar[bool] = True

    @property
    def can_disagree(self) -> bool:
        """Whether it has members of which one can map how far they differ."""
        return self.settings.members > 1

    @property
    def diffusion_network(self) -> Classifier:
        """The network that can be exported."""
        return self

    def beside_network(self) -> None:
        """Return what an exported file has beside the network: nothing."""

    def to(self, device: torch.device) -> Classifier:
        """Move everything to that device, and lay it out as the settings say.

        An older file may leave the arithmetic open: then it is the fastest one on the device.
        """
        self.settings = for_features(
            self.model.backbone, self.settings, self.model.patch_size, device, Reporter()
        )
        Arithmetic.of(self.settings).place(self.model.backbone, device)
        self.local, self.global_ = self.local.to(device), self.global_.to(device)
        for member in self.members:
            member.to(device)
        return self

    @property
    def temperature(self) -> float:
        """What calibrates the probabilities; 1 changes nothing."""
        return read_temperature(self.metadata)

    @property
    def reader(self) -> StageReader:
        """What reads the backbone's stages."""
        return stage_reader(self.model, self.settings, self.noise)

    @torch.no_grad()
    def probabilities(self, tiles: Tensor) -> Tensor:
        """Class probabilities of whitened tiles (N, C, S, S): (M, N, P, K) for M members.

        P is all pixels of a tile's core in row-major order; patchwise it is the centre alone.
        """
        streams = self._streams(tiles)
        device = streams.local.device
        with Arithmetic.of(self.settings).autocast(device):
            return torch.stack([member.probabilities(streams) for member in self.members])

    def votes(self, tiles: Tensor, *, compare: bool) -> Tensor:
        """What the ensemble says of whitened tiles (N, C, S, S): (V, N, P, K) for V voters.

        With ``compare``, how far the members differ follows the K classes.
        """
        return voters(self.probabilities(tiles), self.settings.vote, compare=compare)

    def _streams(self, tiles: Tensor) -> Streams:
        side = self.model.patch_size
        dense = self.settings.features == "dense"
        margin = TileGrid(side, self.settings.stride).margin if dense else side // 2
        head, end = head_named(self.settings.head), side - margin if dense else margin + 1
        spectra = neighbourhood_spectra(tiles.to(self.reader.device), self.model.whitening.emphasis)
        spectrum = spectra[:, :, margin:end, margin:end].flatten(2).transpose(1, 2)
        reach, cube = head.reach(self.settings), None
        if reach:
            seen = slice(margin - reach, end + reach)
            cube = spectra[:, : self.model.whitening.components, seen, seen]
        if not head.fuses(self.settings):
            none = spectrum.new_zeros(*spectrum.shape[:2], len(self.settings.timesteps), 0)
            return Streams(none, none[:, 0], spectrum, cube)
        reader = self.reader
        keep = _by_block(self.local.channels, reader.channels)
        local, global_ = [], []
        for i, maps in enumerate(reader.maps(tiles)):
            if dense:
                values = dense_features(maps, side, keep, margin)
            else:
                values = centre_features(maps, side)[:, None, self.local.channels]
            local.append(self.local.scaled(values, i))
            means = global_features(maps)[:, self.global_.channels]
            global_.append(self.global_.scaled(means, i))
        return Streams(torch.stack(local, 2), torch.stack(global_, 1), spectrum, cube)

    def save(self, path: Path) -> None:
        """Write the classifier file."""
        save_tensors(path, KIND, self.tensors(), self.header())

    def tensors(self) -> dict[str, Tensor]:
        """Return all numbers as named tensors, for a file."""
        tensors = self.model.tensors() | {"noise": self.noise}
        for stream in ("local", "global_") if len(self.local.channels) else ():
            for part in dataclasses.fields(Selection):
                tensors[f"{stream}.{part.name}"] = getattr(getattr(self, stream), part.name)
        for i, member in enumerate(self.members):
            tensors |= {f"member.{i}.{n}": t for n, t in member.state_dict().items()}
        return tensors

    def header(self) -> dict[str, Any]:
        """Return all that a classifier file says beside its numbers, JSON-able."""
        return {
            "model": self.model.metadata,
            "settings": dataclasses.asdict(self.settings),
            "classes": [dataclasses.asdict(c) for c in self.classes],
            "metadata": self.metadata,
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> Classifier:
        """Undo :meth:`save`."""
        settings = read_settings(metadata["settings"])
        classes = read_classes(metadata["classes"])
        read_temperature(metadata["metadata"])
        model = DiffusionModel.from_tensors(tensors, metadata["model"])
        noise = tensors["noise"]
        side = model.patch_size
        if noise.shape != (model.backbone.channels, side, side):
            raise ValueError(f"noise of the shape {tuple(noise.shape)}")
        widths = stage_reader(model, settings, noise).channels
        check_window(settings, side)
        local = global_ = Selection.none(len(settings.timesteps))
        if head_named(settings.head).fuses(settings):
            local, global_ = (
                Selection(*(tensors[f"{stream}.{f.name}"] for f in dataclasses.fields(Selection)))
                for stream in ("local", "global_")
            )
            for selection in (local, global_):
                selection.check(len(settings.timesteps), sum(widths))
        stages = local.by_stage(widths)
        members = []
        for i in range(settings.members):
            with torch.device("meta"):
                member = Network(settings, model.whitening.components, len(classes), stages)
            prefix = f"member.{i}."
            weights = {n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)}
            members.append(load_weights(member, weights))
        return cls(model, settings, classes, noise, local, global_, members, metadata["metadata"])


def load_classifier(
    path: Path,
) -> Classifier | SpectralClassifier | StackClassifier | RegionClassifier:
    """Read a classifier file of any kind.

    Raises
    ------
    InputError
        If it is none, or damaged.
    """
    arrays, metadata = load_arrays(path, KIND)
    with parts_of(path):
        if "spectral" in metadata:
            return SpectralClassifier.from_arrays(arrays, metadata)
        if "stack" in metadata:
            return StackClassifier.from_arrays(arrays, metadata, _from_arrays)
        if "regions" in metadata:
            return RegionClassifier.from_arrays(arrays, metadata)
        return _from_arrays(arrays, metadata)


def _from_arrays(arrays: dict[str, np.ndarray], metadata: dict[str, Any]) -> Classifier:
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return Classifier.from_tensors(tensors, metadata)


def stage_reader(model: DiffusionModel, settings: ClassifierSettings, noise: Tensor) -> StageReader:
    """Return what reads the stages that the settings name."""
    chosen = (settings.timesteps, settings.blocks, settings.precision, settings.layout)
    return StageReader(model.backbone, noise, *chosen)


def _by_block(channels: Tensor, widths: Sequence[int]) -> list[Tensor]:
    """Split ascending channel numbers of a stream into those of each block."""
    starts = [sum(widths[:i]) for i in range(len(widths) + 1)]
    return [
        channels[(channels >= low) & (channels < high)] - low
        for low, high in zip(starts, starts[1:])
    ]
