"""Learning supertokens from labelled pixels, and what they say of labels that are held out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from mtmsd.errors import InputError, MachineError
from mtmsd.labels.labels import Labels
from mtmsd.regions.derivative import Derivative
from mtmsd.regions.network import BlockInput, SupertokenNetwork, Tokens, token_loss
from mtmsd.regions.seeds import SeedGrid, proportions
from mtmsd.reporting import Reporter
from mtmsd.scene.pixels import read_spectra
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import Whitening, fit_whitening

COMPONENTS = 16
BLOCK = 128
"""Side of a block in pixels, about: tokens of a block hear each other."""
KEPT_BYTES = 512 * 2**20
"""What blocks may take in memory while they are learnt."""
STEPS, LEARNING_RATE = 160, 2e-3
SMALLEST = 2
USUAL = range(4, 17)
"""Sides of a token, in pixels, that are chosen by the polygons."""


def usual_size(labels: Labels) -> int:
    """Side of a token in pixels: half of a typical polygon's, 4 to 16."""
    pixels = np.unique(labels.groups, return_counts=True)[1]
    return int(np.clip(round(math.sqrt(float(np.median(pixels))) / 2), USUAL[0], USUAL[-1]))


def check_size(size: int, scene: Scene) -> None:
    """Refuse a token below 2 px or above the scene.

    Raises
    ------
    InputError
    """
    most = min(scene.height, scene.width)
    if not SMALLEST <= size <= most:
        raise InputError(
            f"Regions cannot begin as squares of {size} px in {scene.name}, which has "
            f"{scene.width}×{scene.height} px.",
            hint=f"Give a size from {SMALLEST} to {most}, or 0 to choose it by the polygons.",
        )


