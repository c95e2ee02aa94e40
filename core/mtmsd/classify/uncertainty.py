"""Uncertainty of a classifier: calibrated probabilities and their entropy.

Temperatures are found in :mod:`mtmsd.assess.calibration`.
"""

from __future__ import annotations

import math

import numpy as np

SMALLEST = 1e-12
"""Probabilities below it count as this one where a logarithm is taken."""


def tempered(probabilities: np.ndarray, temperature: float, axis: int) -> np.ndarray:
    """Flatten (temperature above 1) or sharpen (below 1) probabilities; the best class stays."""
    if temperature == 1:
        return probabilities
    logits = np.log(np.maximum(probabilities, SMALLEST)) / temperature
    scaled = np.exp(logits - logits.max(axis, keepdims=True))
    return scaled / scaled.sum(axis, keepdims=True)


def normalized_entropy(probabilities: np.ndarray, axis: int) -> np.ndarray:
    """Entropy over its greatest value: 0 certain, 1 no idea; the classes' axis goes."""
    nats = -(probabilities * np.log(np.maximum(probabilities, SMALLEST))).sum(axis)
    return nats / math.log(max(2, probabilities.shape[axis]))
