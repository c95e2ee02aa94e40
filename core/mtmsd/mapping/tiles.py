"""Mapping with a network: overlapping tiles to class probabilities, blended."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from mtmsd.classify.vote import elect
from mtmsd.compute.memory import is_out_of_memory
from mtmsd.errors import Canceled, MachineError
from mtmsd.features.tiles import TileGrid
from mtmsd.mapping.block_store import BegunBlock
from mtmsd.mapping.decision import Block, Tick, Window, blank, decide, no_tick
from mtmsd.mapping.runtimes import Device, runtime_on
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import read_whitened

if TYPE_CHECKING:
    from mtmsd.classify.classifier import Classifier
    from mtmsd.onnx.classifier import ExportedClassifier

TILES_AT_ONCE = {"cpu": 8, "cuda": 64, "mps": 16}
"""At least; on a processor of more cores, or of an odd number, as many as divide evenly."""
PATCHES_AT_ONCE = 32
KEEP_EVERY_S = 60.0
"""Longest time of a block's work that a broken run loses."""

TiledClassifier = Union["Classifier", "ExportedClassifier"]


class TileMapper:
    """Maps windows with one classifier on one device: a pure function window -> block.

    ``compare`` asks for the disagreement of the ensemble, which costs an entropy a member.
    """

    def __init__(
        self, scene: Scene, classifier: TiledClassifier, device: Device, *, compare: bool = False
    ) -> None:
        self.scene = scene
        self._compare = compare
        self.classifier = classifier
        self._runtime = runtime_on(classifier, device)
        self.side = classifier.model.patch_size
        self._grid = TileGrid(self.side, classifier.settings.stride)
        self._weights = self._runtime.array(self._grid.centre_weights())
        self._device = device
        self._at_once = self._affordable()

    def block(self, window: Window, tick: Tick = no_tick, begun: BegunBlock | None = None) -> Block:
        """Map one window; ``tick`` hears after each batch what share of it is done.

        Where a block takes minutes, ``begun`` keeps the sums meanwhile, and a later run goes on
        from them, in the same batches.
        """
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
            summed = self._dense(data, inside, window, tick, begun)
        else:
            summed = self._patchwise(data, inside, tick, begun)
        return self._vote(self._runtime.numpy(summed), inside)

    def _dense(
        self,
        data: np.ndarray,
        inside: np.ndarray,
        window: Window,
        tick: Tick,
        begun: BegunBlock | None,
    ) -> Any:
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

        self._in_batches(corners, add, total, tick, begun)
        return total[:, :, pad : pad + height, pad : pad + width]

    def _patchwise(
        self, data: np.ndarray, inside: np.ndarray, tick: Tick, begun: BegunBlock | None
    ) -> Any:
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

        self._in_batches(pixels, put, total, tick, begun)
        return total

    def _votes(self, scene: Any, corners: list[tuple[int, int]]) -> Any:
        """What the voters say of the tiles at these corners."""
        side = self.side
        tiles = [scene[:, r : r + side, c : c + side] for r, c in corners]
        return self._runtime.votes(tiles, compare=self._compare)

    def _vote(self, summed: np.ndarray, inside: np.ndarray) -> Block:
        """Agree on a class."""
        summed, differ = (summed[:, :-1], summed[0, -1]) if self._compare else (summed, None)
        weight = np.maximum(summed.sum(1, keepdims=True), 1e-12)
        shares = summed / weight
        probabilities, best = elect(shares, self.classifier.settings.vote)
        return decide(
            probabilities,
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
        total: Any,
        tick: Tick,
        begun: BegunBlock | None,
    ) -> None:
        """Work through all places; batches halve for good when memory runs out."""
        done, kept_at = self._go_on(begun, total, len(places)), time.monotonic()

        def keep() -> None:
            if begun is not None and done:
                begun.write(self._runtime.numpy(total), done, self._at_once, len(places))

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
                if time.monotonic() - kept_at > KEEP_EVERY_S:
                    keep()
                    kept_at = time.monotonic()
                try:
                    tick(done / len(places))
                except Canceled:
                    keep()
                    raise

    def _go_on(self, begun: BegunBlock | None, total: Any, places: int) -> int:
        """Take up the sums of a broken run, and its batches; return how many places it did."""
        found = begun.read(total.shape, places) if begun else None
        if found is None:
            return 0
        sums, done, at_once = found
        total[...] = self._runtime.array(sums)
        self._at_once = min(self._at_once, at_once)
        return done
