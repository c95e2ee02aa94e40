"""Mapping a scene: tiles to class probabilities, blended, block by block."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from mtmsd.compute.memory import is_out_of_memory, return_freed_memory
from mtmsd.compute.runtime import Runtime
from mtmsd.errors import InputError, MachineError
from mtmsd.features.tiles import TileGrid
from mtmsd.mapping.block_store import FinishedBlocks
from mtmsd.mapping.decision import Block, Tick, Window, blank, decide, no_tick
from mtmsd.reporting import Reporter
from mtmsd.scene import output
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import read_whitened
from mtmsd.spectral.classifier import SpectralClassifier, SpectralMapper

if TYPE_CHECKING:
    from torch import device as TorchDevice

    from mtmsd.classify.classifier import Classifier
    from mtmsd.onnx.classifier import ExportedClassifier

BLOCK = 384
"""Side of a block in pixels, the unit of reading, writing and memory."""
TILES_AT_ONCE = {"cpu": 8, "cuda": 64, "mps": 16}
"""At least; on a processor of more cores, or of an odd number, as many as divide evenly."""
PATCHES_AT_ONCE = 32

TiledClassifier = Union["Classifier", "ExportedClassifier"]
AnyClassifier = Union[TiledClassifier, SpectralClassifier]
Device = Union["TorchDevice", str]


class Mapper:
    """Maps windows with one classifier on one device: a pure function window -> block.

    ``compare`` asks for the disagreement of the ensemble, which costs an entropy a member.
    """

    def __init__(
        self, scene: Scene, classifier: TiledClassifier, device: Device, *, compare: bool = False
    ) -> None:
        self.scene = scene
        self._compare = compare
        self.classifier = classifier
        self._runtime: Runtime = classifier.on(device)  # type: ignore[arg-type]
        self.side = classifier.model.patch_size
        self._grid = TileGrid(self.side, classifier.settings.stride)
        self._weights = self._runtime.array(self._grid.centre_weights())
        self._device = device
        self._at_once = self._affordable()

    def block(self, window: Window, tick: Tick = no_tick) -> Block:
        """Map one window; ``tick`` hears after each batch what share of it is done."""
        row, col, height, width = window
        pad = self.side
        data, valid = read_whitened(
            self.scene,
            self.classifier.model.whitening,
            row - pad,
            col - pad,
            height + 2 * pad,
            width + 2 * pad,
        )
        inside = valid[pad : pad + height, pad : pad + width]
        if not inside.any():
            return blank(len(self.classifier.classes), height, width)
        if self.classifier.settings.features == "dense":
            summed = self._dense(data, inside, window, tick)
        else:
            summed = self._patchwise(data, inside, tick)
        return self._vote(self._runtime.numpy(summed), inside)

    def _dense(self, data: np.ndarray, inside: np.ndarray, window: Window, tick: Tick) -> Any:
        """Sum of weighted probabilities (V, K, h, w) over all tiles that show the window."""
        row, col, height, width = window
        pad, margin, core = self.side, self._grid.margin, self._grid.core
        covered = np.pad(inside, pad)
        corners = [
            (r - row + pad, c - col + pad)
            for r, c in self._grid.corners(*window)
            if covered[r - row + pad + margin :, c - col + pad + margin :][:core, :core].any()
        ]
        scene = self._runtime.array(data)
        total = self._accumulator(height + 2 * pad, width + 2 * pad)

        def add(chosen: list[tuple[int, int]]) -> None:
            found = self._votes(scene, chosen).swapaxes(0, 1).swapaxes(2, 3)
            weighted = found.reshape(*found.shape[:3], core, core) * self._weights
            for (r, c), tile in zip(chosen, weighted, strict=True):
                top, left = r + margin, c + margin
                total[:, :, top : top + core, left : left + core] += tile

        self._in_batches(corners, add, tick)
        return total[:, :, pad : pad + height, pad : pad + width]

    def _patchwise(self, data: np.ndarray, inside: np.ndarray, tick: Tick) -> Any:
        """Probabilities (V, K, h, w) from one patch around every valid pixel."""
        height, width = inside.shape
        pixels = [(int(r), int(c)) for r, c in np.argwhere(inside)]
        total = self._accumulator(height, width)
        scene = self._runtime.array(data)
        corner = self.side - self.side // 2  # from a pixel to its patch, in padded data

        def put(chosen: list[tuple[int, int]]) -> None:
            found = self._votes(scene, [(r + corner, c + corner) for r, c in chosen])[:, :, 0]
            rows, cols = map(list, zip(*chosen, strict=True))
            total[:, :, rows, cols] = found.swapaxes(1, 2)

        self._in_batches(pixels, put, tick)
        return total

    def _votes(self, scene: Any, corners: list[tuple[int, int]]) -> Any:
        """What the voters say of the tiles at these corners."""
        side = self.side
        tiles = [scene[:, r : r + side, c : c + side] for r, c in corners]
        return self._runtime.votes(tiles, compare=self._compare)

    def _vote(self, summed: np.ndarray, inside: np.ndarray) -> Block:
        """Agree on a class: the mean of the members, or the mode, ties to the smaller label."""
        summed, differ = (summed[:, :-1], summed[0, -1]) if self._compare else (summed, None)
        weight = np.maximum(summed.sum(1, keepdims=True), 1e-12)
        shares = summed / weight
        best = None
        if self.classifier.settings.vote == "mode":
            ballots = shares.argmax(1)
            counts = [(ballots == k).sum(0) for k in range(shares.shape[1])]
            best = np.argmax(counts, 0)
        return decide(
            shares.mean(0),
            inside,
            self.classifier.classes,
            temperature=self.classifier.temperature,
            best=best,
            disagreement=None if differ is None else differ / weight[0, 0],
        )

    def _accumulator(self, height: int, width: int) -> Any:
        settings = self.classifier.settings
        voters = settings.members if settings.vote == "mode" else 1
        layers = len(self.classifier.classes) + self._compare
        return self._runtime.zeros(voters, layers, height, width)

    def _affordable(self) -> int:
        """Tiles at once: the usual number, fewer where memory is short."""
        settings, width = self.classifier.settings, self.classifier.model.width
        if settings.features == "patchwise":
            usual, per_tile = PATCHES_AT_ONCE, 0
        else:
            threads = self._runtime.threads
            usual = math.ceil(TILES_AT_ONCE[self._runtime.kind] / threads) * threads
            per_tile = 12 * self._grid.core**2 * len(settings.timesteps) * settings.channels
        per_tile += 64 * self.side**2 * width
        return max(1, min(usual, self._runtime.free_memory() // (2 * per_tile)))

    def _in_batches(
        self,
        places: list[tuple[int, int]],
        work: Callable[[list[tuple[int, int]]], None],
        tick: Tick,
    ) -> None:
        """Work through all places; batches halve for good when memory runs out."""
        done = 0
        while done < len(places):
            batch = places[done : done + self._at_once]
            try:
                work(batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self._at_once == 1:
                    raise MachineError(
                        f"Not even one tile fits into the memory of the device {self._device}.",
                        hint="Close other programs, or lower width, channels or timesteps.",
                        code="no-memory",
                    ) from error
                self._at_once //= 2
                self._runtime.release()
            else:
                done += len(batch)
                tick(done / len(places))


def classify(
    scene: Scene,
    classifier: AnyClassifier,
    path: Path,
    *,
    confidence: Path | None = None,
    probabilities: Path | None = None,
    entropy: Path | None = None,
    disagreement: Path | None = None,
    extent: tuple[float, float, float, float] | None = None,
    device: Device,
    finished: FinishedBlocks | None = None,
    reporter: Reporter,
) -> dict[str, Any]:
    """Map a scene, or the part of it inside ``extent``, to files.

    Parameters
    ----------
    path, confidence, probabilities, entropy, disagreement : Path
        The class map, and the other outputs where wanted.
    extent : xmin, ymin, xmax, ymax
        In the scene's coordinates; the map covers all pixels that it touches.
    finished : FinishedBlocks, optional
        Blocks that need not be mapped again; each new one is added at once.

    Returns
    -------
    dict
        ``pixels``: pixels of each class by name; ``seconds``; ``size`` (width, height).

    Raises
    ------
    InputError
        If the scene's bands are not those of the classifier, the extent lies outside, or there
        is no ensemble whose members could disagree.
    """
    start = time.monotonic()
    check_bands(scene, classifier)
    window = pixel_window(scene, extent) if extent else (0, 0, scene.height, scene.width)
    reporter.phase("classify", "Mapping the scene")
    mapper = _mapper(scene, classifier, device, compare=disagreement is not None)
    classes = classifier.classes
    doubts = {"confidence": confidence, "entropy": entropy, "disagreement": disagreement}
    counts = np.zeros(max(c.value for c in classes) + 1, np.int64)
    with ExitStack() as files:
        writers = {
            "values": files.enter_context(
                output.class_map(path, scene, classes, describe(classifier), window)
            )
        }
        for name, file in doubts.items():
            if file:
                writers[name] = files.enter_context(output.doubt(file, scene, window, name))
        if probabilities:
            writers["probabilities"] = files.enter_context(
                output.probabilities(probabilities, scene, classes, window)
            )
        for (row, col, _, _), layers in _mapped(mapper, window, [*writers], finished, reporter):
            for name, writer in writers.items():
                writer.write(layers[name], row - window[0], col - window[1])
            counts += np.bincount(layers["values"].ravel(), minlength=len(counts))
    return {
        "pixels": {c.name: int(counts[c.value]) for c in classes},
        "size": [window[3], window[2]],
        "seconds": time.monotonic() - start,
    }


def _mapper(
    scene: Scene, classifier: AnyClassifier, device: Device, *, compare: bool
) -> Mapper | SpectralMapper:
    members = 1 if isinstance(classifier, SpectralClassifier) else classifier.settings.members
    if compare and members < 2:
        raise InputError(
            "The classifier is no ensemble, so there is no disagreement to map.",
            hint="Ask for the entropy, or train with two or more members.",
        )
    if isinstance(classifier, SpectralClassifier):
        return SpectralMapper(scene, classifier)
    return Mapper(scene, classifier, device, compare=compare)


def _mapped(
    mapper: Mapper | SpectralMapper,
    window: Window,
    names: Sequence[str],
    finished: FinishedBlocks | None,
    reporter: Reporter,
) -> Iterator[tuple[Window, dict[str, np.ndarray]]]:
    """Yield the blocks of a window with the named layers, mapped now or by an earlier run."""
    done, total = 0, window[2] * window[3]
    for place in blocks(window):
        row, col, height, width = place
        size = height * width

        def tick(share: float, done: int = done, size: int = size) -> None:
            reporter.progress(done + share * size, total, "pixel")

        layers = finished.read(row, col, names) if finished else None
        if layers is None:
            tick(0)
            block = mapper.block(place, tick)
            layers = {name: getattr(block, name) for name in names}
            if finished:
                finished.write(row, col, layers)
        yield place, layers
        done += size
        return_freed_memory()
        reporter.check_canceled()
    reporter.progress(done, total, "pixel")


def blocks(window: Window) -> Iterator[Window]:
    """Cover a window with blocks, row by row."""
    row, col, height, width = window
    for top in range(row, row + height, BLOCK):
        for left in range(col, col + width, BLOCK):
            yield top, left, min(BLOCK, row + height - top), min(BLOCK, col + width - left)


def pixel_window(scene: Scene, extent: tuple[float, float, float, float]) -> Window:
    """Window of all pixels that an extent (xmin, ymin, xmax, ymax) touches.

    Raises
    ------
    InputError
        If it lies outside the scene.
    """
    xmin, ymin, xmax, ymax = extent
    inverse = ~scene.transform
    corners = [inverse * (x, y) for x in (xmin, xmax) for y in (ymin, ymax)]
    cols, rows = zip(*corners, strict=True)
    # a border that lies on a pixel's edge touches neither neighbour, rounding aside
    left, right = math.floor(min(cols) + 1e-6), math.ceil(max(cols) - 1e-6)
    top, bottom = math.floor(min(rows) + 1e-6), math.ceil(max(rows) - 1e-6)
    left, right = max(left, 0), min(right, scene.width)
    top, bottom = max(top, 0), min(bottom, scene.height)
    if left >= right or top >= bottom:
        raise InputError(
            f"The extent {xmin:g}, {ymin:g}, {xmax:g}, {ymax:g} lies outside {scene.name}.",
            hint="Give xmin,ymin,xmax,ymax in the scene's coordinates.",
        )
    return top, left, bottom - top, right - left


def check_bands(scene: Scene, classifier: AnyClassifier) -> None:
    """Refuse a scene whose bands are not those that the classifier was trained on.

    Raises
    ------
    InputError
    """
    expected = len(classifier.model.mean_spectrum)
    if len(scene.used) != expected:
        raise InputError(
            f"{scene.name} has {len(scene.used)} usable bands; the classifier expects {expected}.",
            hint="Choose the scene it was trained on, or one of the same sensor and bands.",
        )


def describe(classifier: AnyClassifier) -> dict[str, Any]:
    """What a class map says of how it was made."""
    return {
        "model": classifier.model.metadata,
        "settings": dataclasses.asdict(classifier.settings),
        **classifier.metadata,
    }
