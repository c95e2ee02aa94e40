"""Single pixels of a scene, read block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene


def read_spectra(
    scene: Scene, rows: np.ndarray, cols: np.ndarray, reporter: Reporter
) -> np.ndarray:
    """Read the spectra of single pixels, float32 (n, bands used).

    Parameters
    ----------
    scene : Scene
    rows, cols : int32 arrays (n,)

    Notes
    -----
    Holds the result and one block of at most 128×128 pixels.
    """
    spectra = np.zeros((len(rows), len(scene.used)), np.float32)
    for members in by_block(rows, cols, 128):
        reporter.check_canceled()
        r, c = rows[members], cols[members]
        top, left = int(r.min()), int(c.min())
        values, _ = scene.read(top, left, int(r.max()) - top + 1, int(c.max()) - left + 1)
        spectra[members] = values[:, r - top, c - left].T
    return spectra


def by_block(rows: np.ndarray, cols: np.ndarray, side: int) -> Iterator[np.ndarray]:
    """Yield the positions (int64) of the pixels of each square block of ``side`` pixels."""
    block = (np.asarray(rows, np.int64) // side << 32) | (np.asarray(cols, np.int64) // side)
    order = np.argsort(block, kind="stable")
    if len(order):
        yield from np.split(order, np.flatnonzero(np.diff(block[order])) + 1)
