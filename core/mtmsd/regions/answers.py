"""What regions say of labelled pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmsd.labels.labels import Labels
from mtmsd.regions.blocks import BlockReader
from mtmsd.regions.classifier import RegionClassifier


@dataclass(frozen=True)
class Answers:
    """What regions say at labelled pixels.

    Attributes
    ----------
    probabilities : float32 array (n, K)
        Of the pixel's region, not calibrated; 0 where the scene has no data.
    region : int64 array (n,)
        Which region of the scene; −1 without data.
    """

    probabilities: np.ndarray
    region: np.ndarray


def answers(classifier: RegionClassifier, reader: BlockReader, labels: Labels) -> Answers:
    """Return what is mapped at labelled pixels."""
    corners, of = np.unique(reader.corner(labels.rows, labels.cols), axis=0, return_inverse=True)
    probabilities = np.zeros((len(labels), len(classifier.classes)), np.float32)
    region, first = np.full(len(labels), -1), 0
    for number, (row, col) in enumerate(corners.tolist()):
        found = classifier.regions(reader, row, col)
        if found is None:
            continue
        numbers, shares = found
        here = np.flatnonzero(of.ravel() == number)
        at = numbers[labels.rows[here] - row, labels.cols[here] - col]
        known = at >= 0
        probabilities[here[known]] = shares[at[known]]
        region[here[known]] = at[known] + first
        first += len(shares)
    return Answers(probabilities, region)


def achievable_accuracy(region: np.ndarray, values: np.ndarray) -> float:
    """Share of labelled pixels that are right if every region has its true majority class.

    The ceiling of any map that gives a region one class (achievable segmentation accuracy).
    """
    known = region >= 0
    pairs, counts = np.unique(
        np.stack([region[known], values[known].astype(np.int64)]), axis=1, return_counts=True
    )
    best: dict[int, int] = {}
    for number, count in zip(pairs[0].tolist(), counts.tolist()):
        best[number] = max(best.get(number, 0), count)
    return sum(best.values()) / max(1, len(region))
