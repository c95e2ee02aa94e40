"""Ways to make regions, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mtmsd.labels.labels import Labels
from mtmsd.regions.learner import (
    Answers,
    BlockReader,
    achievable_accuracy,
    answers,
    check_size,
    learn,
    usual_size,
)
from mtmsd.regions.mapping import write_regions
from mtmsd.regions.network import SupertokenNetwork
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.tables import named


@dataclass(frozen=True)
class Supertokens:
    """Regions that are learnt with their classes; see :mod:`mtmsd.regions.network`."""

    reader: BlockReader

    @classmethod
    def of(
        cls, scene: Scene, labels: Labels, size: int, seed: int, reporter: Reporter
    ) -> Supertokens:
        """Prepare a scene; ``size`` in pixels, 0: by the labels.

        Raises
        ------
        InputError
            For a size below 2 px or above the scene.
        """
        size = size or min(usual_size(labels), scene.height, scene.width)
        check_size(size, scene)
        return cls(BlockReader.of(scene, labels, size, seed, reporter))

    @property
    def size(self) -> int:
        """Side in pixels of the squares in which regions begin."""
        return self.reader.size

    def learn(self, labels: Labels, *, seed: int, reporter: Reporter) -> SupertokenNetwork:
        """Learn regions and classes from labelled pixels."""
        return learn(self.reader, labels, seed=seed, reporter=reporter)

    def answers(self, network: SupertokenNetwork, labels: Labels) -> Answers:
        """Return what is mapped at labelled pixels."""
        return answers(self.reader, network, labels)

    def write(self, network: SupertokenNetwork, labels: Labels, **options: Any) -> int:
        """Write the regions of the scene; see :func:`mtmsd.regions.mapping.write_regions`."""
        return write_regions(self.reader, network, labels.classes, **options)


REGIONS: dict[str, type[Supertokens]] = {"supertokens": Supertokens}


def regions_named(name: str) -> type[Supertokens]:
    """Return the way to make regions of that name; raises :class:`InputError` if there is none."""
    return named("kind of regions", name, REGIONS)


def held_out_figures(
    method: Supertokens,
    splits: tuple[tuple[Labels, Labels], ...],
    *,
    seed: int,
    reporter: Reporter,
) -> dict[str, Any] | None:
    """Learn without the held-out labels of each split, and say what becomes of them.

    Returns
    -------
    dict or None
        JSON-able: ``overall``, the share of held-out pixels whose region has their class;
        ``achievable``, what it would be if every region had the class of most of its held-out
        pixels; ``n``, these pixels. None without splits.
    """
    right, ceiling, n = 0.0, 0.0, 0
    for number, (train, test) in enumerate(splits, 1):
        reporter.phase("regions", f"Regions without held-out labels, {number} of {len(splits)}")
        network = method.learn(train, seed=seed, reporter=reporter)
        found = method.answers(network, test)
        right += float((found.predicted == test.values).sum())
        ceiling += achievable_accuracy(found.region, np.asarray(test.values)) * len(test)
        n += len(test)
    return {"overall": right / n, "achievable": ceiling / n, "n": n} if n else None
