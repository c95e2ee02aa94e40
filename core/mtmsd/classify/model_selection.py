"""Model selection: the learning rate and branch weights that do best on labels left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from mtmsd.classify.fusions import fusion_named
from mtmsd.compute.threads import parallel_map
from mtmsd.labels.labels import Labels
from mtmsd.labels.splits import positions, spatial_blocks
from mtmsd.settings import ClassifierSettings


@dataclass(frozen=True)
class Hyperparameters:
    """Learning rate and loss weight of the main branch, which go together."""

    learning_rate: float
    branch_weight: float

    def of(self, settings: ClassifierSettings) -> ClassifierSettings:
        """Return the settings with these two."""
        return replace(settings, learning_rate=self.learning_rate, branch_weight=self.branch_weight)


LOW_RATE = Hyperparameters(1.5e-3, branch_weight=1.0)
"""For mixed pixels and uncertain labels, which a network soon overfits."""
HIGH_RATE = Hyperparameters(6e-3, branch_weight=3.0)
"""For pure pixels, of which the main branch learns what the spectra alone do not tell."""
BLOCK = 16
"""Side of the blocks that are left out, in pixels: single pixels have neighbours that tell."""
MOST = 4000
"""Pixels that are predicted, at most."""


Trial = Callable[[ClassifierSettings, np.ndarray, np.ndarray], np.ndarray]
"""Learns from some labelled pixels and returns the class probabilities (n, K) of others."""


def select_hyperparameters(
    settings: ClassifierSettings,
    labels: Labels,
    index: np.ndarray,
    trial: Trial,
    *,
    seed: int,
    device: torch.device,
) -> ClassifierSettings:
    """Return the settings with the hyperparameters that suit the labelled pixels ``index``.

    With either one network learns half of the blocks and predicts the other half. The fusion says
    which one is enough for that: for the guided one the plain mean of the timesteps, in two thirds
    of the time.
    """
    low, high = (candidate.of(settings) for candidate in (LOW_RATE, HIGH_RATE))
    own = labels.subset(index)
    split = spatial_blocks(own, BLOCK, guard=0, train_fraction=0.5, seed=seed)
    kept, left_out = (index[positions(part, own)] for part in (split.train, split.test))
    if not len(left_out):
        return low
    left_out = left_out[:: len(left_out) // MOST + 1]
    values = np.array([info.value for info in own.classes])

    def correct(settings: ClassifierSettings) -> int:
        brief = replace(settings, members=1, fusion=fusion_named(settings.fusion).trial)
        predicted = values[trial(brief, kept, left_out).argmax(1)]
        return int((predicted == labels.values[left_out]).sum())

    of_low, of_high = parallel_map(correct, (low, high), device)
    return high if of_high > of_low else low
