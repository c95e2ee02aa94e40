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
        self._chips: list[np.ndarray] = []
        self._corners: list[np.ndarray] = []
        plan = _plan(scene, whitening, patch_size, seed)
        for number, (row, col, height, width) in enumerate(plan):
            reporter.progress(number, len(plan), "part")
            chip, valid = read_whitened(scene, whitening, row, col, height, width)
            corners = _corners(valid, patch_size)
            if len(corners):
                self._chips.append(chip)
                self._corners.append(corners)
        if not self._chips:
            raise InputError(
                f"{scene.path} has no {patch_size}×{patch_size} px patch with valid pixels.",
                hint="Check its nodata value, or leave out the bands that are empty.",
            )
        self._starts = np.cumsum([0, *(len(c) for c in self._corners)])

    @property
    def positions(self) -> int:
        """Number of different patches in the pool."""
        return int(self._starts[-1])

    def batch(self, size: int, steps: int, *, seed: int, step: int, augment: bool) -> Batch:
        """Cut the patches of one optimiser step; the same (seed, step) gives the same batch."""
        rng = np.random.default_rng((seed, step))
        picks = rng.integers(self.positions, size=size)
        turns = rng.integers(8, size=size) if augment else np.zeros(size, int)
        x0 = np.stack([turned(self._patch(i), k) for i, k in zip(picks, turns)])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        x0_tensor = torch.from_numpy(x0)
        t = torch.randint(0, steps, (size,), generator=generator)
        return Batch(x0_tensor, t, torch.randn(x0_tensor.shape, generator=generator))

    def _patch(self, position: int) -> np.ndarray:
        chip = int(np.searchsorted(self._starts, position, side="right")) - 1
        row, col = self._corners[chip][position - self._starts[chip]]
        side = self.patch_size
        return self._chips[chip][:, row : row + side, col : col + side]


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
