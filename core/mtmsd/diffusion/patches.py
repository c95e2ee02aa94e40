"""Training patches of a scene, from memory that does not grow with the scene."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mtmsd.errors import InputError
from mtmsd.reporting import Reporter
from mtmsd.scene.orientation import turned
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import Whitening, read_whitened

POOL_BYTES = 256 * 2**20
"""What the pool of whitened chips may take."""
CHIP_PATCHES = 4
"""Side of a chip in patches, where the scene does not fit into the pool."""
FIRST_CHIPS = 4
"""So many chips are cut from at the first step; each step opens one more."""
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

    A scene whose components fit into 256 MiB is one chip; of a larger one as many chips as
    fit are read at random places, more different patches than pretraining ever looks at.
    They are read when a patch is first cut from them, so that learning begins at once.
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
        self._plan = _plan(scene, whitening, patch_size, seed)
        self._chips: dict[int, _Chip] = {}
        for number in range(len(self._plan)):
            reporter.progress(number, len(self._plan), "part")
            if len(self._chip(number).corners):
                self._first = number
                return
        raise InputError(
            f"{scene.path} has no {patch_size}×{patch_size} px patch with valid pixels.",
            hint="Check its nodata value, or leave out the bands that are empty.",
        )

    def batch(self, size: int, steps: int, *, seed: int, step: int, augment: bool) -> Batch:
        """Cut the patches of one optimiser step; the same (seed, step) gives the same batch.

        Raises
        ------
        Canceled
            If the user asked to stop while chips were read.
        """
        rng = np.random.default_rng((seed, step))
        opened = min(len(self._plan), self._first + FIRST_CHIPS + step)
        chips = [self._filled(int(number)) for number in rng.integers(opened, size=size)]
        places = rng.integers([len(chip.corners) for chip in chips])
        turns = rng.integers(8, size=size) if augment else np.zeros(size, int)
        patches = (chip.patch(i, self.patch_size) for chip, i in zip(chips, places))
        x0 = np.stack([turned(patch, k) for patch, k in zip(patches, turns)])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        x0_tensor = torch.from_numpy(x0)
        t = torch.randint(0, steps, (size,), generator=generator)
        return Batch(x0_tensor, t, torch.randn(x0_tensor.shape, generator=generator))

    def _filled(self, number: int) -> _Chip:
        """Return the chip, or the next one that holds a patch; the first one always does."""
        while not len(self._chip(number).corners):
            number = (number + 1) % len(self._plan)
        return self._chip(number)

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
) -> list[tuple[int, int, int, int]]:
    """Windows of the chips; they reach past the scene by half a patch, as mapping tiles do."""
    pad = side // 2
    height, width = scene.height + 2 * pad, scene.width + 2 * pad
    bytes_per_pixel = 4 * whitening.components
    if height * width * bytes_per_pixel <= POOL_BYTES:
        return [(-pad, -pad, height, width)]
    chip = CHIP_PATCHES * side
    count = POOL_BYTES // (chip * chip * bytes_per_pixel)
    rng = np.random.default_rng((seed, 1))
    rows = rng.integers(-pad, max(1 - pad, scene.height - chip + pad + 1), size=count)
    cols = rng.integers(-pad, max(1 - pad, scene.width - chip + pad + 1), size=count)
    return [(int(r), int(c), chip, chip) for r, c in zip(rows, cols)]


def _corners(valid: np.ndarray, side: int) -> np.ndarray:
    """Upper left corners (n, 2) of the patches with enough valid pixels."""
    sums = np.pad(valid.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    enough = min(math.ceil(VALID_SHARE * side * side), int(inside.max()))
    return np.argwhere(inside >= max(enough, 1)).astype(np.int32)
