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

    A scene whose components fit into the pool is one chip, and so is each of several. Of more, as
    many chips as fit are held, at random places, and exchanged one by one as the steps go on. At
    first a few are read, so that learning begins at once.
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
        held = self._held_patches(step)
        drawn = rng.integers(len(held), size=size)
        turns = rng.integers(8, size=size) if augment else np.zeros(size, int)
        patches = (held.patch(number, self.patch_size) for number in drawn)
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

    def _held_patches(self, step: int) -> _Patches:
        """Return the patches of a step's chips, or of the first chip if those hold none."""
        chips = [chip for chip in map(self._chip, self._hold(step)) if len(chip.corners)]
        return _Patches([c for c in chips if c.valid] or chips or [self._chip(self._first)])

    def _chip(self, number: int) -> _Chip:
        if number not in self._chips:
            self._reporter.check_canceled()
            pixels, valid = read_whitened(self._scene, self._whitening, *self._plan[number])
            corners, enough = _corners(valid, self.patch_size)
            self._chips[number] = _Chip(pixels if len(corners) else pixels[:, :0], corners, enough)
        return self._chips[number]


@dataclass(frozen=True)
class _Chip:
    """Whitened pixels (C, h, w) and the upper left corners (n, 2) of their patches.

    ``valid`` says whether those have the share of valid pixels that is asked for.
    """

    pixels: np.ndarray
    corners: np.ndarray
    valid: bool

    def patch(self, index: int, side: int) -> np.ndarray:
        row, col = self.corners[index]
        return self.pixels[:, row : row + side, col : col + side]


class _Patches:
    """All patches of some chips, each as likely wherever it lies."""

    def __init__(self, chips: Sequence[_Chip]) -> None:
        self._chips = chips
        self._ends = np.cumsum([len(chip.corners) for chip in chips])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def patch(self, number: int, side: int) -> np.ndarray:
        place = int(np.searchsorted(self._ends, number, side="right"))
        return self._chips[place].patch(number - self._ends[place], side)


def _plan(
    scene: Scene, whitening: Whitening, side: int, seed: int
) -> tuple[int, list[tuple[int, int, int, int]]]:
    """How many chips are held, and the windows of all: of several scenes as many as their area.

    They reach past the scene by half a patch, as mapping tiles do.
    """
    pad = side // 2
    areas = [
        (row - pad, col - pad, height + 2 * pad, width + 2 * pad)
        for row, col, height, width in scene.areas
    ]
    pixels = np.array([height * width for _, _, height, width in areas])
    bytes_per_pixel = 4 * whitening.components
    if pixels.sum() * bytes_per_pixel <= POOL_BYTES:
        return len(areas), areas
    chip = CHIP_PATCHES * side
    held = max(1, POOL_BYTES // (chip * chip * bytes_per_pixel))
    rng = np.random.default_rng((seed, 1))
    chosen = rng.choice(len(areas), CHIPS_PLANNED, p=pixels / pixels.sum())
    top, left, height, width = np.array(areas)[chosen].T
    rows = top + rng.integers(np.maximum(1, height - chip + 1))
    cols = left + rng.integers(np.maximum(1, width - chip + 1))
    return held, [(int(r), int(c), chip, chip) for r, c in zip(rows, cols)]


def _corners(valid: np.ndarray, side: int) -> tuple[np.ndarray, bool]:
    """Upper left corners (n, 2) of patches with enough valid pixels, else with most; and which."""
    sums = np.pad(valid.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    wanted = math.ceil(VALID_SHARE * side * side)
    enough = min(wanted, int(inside.max()))
    return np.argwhere(inside >= max(enough, 1)).astype(np.int32), enough == wanted
