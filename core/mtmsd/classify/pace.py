"""How fast to learn: the learning rate that does best on labels that were left out."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from mtmsd.reporting import Reporter
from mtmsd.scene.splits import positions, spatial_blocks
from mtmsd.side_by_side import side_by_side

if TYPE_CHECKING:
    from mtmsd.classify.training import TrainingSet

RATES = (1.5e-3, 6e-3)
"""For mixed pixels and doubtful labels, which are soon learnt by heart; for pure ones."""
BLOCK = 16
"""Side of the blocks that are left out, in pixels: neighbours tell nothing of each other."""
MOST = 4000
"""Pixels that are predicted, at most."""


class _Silent(Reporter):
    """Listens for a cancel alone: two trials side by side have no progress to tell."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    @property
    def cancel_requested(self) -> bool:
        return self._reporter.cancel_requested


def choose_rate(samples: TrainingSet, index: np.ndarray, *, seed: int, reporter: Reporter) -> float:
    """Return the one of :data:`RATES` that the labelled pixels ``index`` speak for.

    For each rate one network learns half of the blocks and predicts the other half. The plain
    mean of the timesteps is enough for that, and takes two thirds of the time of the fusion.
    """
    own = samples.labels.subset(index)
    split = spatial_blocks(own, BLOCK, guard=0, train_fraction=0.5, seed=seed)
    kept, left_out = (index[positions(part, own)] for part in (split.train, split.test))
    if not len(left_out):
        return RATES[0]
    left_out = left_out[:: -(-len(left_out) // MOST)]
    values = np.array([info.value for info in own.classes])

    def right(rate: float) -> float:
        settings = dataclasses.replace(
            samples.settings, members=1, fusion="mean", learning_rate=rate
        )
        trial = dataclasses.replace(samples, settings=settings)
        classifier = trial.fit(kept, seed=seed, reporter=_Silent(reporter))
        found = values[trial.predict(classifier, left_out).argmax(1)]
        return float((found == samples.labels.values[left_out]).mean())

    shares = side_by_side(right, RATES, samples.device)
    return RATES[int(np.argmax(shares))]
