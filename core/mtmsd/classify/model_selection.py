"""How fast to learn: the pace that does best on labels that were left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mtmsd.compute.threads import side_by_side
from mtmsd.labels.splits import positions, spatial_blocks
from mtmsd.reporting import Reporter
from mtmsd.settings import ClassifierSettings

if TYPE_CHECKING:
    from mtmsd.classify.training import TrainingSet


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


class _Silent(Reporter):
    """Listens for a cancel alone: two trials side by side have no progress to tell."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    @property
    def cancel_requested(self) -> bool:
        return self._reporter.cancel_requested


def choose_pace(
    samples: TrainingSet, index: np.ndarray, *, seed: int, reporter: Reporter
) -> ClassifierSettings:
    """Return the settings with the pace that the labelled pixels ``index`` speak for.

    At each pace one network learns half of the blocks and predicts the other half. The plain
    mean of the timesteps is enough for that, and takes two thirds of the time of the fusion.
    """
    gentle, eager = (pace.of(samples.settings) for pace in (GENTLE, EAGER))
    own = samples.labels.subset(index)
    split = spatial_blocks(own, BLOCK, guard=0, train_fraction=0.5, seed=seed)
    kept, left_out = (index[positions(part, own)] for part in (split.train, split.test))
    if not len(left_out):
        return gentle
    left_out = left_out[:: len(left_out) // MOST + 1]
    values = np.array([info.value for info in own.classes])

    def right(settings: ClassifierSettings) -> int:
        brief = replace(settings, members=1, fusion="mean")
        trial = replace(samples, settings=brief)
        classifier = trial.fit(kept, seed=seed, reporter=_Silent(reporter))
        found = values[trial.predict(classifier, left_out).argmax(1)]
        return int((found == samples.labels.values[left_out]).sum())

    of_gentle, of_eager = side_by_side(right, (gentle, eager), samples.device)
    return eager if of_eager > of_gentle else gentle
