"""What the streams see of a pixel: its spectrum, and whitened components around it.

Features are computed chunk by chunk on a grid that is anchored at the scene's first pixel, so
that a pixel has the same features, to the last bit, in training, in a preview and in the map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import convolve1d

from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import Whitening

CHUNK = 128
"""Side of a chunk in pixels."""
COMPONENTS = 32
"""Whitened components, at most."""
SCALES = (0.0, 1.0, 2.0, 4.0)
"""Standard deviations, in pixels, of the Gaussian means; 0 is the pixel itself."""
REACH = 3.0
"""Standard deviations after which a Gaussian ends."""
HALO = int(np.ceil(REACH * max(SCALES)))


@dataclass(frozen=True)
class PixelFeatures:
    """Features of n pixels, from which each stream takes its own.

    Attributes
    ----------
    spectra : float32 array (n, B)
    context : float32 array (n, len(SCALES), C)
        Whitened components, and their means over valid pixels around.
    """

    spectra: np.ndarray
    context: np.ndarray

    def __len__(self) -> int:
        return len(self.spectra)

    def subset(self, index: np.ndarray) -> PixelFeatures:
        """Return the pixels that a mask or an index array chooses."""
        return PixelFeatures(self.spectra[index], self.context[index])

    def joined(self, other: PixelFeatures) -> PixelFeatures:
        """Return these pixels and others behind them."""
        return PixelFeatures(
            np.concatenate([self.spectra, other.spectra]),
            np.concatenate([self.context, other.context]),
        )


def features_alone(spectra: np.ndarray, whitening: Whitening) -> PixelFeatures:
    """Features of spectra (n, B) without a place: the same spectrum is all around each."""
    valid = np.ones((1, len(spectra)), bool)
    own = whitening.apply(spectra.T[:, None], valid)[:, 0].T
    context = np.repeat(own[:, None], len(SCALES), axis=1).astype(np.float32)
    return PixelFeatures(spectra.astype(np.float32), context)


@dataclass(frozen=True)
class FeatureReader:
    """Reads features of a scene.

    Attributes
    ----------
    scene : Scene
    whitening : Whitening
    """

    scene: Scene
    whitening: Whitening

    def chunk(self, row: int, col: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read the chunk whose upper left pixel is at ``row``, ``col`` of the grid.

        Returns
        -------
        spectra : float32, shape (B, CHUNK, CHUNK)
        context : float32, shape (len(SCALES), C, CHUNK, CHUNK)
        valid : bool, shape (CHUNK, CHUNK)

        Notes
        -----
        Holds all bands of the chunk and its halo.
        """
        side = CHUNK + 2 * HALO
        values, valid = self.scene.read(row - HALO, col - HALO, side, side)
        own = self.whitening.apply(values, valid)
        inner = slice(HALO, HALO + CHUNK)
        context = np.empty((len(SCALES), len(own), CHUNK, CHUNK), np.float32)
        for i, sigma in enumerate(SCALES):
            context[i] = gaussian_means(own, valid, sigma)[:, inner, inner]
        return values[:, inner, inner], context, valid[inner, inner]

    def at(self, rows: np.ndarray, cols: np.ndarray, reporter: Reporter) -> PixelFeatures:
        """Read the features of single pixels; those of a chunk are read together."""
        n = len(rows)
        spectra = np.zeros((n, len(self.scene.used)), np.float32)
        context = np.zeros((n, len(SCALES), self.whitening.components), np.float32)
        corner = np.stack([rows // CHUNK, cols // CHUNK], 1) * CHUNK
        for row, col in np.unique(corner, axis=0).tolist():
            reporter.check_canceled()
            here = np.flatnonzero((corner == (row, col)).all(1))
            values, around, _ = self.chunk(row, col)
            r, c = rows[here] - row, cols[here] - col
            spectra[here] = values[:, r, c].T
            context[here] = around[:, :, r, c].transpose(2, 0, 1)
        return PixelFeatures(spectra, context)


def gaussian_means(values: np.ndarray, valid: np.ndarray, sigma: float) -> np.ndarray:
    """Average over valid pixels around, weighted by a Gaussian: (C, h, w) -> (C, h, w).

    ``values`` are 0 where they are not valid. Nothing within ``REACH`` deviations of the
    border is right, for what is beyond is not known.
    """
    if not sigma:
        return values
    reach = int(np.ceil(REACH * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    kernel /= kernel.sum()

    def blurred(layers: np.ndarray) -> np.ndarray:
        for axis in (-2, -1):
            layers = convolve1d(layers, kernel, axis=axis, mode="constant")
        return layers

    share = blurred(valid.astype(np.float32))
    return blurred(values) / np.maximum(share, 1e-6)
