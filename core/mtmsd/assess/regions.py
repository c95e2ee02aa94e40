"""What learnt regions say of labels that were held out, and the best that they could."""

from __future__ import annotations

from typing import Any

import numpy as np

from mtmsd.assess.calibration import calibrate
from mtmsd.assess.evaluation import evaluate
from mtmsd.assess.validation import HeldOut, joined
from mtmsd.labels.labels import Labels
from mtmsd.regions.answers import Answers, achievable_accuracy
from mtmsd.regions.methods import Supertokens
from mtmsd.reporting import Reporter


def judge_regions(
    method: Supertokens, held: HeldOut, *, seed: int, reporter: Reporter
) -> dict[str, Any] | None:
    """Learn without the held-out labels of each split, and say what becomes of them.

    Returns
    -------
    dict or None
        The figures of :func:`mtmsd.assess.evaluation.evaluate`, of pixels that have the class of
        their region, and ``regions`` as of :func:`region_figures`. None without splits.
    """
    if not held.splits:
        return None
    found = []
    for number, split in enumerate(held.splits, 1):
        which = "held-out labels"
        if len(held.splits) > 1:
            which = f"fold {number} of {len(held.splits)}"
        reporter.phase("holdout", f"Learning regions without {which}")
        classifier = method.learn(split.train, seed=seed, reporter=reporter)
        found.append((split.test, method.answers(classifier, split.test)))
    test = joined([labels for labels, _ in found])
    probabilities = np.concatenate([said.probabilities for _, said in found])
    values, chosen = np.array([info.value for info in test.classes]), probabilities.argmax(1)
    calibration = calibrate(
        probabilities, np.searchsorted(values, test.values), test.groups, chosen
    )
    result = evaluate(
        test.values,
        values[chosen],
        test.classes,
        split_description=held.description,
        groups=test.groups,
        confidence=calibration.confidence,
        seed=seed,
    )
    result["calibration"] |= {
        "before": calibration.before,
        "temperature": calibration.temperature,
    }
    return result | {
        "validation": {"kind": held.kind, "folds": len(held.splits)},
        "training": None,
        "learning_curve": [],
        "regions": region_figures(method.size, found),
    }


def region_figures(size: int, found: list[tuple[Labels, Answers]]) -> dict[str, Any]:
    """Return what regions cost at labelled pixels.

    Returns
    -------
    dict
        JSON-able: ``size`` of the squares in which they begin, pixels; ``overall``, the share of
        the ``n`` pixels whose region has their class; ``achievable``, what it would be if every
        region had the class of most of its labelled pixels.
    """
    right, ceiling, n = 0.0, 0.0, 0
    for labels, said in found:
        values = np.array([info.value for info in labels.classes])
        hit = (values[said.probabilities.argmax(1)] == labels.values) & (said.region >= 0)
        right += float(hit.sum())
        ceiling += achievable_accuracy(said.region, np.asarray(labels.values)) * len(labels)
        n += len(labels)
    return {"size": size, "overall": right / n, "achievable": ceiling / n, "n": n}
