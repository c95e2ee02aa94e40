"""Which tiles are read for the training samples, and which of their pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmsd.errors import InputError
from mtmsd.features.tiles import TileGrid
from mtmsd.labels.labels import Labels
from mtmsd.labels.thinning import stratified_subsample
from mtmsd.scene.orientation import turned_positions


@dataclass(frozen=True)
class SamplePlan:
    """Which tiles to read, in which orientation, and which of their pixels."""

    tiles: list[tuple[int, int, int]]
    """Row, column and turn."""
    pixel: np.ndarray
    tile: np.ndarray
    position: np.ndarray
    weight: np.ndarray

    def thinned(self, most: int, values: np.ndarray, seed: int = 0) -> SamplePlan:
        """Keep a random part of each class's samples if there are more than ``most``.

        ``values`` has the class of each labelled pixel.
        """
        if len(self.pixel) <= most:
            return self
        kept = stratified_subsample(values[self.pixel], most, seed)
        tiles, tile = np.unique(self.tile[kept], return_inverse=True)
        return SamplePlan(
            [self.tiles[i] for i in tiles],
            self.pixel[kept],
            tile,
            self.position[kept],
            self.weight[kept],
        )


def dense_plan(labels: Labels, grid: TileGrid, turns: int) -> SamplePlan:
    """Every labelled pixel in every tile of the grid whose core shows it, tile by tile."""
    if not 1 <= turns <= 8:
        raise InputError(f"turns {turns} is not within 1 to 8.")
    places: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for pixel, (row, col) in enumerate(zip(labels.rows.tolist(), labels.cols.tolist())):
        for corner in grid.corners(row, col, 1, 1):
            position = (row - corner[0]) * grid.side + col - corner[1]
            places.setdefault(corner, []).append((pixel, position))
    tiles = [(*corner, turn) for corner in sorted(places) for turn in range(turns)]
    shown = [np.array(places[row, col]).T for row, col, _ in tiles]
    after = [turned_positions(grid.side, turn) for turn in range(turns)]
    position = [after[turn][at] for (_, _, turn), (_, at) in zip(tiles, shown, strict=True)]
    weights = np.pad(grid.centre_weights(), grid.margin).ravel()
    weight = [weights[at] for _, at in shown]
    return SamplePlan(
        tiles,
        np.concatenate([pixel for pixel, _ in shown]),
        np.repeat(np.arange(len(tiles)), [pixels.shape[1] for pixels in shown]),
        np.concatenate(position),
        np.concatenate(weight),
    )


def patch_plan(labels: Labels, side: int) -> SamplePlan:
    """One patch per labelled pixel, which lies at (side/2, side/2)."""
    n, half = len(labels), side // 2
    corners = zip((labels.rows - half).tolist(), (labels.cols - half).tolist(), strict=True)
    tiles = [(row, col, 0) for row, col in corners]
    every = np.arange(n)
    position = np.full(n, half * side + half)
    return SamplePlan(tiles, every, every, position, np.ones(n, np.float32))
