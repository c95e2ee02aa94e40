"""Whitening by PCA or MNF: a scene's bands to a few components of mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mtmsd.errors import InputError
from mtmsd.scene.noise import Noise, NoiseSums, by_noise

if TYPE_CHECKING:
    from mtmsd.scene.raster import Scene

SAMPLE_SIDE = 64
SAMPLE_PIXELS = 2**18
MOST_CHUNKS = 1024
"""So many chunks are looked at, at most, in search of so many valid pixels."""
SMALLEST_VARIANCE = 1e-9
"""Components below this share of the first one's variance are rounding noise."""
SPECTRAL_POWER = 0.25
"""How much the share of variance counts in the spectral stream: 0 whitened, 0.5 not at all."""
ARRAYS = ("mean", "weights", "variances")
METHODS = ("pca", "mnf")
CLIP = 10.0
"""Whitened values beyond so many standard deviations are cut: one hot pixel must not rule."""


@dataclass(frozen=True)
class Whitening:
    """An affine map from B bands to C whitened components.

    Attributes
    ----------
    mean : float32 array (B,)
    weights : float32 array (C, B)
    variances : float32 array (C,)
        Share of the total variance that each component holds; by MNF, where noise counts as much
        in all of them.
    noise : Noise or None
        What MNF found when it was fitted; not kept in files, which tell it in their metadata.
    """

    mean: np.ndarray
    weights: np.ndarray
    variances: np.ndarray
    noise: Noise | None = None

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> Whitening:
        """Take the whitening out of a model file's arrays; raises ValueError if it is none."""
        mean, weights, variances = (arrays[f"whitening.{name}"] for name in ARRAYS)
        shapes = (mean.shape, weights.shape, variances.shape)
        bands, components = mean.shape[0], weights.shape[0]
        if shapes != ((bands,), (components, bands), (components,)):
            raise ValueError(f"a whitening of the shapes {shapes}")
        if not (variances > 0).all():
            raise ValueError("a whitening of components without variance")
        return cls(mean, weights, variances)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays for a model file."""
        return {f"whitening.{name}": getattr(self, name) for name in ARRAYS}

    @property
    def components(self) -> int:
        """Number of components, C."""
        return len(self.weights)

    @property
    def emphasis(self) -> np.ndarray:
        """Factors (C,), float32, of the components in the spectral stream; their RMS is 1.

        Halfway between whitened components, where noise is as large as signal, and plain
        principal ones, where brightness hides all else.
        """
        factors = self.variances**SPECTRAL_POWER
        return (factors / np.sqrt((factors**2).mean())).astype(np.float32)

    def first(self, components: int) -> Whitening:
        """Return the same map to the first components only."""
        return replace(
            self, weights=self.weights[:components], variances=self.variances[:components]
        )

    def apply(self, values: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Whiten (B, h, w) to float32 (C, h, w); pixels that are not valid become 0."""
        bands, height, width = values.shape
        flat = values.reshape(bands, -1) - self.mean[:, None]
        whitened = (self.weights @ flat).reshape(-1, height, width)
        return np.clip(whitened, -CLIP, CLIP) * valid


def read_whitened(
    scene: Scene, whitening: Whitening, row: int, col: int, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Whiten a window: float32 (C, height, width) and valid (height, width).

    The window may reach outside the scene. Bands are read in strips of few rows, so that
    memory holds C components of the window, never all its bands.
    """
    out = np.zeros((whitening.components, height, width), np.float32)
    valid = np.zeros((height, width), bool)
    for top in range(0, height, SAMPLE_SIDE):
        rows = min(SAMPLE_SIDE, height - top)
        values, valid[top : top + rows] = scene.read(row + top, col, rows, width)
        out[:, top : top + rows] = whitening.apply(values, valid[top : top + rows])
    return out, valid


def fit_whitening(
    scene: Scene,
    components: int,
    *,
    seed: int,
    tick: Callable[[], None] = lambda: None,
    method: str = "pca",
) -> Whitening:
    """Fit the whitening on a streamed sample of the scene.

    Chunks of 64×64 px are drawn at random until 2¹⁸ valid pixels are found or the scene is
    read. ``tick`` is called after each chunk, the place to cancel. ``method`` is pca, whose first
    components vary most, or mnf, whose first components hold least noise for their variance.

    Raises
    ------
    InputError
        If the sample holds too few valid pixels, no variance, or for MNF too few neighbours.
    """
    bands = len(scene.used)
    count, total, products = 0, np.zeros(bands), np.zeros((bands, bands))
    noise = NoiseSums(bands) if method == "mnf" else None
    shift: np.ndarray | None = None
    for row, col, height, width in _sample_windows(scene, seed):
        values, valid = scene.read(row, col, height, width)
        pixels = values[:, valid].astype(np.float64)
        if pixels.size:
            if shift is None:
                shift = pixels.mean(1)  # keeps the products of large values exact
            pixels -= shift[:, None]
            count += pixels.shape[1]
            total += pixels.sum(1)
            products = products + pixels @ pixels.T
            if noise:
                noise.add(values, valid)
        tick()
        if count >= SAMPLE_PIXELS:
            break
    if shift is None or count < 2:
        raise InputError(
            f"{scene.path} has no pixel with valid values in all bands that are used.",
            hint="Check its nodata value, or leave out the bands that are empty.",
        )
    mean = total / count
    covariance = products / count - np.outer(mean, mean)
    variances, vectors = np.linalg.eigh(covariance)
    variances, vectors = variances[::-1], vectors[:, ::-1]
    if not variances[0] > 0:
        raise InputError(f"{scene.path} has the same value in every pixel.", hint="Check the file.")
    rank = int((variances > variances[0] * SMALLEST_VARIANCE).sum())
    keep = min(components, rank)
    if noise:
        whole = (vectors[:, :rank] / np.sqrt(variances[:rank])).T
        weights, variances, found = by_noise(whole, noise.covariance(scene.name), noise.pairs)
        weights = weights[:keep]
        found = replace(found, signal_to_noise=found.signal_to_noise[:keep])
    else:
        weights, found = (vectors[:, :keep] / np.sqrt(variances[:keep])).T, None
    # the sign of a component is free: fix it, so that every machine gives the same
    largest = np.abs(weights).argmax(1)
    weights = weights * np.sign(weights[np.arange(keep), largest])[:, None]
    return Whitening(
        mean=(mean + shift).astype(np.float32),
        weights=weights.astype(np.float32),
        variances=(variances[:keep] / variances.sum()).astype(np.float32),
        noise=found,
    )


def _sample_windows(scene: Scene, seed: int) -> Iterator[tuple[int, int, int, int]]:
    """Cover the scene with chunks, in random order so that any first part is a fair sample."""
    side = SAMPLE_SIDE
    chunks = [
        (row, col, min(side, top + height - row), min(side, left + width - col))
        for top, left, height, width in scene.areas
        for row in range(top, top + height, side)
        for col in range(left, left + width, side)
    ]
    for i in np.random.default_rng(seed).permutation(len(chunks))[:MOST_CHUNKS]:
        yield chunks[i]
