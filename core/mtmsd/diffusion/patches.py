"""Training patches of a scene, from memory that does not grow with the scene."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mtmsd.errors import InputError
from mtmsd.reporting import Reporter
from mtmsd.scene.orientation import turned
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import Whitening, read_whitened

POOL_BYTES = 32 * 2**20
"""What the pool of whitened chips may take."""
CHIP_PATCHES = 4
"""Side of a chip in patches, where the scene does not fit into the pool."""
FIRST_CHIPS = 4
"""So many chips are cut from at the first step; each step opens one more until they fill it."""
STEPS_A_CHIP = 8
"""Then a chip takes the oldest one's place each time so many steps are done."""
CHIPS_PLANNED = 4096
"""Chips until no more are exchanged."""
CHIPS_SEARCHED = 128
"""So many chips are looked at, at most, for a first one with valid pixels."""
VALID_SHARE = 0.5
"""A patch trains if at least this share of its pixels is valid (or as many as the scene has)."""


@dataclass(frozen=True)
class Batch:
    """One step's patches (N, C, S, S), their timesteps (N,) and unit noise (N, C, S, S)."""

    x0: Tensor
    t: Tensor
    noise: Tensor


class PatchPool:
    """Chips of the whitened scene from which patches are cut at random.

    A scene whose components fit into the pool is one chip. Of a larger one as many chips as fit
    are held, at random places, and exchanged one by one as the steps go on. They are read when
    a patch is first cut from them, so that learning begins at once.
    """

    def __init__(
        self,
        scene: Scene,
        whitening: Whitening,
        patch_size: int,
        *,
        seed: int,
        reporter: Reporter,
    ) -> None:
        self.patch_size = patch_size
        self._scene, self._whitening, self._reporter = scene, whitening, reporter
        self._held, self._plan = _plan(scene, whitening, patch_size, seed)
        self._chips: dict[int, _Chip] = {}
        searched = min(len(self._plan), CHIPS_SEARCHED)
        for number in range(searched):
            reporter.progress(number, searched, "part")
            if len(self._chip(number).corners):
                self._first = number
                return
        raise InputError(
            f"{scene.path} has no {patch_size}×{patch_size} px patch with valid pixels.",
            hint="Check its nodata value, or leave out the bands that are empty.",
        )

    def batch(
        self,
        size: int,
        steps: int,
        *,
        seed: int,
        step: int,
        augment: bool,
        spans: Sequence[range] = (),
    ) -> Batch:
        """Cut the patches of one optimiser step; the same (seed, step) gives the same batch.

        Their timesteps are below ``steps``, all alike; or in one of the ``spans``, each as likely.

        Raises
        ------
        Canceled
            If the user asked to stop while chips were read.
        """
        rng = np.random.default_rng((seed, step))
        held = self._hold(step)
        chips = [self._filled(held, place) for place in rng.integers(len(held), size=size)]
        places = rng.integers([len(chip.corners) for chip in chips])
        turns = rng.integers(8, size=size) if augment else np.zeros(size, int)
        patches = (chip.patch(i, self.patch_size) for chip, i in zip(chips, places))
        x0 = np.stack([turned(patch, k) for patch, k in zip(patches, turns)])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        x0_tensor = torch.from_numpy(x0)
        span = spans[int(rng.integers(len(spans)))] if spans else range(steps)
        t = torch.randint(span.start, span.stop, (size,), generator=generator)
        return Batch(x0_tensor, t, torch.randn(x0_tensor.shape, generator=generator))

    def _hold(self, step: int) -> range:
        """Numbers of the chips that a step cuts from; older ones are let go."""
        opened = FIRST_CHIPS + step
        if opened > self._held:
            opened = self._held + (opened - self._held) // STEPS_A_CHIP
        last = min(self._first + opened, len(self._plan))
        held = range(max(self._first, last - self._held), last)
        self._chips = {
            number: chip
            for number, chip in self._chips.items()
            if number in held or number == self._first or not len(chip.corners)
        }
        return held

    def _filled(self, held: range, place: int) -> _Chip:
        """Return the chip at that place, or the next one that holds a patch."""
        for number in (*held[place:], *held[:place]):
            if len(self._chip(number).corners):
                return self._chip(number)
        return self._chip(self._first)

    def _chip(self, number: int) -> _Chip:
        if number not in self._chips:
            self._reporter.check_canceled()
            pixels, valid = read_whitened(self._scene, self._whitening, *self._plan[number])
            corners = _corners(valid, self.patch_size)
            self._chips[number] = _Chip(pixels if len(corners) else pixels[:, :0], corners)
        return self._chips[number]


@dataclass(frozen=True)
class _Chip:
    """Whitened pixels (C, h, w) and the upper left corners (n, 2) of their patches."""

    pixels: np.ndarray
    corners: np.ndarray

    def patch(self, index: int, side: int) -> np.ndarray:
        row, col = self.corners[index]
        return self.pixels[:, row : row + side, col : col + side]


def _plan(
    scene: Scene, whitening: Whitening, side: int, seed: int
) -> tuple[int, list[tuple[int, int, int, int]]]:
    """How many chips are held, and the windows of all.

    They reach past the scene by half a patch, as mapping tiles do.
    """
    pad = side // 2
    height, width = scene.height + 2 * pad, scene.width + 2 * pad
    bytes_per_pixel = 4 * whitening.components
    if height * width * bytes_per_pixel <= POOL_BYTES:
        return 1, [(-pad, -pad, height, width)]
    chip = CHIP_PATCHES * side
    held = max(1, POOL_BYTES // (chip * chip * bytes_per_pixel))
    rng = np.random.default_rng((seed, 1))
    rows = rng.integers(-pad, max(1 - pad, scene.height - chip + pad + 1), size=CHIPS_PLANNED)
    cols = rng.integers(-pad, max(1 - pad, scene.width - chip + pad + 1), size=CHIPS_PLANNED)
    return held, [(int(r), int(c), chip, chip) for r, c in zip(rows, cols)]


def _corners(valid: np.ndarray, side: int) -> np.ndarray:
    """Upper left corners (n, 2) of the patches with enough valid pixels."""
    sums = np.pad(valid.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    enough = min(math.ceil(VALID_SHARE * side * side), int(inside.max()))
    return np.argwhere(inside >= max(enough, 1)).astype(np.int32)
