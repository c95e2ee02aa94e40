"""How fast to learn: the pace that does best on labels that were left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from mtmsd.compute.threads import side_by_side
from mtmsd.labels.labels import Labels
from mtmsd.labels.splits import positions, spatial_blocks
from mtmsd.settings import ClassifierSettings


@dataclass(frozen=True)
class Pace:
    """Settings that go together."""

    learning_rate: float
    joint_weight: float

    def of(self, settings: ClassifierSettings) -> ClassifierSettings:
        """Return the settings at this pace."""
        return replace(settings, learning_rate=self.learning_rate, joint_weight=self.joint_weight)


GENTLE = Pace(1.5e-3, joint_weight=1.0)
"""For mixed pixels and doubtful labels: a network soon has them by heart."""
EAGER = Pace(6e-3, joint_weight=3.0)
"""For pure pixels, of which the network learns what the spectra alone do not tell."""
BLOCK = 16
"""Side of the blocks that are left out, in pixels: single pixels have neighbours that tell."""
MOST = 4000
"""Pixels that are predicted, at most."""


Trial = Callable[[ClassifierSettings, np.ndarray, np.ndarray], np.ndarray]
"""Learns from some labelled pixels and returns the class probabilities (n, K) of others."""


def choose_pace(
    settings: ClassifierSettings,
    labels: Labels,
    index: np.ndarray,
    trial: Trial,
    *,
    seed: int,
    device: torch.device,
) -> ClassifierSettings:
    """Return the settings with the pace that the labelled pixels ``index`` speak for.

    At each pace one network learns half of the blocks and predicts the other half. The plain
    mean of the timesteps is enough for that, and takes two thirds of the time of the fusion.
    """
    gentle, eager = (pace.of(settings) for pace in (GENTLE, EAGER))
    own = labels.subset(index)
    split = spatial_blocks(own, BLOCK, guard=0, train_fraction=0.5, seed=seed)
    kept, left_out = (index[positions(part, own)] for part in (split.train, split.test))
    if not len(left_out):
        return gentle
    left_out = left_out[:: len(left_out) // MOST + 1]
    values = np.array([info.value for info in own.classes])

    def right(settings: ClassifierSettings) -> int:
        brief = replace(settings, members=1, fusion="mean")
        found = values[trial(brief, kept, left_out).argmax(1)]
        return int((found == labels.values[left_out]).sum())

    of_gentle, of_eager = side_by_side(right, (gentle, eager), device)
    return eager if of_eager > of_gentle else gentle
