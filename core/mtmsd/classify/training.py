"""What the classes are learnt from: features at labelled pixels, purified."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mtmsd import __version__
from mtmsd.classify.attention import fusion_weights
from mtmsd.classify.classifier import Classifier, Selection, stage_reader
from mtmsd.classify.ensemble import voters
from mtmsd.classify.fusions import fusion_named
from mtmsd.classify.heads import check_window, head_named
from mtmsd.classify.learner import Learner
from mtmsd.classify.model_selection import select_hyperparameters
from mtmsd.classify.network import Streams
from mtmsd.classify.sample_plan import SamplePlan, dense_plan, patch_plan
from mtmsd.classify.spill import Rows
from mtmsd.classify.vote import elect
from mtmsd.compute.arithmetic import Arithmetic
from mtmsd.compute.threads import parallel_map, shares, thread_count
from mtmsd.diffusion.fastest import for_features
from mtmsd.diffusion.model import DiffusionModel
from mtmsd.errors import InputError
from mtmsd.features.purification import purify
from mtmsd.features.stages import (
    StageReader,
    draw_noise,
    features_at,
    global_features,
    neighbourhood_spectra,
)
from mtmsd.features.tiles import TileGrid
from mtmsd.labels.labels import Labels
from mtmsd.labels.thinning import thinning_sentence
from mtmsd.reporting import Reporter
from mtmsd.scene.orientation import turned
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import read_whitened
from mtmsd.settings import ClassifierSettings

SAMPLE_BYTES = 512 * 2**20
"""What the local features of the training samples may take in memory."""
SPILL_BYTES = 8 * 2**30
"""What both streams of patchwise samples may take on the disk, if they are more than that."""
PURIFIED_BYTES = 2 * 2**30
"""What the purified streams of those may take in memory while they are learnt."""
TILES_AT_ONCE = 8
AT_ONCE = 1024
"""Samples whose streams are purified at once."""


def capacity(settings: ClassifierSettings, channels: int, around: int = 0) -> tuple[int, int]:
    """How many samples of so many channels memory holds, and memory and disk together.

    ``around``: so many values more, of the cube around a pixel.
    """
    sample = 2 * (len(settings.timesteps) * channels + around)
    fits = SAMPLE_BYTES // sample
    if settings.features == "dense":
        return fits, fits  # each pixel is several samples; they may be thinned
    purified = 4 * len(settings.timesteps) * settings.channels
    return fits, max(fits, min(SPILL_BYTES // (3 * sample), PURIFIED_BYTES // purified))


@dataclass(frozen=True)
class Samples:
    """A labelled pixel as one tile shows it, n times.

    Attributes
    ----------
    pixel : int64 array (n,)
        Which labelled pixel.
    tile : int64 array (n,)
        Which tile (patchwise: each sample its own).
    weight : float32 array (n,)
        Centre weight of the pixel in the tile.
    upright : bool array (n,)
        Whether the tile is as in the scene; mapping sees no other.
    local : float16 Tensor (n, T, D)
    global_ : float32 Tensor (tiles, T, D)
    spectrum : float32 Tensor (n, 3·C)
    cube : float16 Tensor (n, C, w, w), or None
        Where the head looks at what is around a pixel.
    """

    pixel: np.ndarray
    tile: np.ndarray
    weight: np.ndarray
    upright: np.ndarray
    local: Tensor
    global_: Tensor
    spectrum: Tensor
    cube: Tensor | None = None


class _Silent(Reporter):
    """Listens for a cancel alone: two parallel trials have no progress to tell."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    @property
    def cancel_requested(self) -> bool:
        return self._reporter.cancel_requested


