"""What a classifier looks at: how its fusion weighs timesteps and stages."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch

from mtmsd.classify.classifier import Classifier, Selection, stage_reader
from mtmsd.classify.network import Streams

AT_ONCE = 512
MOST = 20_000
"""Samples that are looked at."""


class ReadSamples(Protocol):
    """A training set of the network (mtmsd.classify.training)."""

    @property
    def samples(self) -> Any:
        """With ``upright``: which samples are not turned."""

    def streams(self, index: np.ndarray, local: Selection, global_: Selection) -> Streams:
        """Return what the fusion takes."""


@torch.no_grad()
def fusion_weights(samples: ReadSamples, classifier: Classifier) -> dict[str, Any] | None:
    """Mean weight of each timestep and stage over training pixels, channels and members.

    Returns
    -------
    dict or None
        JSON-able: ``timesteps`` and ``stages`` (lists), ``values`` (a row per timestep) that
        add up to 1: down a column, how a stage's channels weigh the timesteps; the column's
        sum is the share of channels that purification has kept of that stage. ``reading``
        says so for the fusion at hand. None for a fusion without weights.
    """
    settings = classifier.settings
    rows = np.flatnonzero(samples.samples.upright)[:MOST]
    total = torch.zeros(len(settings.timesteps), settings.channels, dtype=torch.float64)
    for part in np.array_split(rows, max(1, len(rows) // AT_ONCE)):
        streams = samples.streams(part, classifier.local, classifier.global_)
        for member in classifier.members:
            weights = member.fusion.weights(streams.local.float(), streams.global_.float())
            if weights is None:
                return None
            total += weights.cpu().double() * len(part)
    weight = (total / (len(rows) * len(classifier.members))).numpy()
    widths = stage_reader(classifier.model, settings, classifier.noise).channels
    stage = np.searchsorted(np.cumsum(widths), classifier.local.channels.cpu().numpy(), "right")
    values = np.stack([weight[:, stage == s].sum(1) for s in range(len(widths))], 1)
    return {
        "timesteps": list(settings.timesteps),
        "stages": sorted(set(settings.blocks)),
        "values": values.round(6).tolist(),
        "reading": classifier.members[0].fusion.reading,
    }
