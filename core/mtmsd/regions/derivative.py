"""The derivative of spectra along the wavelength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Derivative:
    """Differences of neighbouring bands over the distance of their centres.

    Attributes
    ----------
    first : int64 array (D,)
        The first band of each pair, by position; never across a gap of left-out bands.
    gap : float32 array (D,)
        Distance of the two, in nm; in bands if not all wavelengths are known.
    by_index : bool
        Whether it is in bands.
    """

    first: np.ndarray
    gap: np.ndarray
    by_index: bool

    @classmethod
    def of(cls, wavelengths: np.ndarray, bands: Sequence[int]) -> Derivative:
        """Pair neighbours.

        Parameters
        ----------
        wavelengths : array (B,)
            In nm, NaN where unknown.
        bands : sequence of int
            Numbers of the bands in the file.
        """
        by_index = bool(np.isnan(wavelengths).any())
        neighbours = np.diff(np.asarray(bands)) == 1
        gap = np.ones(len(neighbours)) if by_index else np.diff(wavelengths)
        first = np.flatnonzero(neighbours & (gap > 0))  # detectors may overlap
        return cls(first, gap[first].astype(np.float32), by_index)

    @classmethod
    def of_model(cls, metadata: Mapping[str, Any]) -> Derivative:
        """Pair neighbours among the bands that a model file lists."""
        known = [np.nan if w is None else w for w in metadata["wavelengths"]]
        return cls.of(np.array(known, np.float64), metadata["bands"])

    def __len__(self) -> int:
        return len(self.first)

    def __call__(self, spectra: np.ndarray) -> np.ndarray:
        """(B, …) -> (D, …)."""
        shape = (-1,) + (1,) * (spectra.ndim - 1)
        return (spectra[self.first + 1] - spectra[self.first]) / self.gap.reshape(shape)