@dataclass(frozen=True)
class TrainingSet:
    """Features of all labelled pixels: extracted once, fitted as often as wanted."""

    labels: Labels
    model: DiffusionModel
    settings: ClassifierSettings
    noise: Tensor
    samples: Samples
    device: torch.device
    before_thinning: int
    """How many samples there were, of which as many as may be kept were kept."""

    @classmethod
    def extract(
        cls,
        scene: Scene,
        labels: Labels,
        model: DiffusionModel,
        settings: ClassifierSettings,
        *,
        device: torch.device,
        seed: int,
        reporter: Reporter,
        spill: Path | None = None,
    ) -> TrainingSet:
        """Read the stages at all labelled pixels, from the same tiles that mapping uses.

        Patchwise samples that are too many for memory are kept in a file in the folder
        ``spill``; what is too much for that as well, or without it, is thinned: every class
        keeps its share, and ten samples at least.

        Raises
        ------
        InputError
            If settings and model do not fit each other, or there are no labels.
        """
        side = model.patch_size
        noise = draw_noise(model.backbone.channels, side, seed)
        reporter.phase("features", "Reading features at the training pixels")
        reader = stage_reader(model, settings, noise)
        settings = for_features(model.backbone, settings, side, device, reporter)
        Arithmetic.of(settings).place(model.backbone, device)
        reader = stage_reader(model, settings, noise)
        check_window(settings, side)
        channels = sum(reader.channels)
        if fusion_named(settings.fusion).purified:
            channels = min(settings.channels, channels)
        settings = dataclasses.replace(settings, channels=channels)
        fuses, around = _head_reads(settings, model)
        if settings.features == "dense":
            plan = dense_plan(labels, TileGrid(side, settings.stride), settings.turns)
        else:
            plan = patch_plan(labels, side)
        count = len(plan.pixel)
        fits, spilled = capacity(settings, fuses * sum(reader.channels), around)
        most = spilled if spill else fits
        plan = plan.thinned(most, labels.values)
        if len(plan.pixel) < count:
            reporter.warning(thinning_sentence(len(plan.pixel), count))
        folder = spill if len(plan.pixel) > fits else None
        samples = _read_samples(scene, model, reader, plan, settings, folder, reporter)
        return cls(labels, model, settings, noise, samples, device, count)

    def fit(self, index: np.ndarray | None = None, *, seed: int, reporter: Reporter) -> Classifier:
        """Purify and train the ensemble on the labelled pixels ``index`` (all if None)."""
        if index is None:
            index = np.arange(len(self.labels))
        rows = np.flatnonzero(np.isin(self.samples.pixel, index))
        values = np.array([c.value for c in self.labels.classes])
        targets = np.searchsorted(values, self.labels.values[self.samples.pixel[rows]])
        if len(np.unique(targets)) < 2:
            raise InputError("Training needs labelled pixels of at least two classes.")
        settings = self.settings
        if not settings.learning_rate:
            settings = self.select_settings(index, seed=seed, reporter=reporter)
        local, global_ = self._select(rows, targets)
        learner = Learner(
            self.streams(rows, local, global_),
            torch.from_numpy(targets).to(self.device),
            torch.from_numpy(self.samples.weight[rows]).to(self.device),
            settings,
            classes=len(values),
            reporter=reporter,
            stages=local.by_stage(stage_reader(self.model, settings, self.noise).channels),
        )
        members = learner.ensemble(seed * 1000)
        metadata = {"version": __version__, "seed": seed, "samples": len(rows)}
        if len(self.samples.pixel) < self.before_thinning:
            metadata["thinned"] = {"kept": len(self.samples.pixel), "of": self.before_thinning}
        return Classifier(
            self.model,
            settings,
            self.labels.classes,
            self.noise,
            local,
            global_,
            members,
            metadata,
        )

    def select_settings(
        self, index: np.ndarray, *, seed: int, reporter: Reporter
    ) -> ClassifierSettings:
        """Return the settings with the learning rate and weights that suit the pixels ``index``."""
        silent = _Silent(reporter)

        def trial(
            settings: ClassifierSettings, kept: np.ndarray, left_out: np.ndarray
        ) -> np.ndarray:
            samples = self.with_settings(settings)
            return samples.predict(samples.fit(kept, seed=seed, reporter=silent), left_out)

        return select_hyperparameters(
            self.settings, self.labels, index, trial, seed=seed, device=self.device
        )

    def with_settings(self, settings: ClassifierSettings) -> TrainingSet:
        """Return the same features, to be learnt with other settings."""
        return dataclasses.replace(self, settings=settings)

    def looks_at(self, classifier: Classifier) -> dict[str, Any] | None:
        """Return how the fusion weighs timesteps and stages, if it does."""
        return fusion_weights(self, classifier)

    def brief(self) -> TrainingSet:
        """Return what is fitted where many fits are needed: one member, half as long."""
        epochs = max(1, self.settings.epochs // 2)
        return self.with_settings(dataclasses.replace(self.settings, members=1, epochs=epochs))

    def predict(self, classifier: Classifier, index: np.ndarray) -> np.ndarray:
        """Class probabilities (n, K) of labelled pixels, blended over tiles as in mapping."""
        return self.decide(classifier, index)[0]

    def decide(self, classifier: Classifier, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class probabilities (n, K) of labelled pixels, and the class (n,) that a map has there.

        All probabilities are 0 for a pixel that was not read.
        """
        vote = classifier.settings.vote
        rows = np.flatnonzero(np.isin(self.samples.pixel, index) & self.samples.upright)
        electors = len(classifier.members) if vote == "mode" else 1
        total = np.zeros((len(self.labels), electors, len(self.labels.classes)), np.float32)

        @torch.no_grad()
        def of_voters(part: np.ndarray) -> np.ndarray:
            streams = self.streams(part, classifier.local, classifier.global_)
            streams = streams.at(slice(None))
            members = torch.stack([m.probabilities(streams)[:, 0] for m in classifier.members])
            said = voters(members[:, None], vote, compare=False)[:, 0]
            return said.transpose(0, 1).cpu().numpy()

        parts = np.array_split(rows, max(1, len(rows) // 512))
        for part, said in zip(parts, parallel_map(of_voters, parts, self.device)):
            weight = self.samples.weight[part, None, None]
            np.add.at(total, self.samples.pixel[part], said * weight)
        blended = total[index].transpose(1, 2, 0)
        probabilities, chosen = elect(blended / blended.sum(1, keepdims=True).clip(1e-12), vote)
        return probabilities.T, chosen

    def _select(self, rows: np.ndarray, targets: np.ndarray) -> tuple[Selection, Selection]:
        """Purify both streams over the training samples, and find their scaling."""
        samples, settings = self.samples, self.settings
        tiles = samples.tile[rows]
        weight = torch.from_numpy(samples.weight[rows])
        selections = []
        for stream, at in ((samples.local, rows), (samples.global_, tiles)):
            means = np.stack(
                [
                    _weighted_mean(stream, at[targets == c], weight[targets == c])
                    for c in np.unique(targets)
                ]
            )
            kept = torch.from_numpy(np.sort(purify(means, settings.channels)))
            shape = (len(settings.timesteps), len(kept))
            mean, scale = torch.zeros(shape), torch.ones(shape)
            if settings.standardise:
                chosen = stream[torch.from_numpy(at)][:, :, kept].float()
                mean = chosen.mean(0)
                scale = 1 / chosen.std(0, correction=0).clamp(min=1e-4)
            selections.append(Selection(kept, mean, scale).to(self.device))
        return selections[0], selections[1]

    def streams(self, rows: np.ndarray, local: Selection, global_: Selection) -> Streams:
        """Both streams of the samples as the networks see them, in float16 to save memory."""

        def purified(stream: Tensor, at: np.ndarray, selection: Selection) -> Tensor:
            kept, mean, scale = (
                part.cpu() for part in (selection.channels, selection.mean, selection.scale)
            )
            scaled = torch.empty((len(at), *mean.shape), dtype=torch.float16)
            for rows in torch.arange(len(at)).split(AT_ONCE):  # they may lie on the disk
                chosen = stream[torch.from_numpy(at)[rows]][:, :, kept]
                scaled[rows] = ((chosen.float() - mean) * scale).half()
            return scaled.to(self.device)

        cube = self.samples.cube
        return Streams(
            purified(self.samples.local, rows, local)[:, None],
            purified(self.samples.global_, self.samples.tile[rows], global_),
            self.samples.spectrum[torch.from_numpy(rows)].to(self.device)[:, None],
            None if cube is None else cube[torch.from_numpy(rows)].to(self.device),
        )


def _weighted_mean(stream: Tensor, at: np.ndarray, weight: Tensor) -> np.ndarray:
    """Mean (T, D) of the chosen samples, float64, in parts that bound memory."""
    total = torch.zeros(stream.shape[1:], dtype=torch.float64)
    for part, share in zip(torch.from_numpy(at).split(256), weight.double().split(256)):
        total += torch.einsum("ntd,n->td", stream[part].double(), share)
    return (total / weight.double().sum()).numpy()


def _head_reads(settings: ClassifierSettings, model: DiffusionModel) -> tuple[bool, int]:
    """Whether the head takes diffusion features, and how many values of the cube around a pixel."""
    head = head_named(settings.head)
    reach = head.reach(settings)
    around = model.whitening.components * (2 * reach + 1) ** 2 if reach else 0
    return head.fuses(settings), around


def _read_samples(
    scene: Scene,
    model: DiffusionModel,
    reader: StageReader,
    plan: SamplePlan,
    settings: ClassifierSettings,
    spill: Path | None,
    reporter: Reporter,
) -> Samples:
    side, count = model.patch_size, len(plan.tiles)
    head = head_named(settings.head)
    reach, spill = head.reach(settings), spill if head.fuses(settings) else None
    streams = Rows(spill), Rows(spill), Rows(None), *([Rows(None)] if reach else [])
    at_once = max(TILES_AT_ONCE, thread_count(reader.device))
    for first in range(0, count, at_once):
        chosen = plan.tiles[first : first + at_once]
        upright = {
            (row, col): read_whitened(scene, model.whitening, row, col, side, side)[0]
            for row, col in {tile[:2] for tile in chosen}
        }
        tiles = torch.from_numpy(np.stack([turned(upright[r, c], turn) for r, c, turn in chosen]))

        def read(share: slice, tiles: Tensor = tiles, first: int = first) -> tuple[Tensor, ...]:
            here = (plan.tile >= first + share.start) & (plan.tile < first + share.stop)
            tile = torch.from_numpy(plan.tile[here] - first - share.start)
            return _read_tiles(reader, model, settings, tiles[share], tile, plan.position[here])

        for features in parallel_map(read, shares(len(chosen), reader.device), reader.device):
            for stream, part in zip(streams, features, strict=True):
                stream.append(part)
        reporter.progress(first + len(chosen), count, "tile")
    turns = np.array([turn for _, _, turn in plan.tiles])
    return Samples(
        plan.pixel,
        plan.tile,
        plan.weight,
        turns[plan.tile] == 0,
        *(stream.joined() for stream in streams),
    )


def _read_tiles(
    reader: StageReader,
    model: DiffusionModel,
    settings: ClassifierSettings,
    tiles: Tensor,
    tile: Tensor,
    position: np.ndarray,
) -> tuple[Tensor, ...]:
    """Local, global and spectral stream of tiles, at positions in them, and the cube if wanted."""
    side, head = model.patch_size, head_named(settings.head)
    place = torch.from_numpy(position)
    spectra = neighbourhood_spectra(tiles, model.whitening.emphasis)
    spectrum = spectra.flatten(2).transpose(1, 2)[tile, place]
    cube = []
    if reach := head.reach(settings):
        span = torch.arange(-reach, reach + 1)
        rows, cols = (place // side)[:, None] + span, (place % side)[:, None] + span
        around = spectra[:, : tiles.shape[1]].permute(0, 2, 3, 1)
        around = around[tile[:, None, None], rows[:, :, None], cols[:, None]]
        cube = [around.permute(0, 3, 1, 2).half()]
    if not head.fuses(settings):
        none = torch.zeros(len(place), len(settings.timesteps), 0, dtype=torch.float16)
        return none, torch.zeros(len(tiles), *none.shape[1:]), spectrum, *cube
    local, global_ = [], []
    for maps in reader.maps(tiles):
        row, col = place.to(reader.device) // side, place.to(reader.device) % side
        local.append(features_at(maps, side, tile.to(reader.device), row, col))
        global_.append(global_features(maps))
    return torch.stack(local, 1).half().cpu(), torch.stack(global_, 1).cpu(), spectrum, *cube