@dataclass(frozen=True)
class BlockReader:
    """Reads blocks of a scene as the network sees them.

    Attributes
    ----------
    scene : Scene
    whitening : Whitening
    derivative : Derivative
    size : int
        Side of a token in pixels.
    mean, scale : float32 arrays (B + D,)
        A value v of spectrum or derivative becomes (v − mean)·scale.
    """

    scene: Scene
    whitening: Whitening
    derivative: Derivative
    size: int
    mean: np.ndarray
    scale: np.ndarray
    kept: dict[tuple[int, int], BlockInput] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls, scene: Scene, labels: Labels, size: int, seed: int, reporter: Reporter
    ) -> BlockReader:
        """Fit the whitening, and the scaling over the labelled pixels."""
        whitening = fit_whitening(scene, COMPONENTS, seed=seed, tick=reporter.check_canceled)
        derivative = Derivative.of(scene.wavelengths, scene.used)
        if derivative.by_index:
            reporter.warning(
                f"{scene.name} does not tell all wavelengths: the derivative of its spectra is "
                "taken by the bands' numbers."
            )
        spectra = read_spectra(scene, labels.rows, labels.cols, reporter).T
        both = np.concatenate([spectra, derivative(spectra)])
        scale = 1 / np.maximum(both.std(1), 1e-6)
        return cls(scene, whitening, derivative, size, both.mean(1), scale.astype(np.float32))

    @property
    def side(self) -> int:
        """Side of a block: whole tokens."""
        return max(1, round(BLOCK / self.size)) * self.size

    def corner(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """Upper left corner of the block of each pixel, (n, 2)."""
        return np.stack([rows, cols], axis=1) // self.side * self.side

    def read(self, row: int, col: int, *, keep: bool = False) -> BlockInput:
        """Read the block whose upper left pixel is at ``row``, ``col``."""
        if (row, col) in self.kept:
            return self.kept[row, col]
        height = min(self.side, self.scene.height - row)
        width = min(self.side, self.scene.width - col)
        values, valid = self.scene.read(row - 1, col - 1, height + 2, width + 2)
        components = self.whitening.apply(values, valid)
        spectra = values[:, 1:-1, 1:-1].reshape(len(values), -1)
        seen = np.concatenate([spectra, self.derivative(spectra)])
        both = torch.from_numpy(((seen - self.mean[:, None]) * self.scale[:, None]).T.copy())
        known = torch.from_numpy(valid[1:-1, 1:-1].ravel())
        both[~known] = 0
        found = BlockInput(
            torch.from_numpy(components),
            both[:, : len(values)].contiguous(),
            both[:, len(values) :].contiguous(),
            known,
            SeedGrid(height, width, self.size),
        )
        size = 4 * (found.components.numel() + both.numel())
        if keep and (len(self.kept) + 1) * size <= KEPT_BYTES:
            self.kept[row, col] = found
        return found


def learn(
    reader: BlockReader, labels: Labels, *, seed: int, reporter: Reporter
) -> SupertokenNetwork:
    """Train on the labelled pixels, a block a step.

    Raises
    ------
    InputError
        If there are labels of one class only.
    """
    values = np.array([info.value for info in labels.classes])
    if len(np.unique(labels.values)) < 2:
        raise InputError("Regions need labelled pixels of at least two classes.")
    target = torch.from_numpy(np.searchsorted(values, labels.values))
    corners, of = np.unique(reader.corner(labels.rows, labels.cols), axis=0, return_inverse=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SupertokenNetwork(
            reader.whitening.components,
            len(reader.scene.used),
            len(reader.derivative),
            len(values),
        )
    steps = max(STEPS, len(corners))
    optimizer = torch.optim.Adam(network.parameters(), foreach=False)
    rng = np.random.default_rng(seed)
    order = np.concatenate(
        [rng.permutation(len(corners)) for _ in range(-(-steps // len(corners)))]
    )
    network.train()
    for step, chosen in enumerate(order[:steps]):
        row, col = corners[chosen].tolist()
        block = reader.read(row, col, keep=True)
        here = np.flatnonzero(of.ravel() == chosen)
        place = (labels.rows[here] - row) * block.grid.width + labels.cols[here] - col
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * _rate(step, steps)
        tokens = network(block)
        loss = _loss(tokens, torch.from_numpy(place.astype(np.int64)), target[here], len(values))
        if not math.isfinite(float(loss.detach())):
            raise MachineError("Learning the regions diverged.", code="diverged")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        reporter.check_canceled()
        reporter.progress(step + 1, steps, "step")
    return network.eval()


def _rate(step: int, steps: int) -> float:
    """Share of the learning rate: a warm-up of ten steps, and half a cosine."""
    return min(1.0, (step + 1) / 10) * 0.5 * (1 + math.cos(math.pi * step / steps))


def _loss(tokens: Tokens, place: Tensor, target: Tensor, classes: int) -> Tensor:
    token = tokens.token[place]
    known = token >= 0
    shares, counts = proportions(token[known], target[known], len(tokens.scores), classes)
    return token_loss(tokens.scores, shares, counts)


@dataclass(frozen=True)
class Answers:
    """What regions say at labelled pixels.

    Attributes
    ----------
    predicted : array (n,)
        Class values; 0 where the scene has no data.
    region : int64 array (n,)
        Which region of the scene; −1 without data.
    """

    predicted: np.ndarray
    region: np.ndarray


@torch.no_grad()
def answers(reader: BlockReader, network: SupertokenNetwork, labels: Labels) -> Answers:
    """Classes and regions of labelled pixels, as they are mapped."""
    values = np.array([info.value for info in labels.classes])
    corners, of = np.unique(reader.corner(labels.rows, labels.cols), axis=0, return_inverse=True)
    predicted = np.zeros(len(labels), np.int64)
    region, first = np.full(len(labels), -1), 0
    for number, (row, col) in enumerate(corners.tolist()):
        block = reader.read(row, col)
        if not bool(block.valid.any()):
            continue
        tokens = network(block)
        here = np.flatnonzero(of.ravel() == number)
        place = (labels.rows[here] - row) * block.grid.width + labels.cols[here] - col
        token = tokens.token.numpy()[place]
        chosen = values[tokens.scores.argmax(1).numpy()]
        predicted[here] = np.where(token >= 0, chosen[token], 0)
        region[here] = np.where(token >= 0, token + first, -1)
        first += block.grid.count
    return Answers(predicted, region)


def achievable_accuracy(region: np.ndarray, values: np.ndarray) -> float:
    """Share of labelled pixels that are right if every region has its true majority class.

    The ceiling of any map that gives a region one class (achievable segmentation accuracy).
    """
    known = region >= 0
    pairs, counts = np.unique(
        np.stack([region[known], values[known].astype(np.int64)]), axis=1, return_counts=True
    )
    best: dict[int, int] = {}
    for number, count in zip(pairs[0].tolist(), counts.tolist()):
        best[number] = max(best.get(number, 0), count)
    return sum(best.values()) / max(1, len(region))
