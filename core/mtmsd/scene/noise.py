"""The noise of a scene, from differences of neighbouring pixels; for whitening by MNF.

Green, Berman, Switzer and Craig 1988: A transformation for ordering multispectral data in terms
of image quality with implications for noise removal (IEEE TGRS 26, 65–74).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmsd.errors import InputError

SMALLEST_SHARE = 1e-6
"""A component whose noise is a smaller share of its variance counts as having so much."""


@dataclass(frozen=True)
class Noise:
    """What is known of the noise of whitened components.

    Attributes
    ----------
    pairs : int
        Pairs of neighbours in a row whose differences were taken.
    signal_to_noise : tuple of float
        Variance of the signal over that of the noise, for each component.
    """

    pairs: int
    signal_to_noise: tuple[float, ...]

    def sentence(self) -> str:
        """Say where the estimate is from, and what it found."""
        ratios = self.signal_to_noise
        above = sum(ratio > 1 for ratio in ratios)
        return (
            f"Whitened by MNF. The noise is estimated from the differences of {self.pairs} pairs "
            f"of neighbours in a row: {above} of {len(ratios)} components hold more signal than "
            f"noise, the first {ratios[0]:.3g} times as much, the last {ratios[-1]:.3g} times."
        )

    def described(self) -> dict[str, object]:
        """Return the same for a model's metadata; JSON-able."""
        ratios = [float(f"{ratio:.4g}") for ratio in self.signal_to_noise]
        return {
            "from": "differences of neighbours in a row",
            "pairs": self.pairs,
            "signal_to_noise": ratios,
        }


class NoiseSums:
    """Sums over the differences of each pixel and its right neighbour, where both have data."""

    def __init__(self, bands: int) -> None:
        self.pairs = 0
        self._total = np.zeros(bands)
        self._products = np.zeros((bands, bands))

    def add(self, values: np.ndarray, valid: np.ndarray) -> None:
        """Take the pairs in a window, (bands, h, w) and (h, w); none reaches out of it."""
        both = valid[:, 1:] & valid[:, :-1]
        right, left = (
            part[:, both].astype(np.float64) for part in (values[:, :, 1:], values[:, :, :-1])
        )
        difference = right - left
        self.pairs += difference.shape[1]
        self._total += difference.sum(1)
        self._products += difference @ difference.T

    def covariance(self, name: str) -> np.ndarray:
        """Return the noise's covariance, float64 (bands, bands): half that of the differences.

        Raises
        ------
        InputError
            If there are too few pairs for so many bands.
        """
        bands = len(self._total)
        if self.pairs <= bands:
            raise InputError(
                f"{name} has {self.pairs} pairs of neighbours with data, too few to estimate the "
                f"noise of {bands} bands.",
                hint="Use whitening=pca.",
            )
        mean = self._total / self.pairs
        return (self._products / self.pairs - np.outer(mean, mean)) / 2


def by_noise(
    weights: np.ndarray, noise: np.ndarray, pairs: int
) -> tuple[np.ndarray, np.ndarray, Noise]:
    """Turn whitened components so that noise grows from the first to the last.

    Parameters
    ----------
    weights : float64 array (C, B)
        From bands to components of variance 1, uncorrelated.
    noise : float64 array (B, B)
        Covariance of the bands' noise.

    Returns
    -------
    weights : float64 array (C, B)
        To components that are still of variance 1 and uncorrelated, and whose noise is
        uncorrelated too.
    variances : float64 array (C,)
        Of each where the noise of all is 1.
    noise : Noise
    """
    shares, vectors = np.linalg.eigh(weights @ noise @ weights.T)
    shares = np.clip(shares, SMALLEST_SHARE, None)
    ratios = tuple(float(max(1 / share - 1, 0)) for share in shares)
    return vectors.T @ weights, 1 / shares, Noise(pairs, ratios)
