"""A mapped window: from class probabilities to what is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mtmsd.classes import ClassInfo
from mtmsd.classify.uncertainty import normalized_entropy, tempered

Window = tuple[int, int, int, int]
"""Row, column, height and width in pixels of the scene."""
Tick = Callable[[float], None]
"""Hears what share of a block is done; may raise to stop."""


def no_tick(share: float) -> None:
    """Listen to nothing."""


@dataclass(frozen=True)
class Block:
    """A mapped window.

    Attributes
    ----------
    values : uint16 array (h, w)
        Class values; 0 where the scene has no data.
    confidence : float32 array (h, w)
        Calibrated probability of the chosen class; NaN where there is none.
    probabilities : float32 array (K, h, w)
        Calibrated; NaN where there are none.
    disagreement : float32 array (h, w)
        Of the ensemble, 0…1; NaN where there is none, or where it was not asked for.
    """

    values: np.ndarray
    confidence: np.ndarray
    probabilities: np.ndarray
    disagreement: np.ndarray

    @property
    def entropy(self) -> np.ndarray:
        """Entropy of the probabilities, 0 (certain) to 1 (no idea), float32 (h, w)."""
        found = normalized_entropy(np.nan_to_num(self.probabilities), 0)
        return np.where(np.isnan(self.confidence), np.float32(np.nan), found)


def blank(classes: int, height: int, width: int) -> Block:
    """Return a block without data."""
    nothing = np.full((classes, height, width), np.nan, np.float32)
    values = np.zeros((height, width), np.uint16)
    return Block(values, nothing[0].copy(), nothing, nothing[0].copy())


def decide(
    probabilities: np.ndarray,
    inside: np.ndarray,
    classes: Sequence[ClassInfo],
    *,
    temperature: float = 1.0,
    best: np.ndarray | None = None,
    disagreement: np.ndarray | None = None,
) -> Block:
    """Choose classes, and calibrate the probabilities.

    Parameters
    ----------
    probabilities : float32 array (K, h, w)
    inside : bool array (h, w)
        Where the scene has data.
    best : int array (h, w), optional
        Position of the chosen class, where it is not the likeliest.
    disagreement : float32 array (h, w), optional
    """
    calibrated = tempered(probabilities, temperature, 0)
    chosen = probabilities.argmax(0) if best is None else best
    confidence = np.take_along_axis(calibrated, chosen[None], 0)[0]
    calibrated[:, ~inside] = np.nan
    values = np.array([c.value for c in classes], np.uint16)
    differ = np.nan if disagreement is None else disagreement
    return Block(
        np.where(inside, values[chosen], 0).astype(np.uint16),
        np.where(inside, confidence, np.nan).astype(np.float32),
        calibrated,
        np.where(inside, differ, np.nan).astype(np.float32),
    )
