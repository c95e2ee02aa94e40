"""The accuracy scene by scene, and what a classifier is worth on a scene that it has not seen."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtmsd.assess.evaluation import evaluate
from mtmsd.assess.informing import Informing
from mtmsd.classes import ClassInfo
from mtmsd.labels.labels import Labels
from mtmsd.reporting import Reporter
from mtmsd.scene.scene_set import SceneSet

Predict = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]]
"""From labelled pixels that are learnt and ones that are asked for, to the values of these."""


def by_scene(scenes: SceneSet, test: Labels, predicted: NDArray, seed: int) -> list[dict[str, Any]]:
    """Score the held-out pixels of each scene; JSON-able.

    Returns
    -------
    list of dict
        ``name``, ``n``, ``overall``, ``average`` (0…1, None without pixels), ``interval``.
    """
    number = scenes.scene_of(test.rows)
    return [
        {"name": scene.name, **_scored(test.subset(number == i), predicted[number == i], seed)}
        for i, scene in enumerate(scenes.scenes)
    ]


def leave_one_scene_out(
    scenes: SceneSet,
    labels: Labels,
    predict: Predict,
    *,
    seed: int,
    informing: Informing,
    reporter: Reporter,
) -> list[dict[str, Any] | None]:
    """Learn the labels of all scenes but one, and score that one; for each in turn.

    Only labels are left out: the whitening, and a diffusion model, have learnt all scenes.

    Returns
    -------
    list of dict or None
        For each scene what :func:`by_scene` says of one, and ``unknown``: names of its classes
        that the others do not have, whose pixels count as wrong. None for a scene without labels,
        and where nothing can be learnt without it, which ``informing`` says.
    """
    number = scenes.scene_of(labels.rows)
    found: list[dict[str, Any] | None] = []
    for i, scene in enumerate(scenes.scenes):
        reporter.phase("left-out scene", f"Learning without '{scene.name}'")
        found.append(
            informing.attempt(
                f"What the classifier is worth on '{scene.name}' without its labels cannot be said",
                functools.partial(_left_out, labels, number == i, predict, seed),
            )
        )
    return found


def _left_out(
    labels: Labels, own: NDArray[np.bool_], predict: Predict, seed: int
) -> dict[str, Any] | None:
    asked = np.flatnonzero(own)
    if not len(asked):
        return None
    test = labels.subset(own)
    figures = _scored(test, predict(np.flatnonzero(~own), asked), seed)
    return figures | {"unknown": _missing(labels.classes, test.values, labels.values[~own])}


def _scored(test: Labels, predicted: NDArray, seed: int) -> dict[str, Any]:
    told = evaluate(test.values, predicted, test.classes, groups=test.groups, seed=seed)
    return {
        "n": told["n"],
        "overall": told["overall"],
        "average": told["average"],
        "interval": told["intervals"]["overall"],
    }


def _missing(classes: Sequence[ClassInfo], asked: NDArray, learnt: NDArray) -> list[str]:
    lost = set(np.unique(asked).tolist()) - set(np.unique(learnt).tolist())
    return [info.name for info in classes if info.value in lost]
