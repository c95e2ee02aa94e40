"""Accuracy from labels that were held out of training, by whole polygons wherever possible."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mtmsd.assess.baseline import NETWORK, Baseline, spectral_baselines
from mtmsd.assess.calibration import Calibration, calibrate
from mtmsd.assess.evaluation import evaluate
from mtmsd.assess.independence import distances
from mtmsd.assess.informing import Informing
from mtmsd.assess.scene_accuracy import by_scene, leave_one_scene_out
from mtmsd.labels.labels import Labels
from mtmsd.labels.splits import Split, by_polygon, positions, random_stratified, spatial_folds
from mtmsd.libraries.training import TrainingLibrary
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.scene.scene_set import SceneSet

KINDS = ("auto", "polygons", "cross", "random")
"""How labels are held out; auto: cross-validation where polygons are few, else polygons."""
FEW_POLYGONS = 4
"""With fewer in most classes, holding out a part would leave one or two to judge by."""
OWN_FOLDS = "folds"
"""Held out by the folds that the learner needs anyway."""
FOLDS = 3
NETWORK_TITLE = "diffusion network alone, learnt briefly"
CURVE = (0.25, 0.5, 0.75, 1.0)
"""Shares of the training polygons at which the learning curve is told."""


class Learner(Protocol):
    """What learns from labelled pixels: a training set of either kind."""

    @property
    def labels(self) -> Labels:
        """All labelled pixels."""

    def fit(self, index: NDArray | None, *, seed: int, reporter: Reporter) -> Any:
        """Return a classifier that has learnt the pixels ``index``."""

    def predict(self, classifier: Any, index: NDArray) -> NDArray[np.float32]:
        """Return class probabilities (n, K); all 0 for a pixel that was not read."""

    def decide(self, classifier: Any, index: NDArray) -> tuple[NDArray[np.float32], NDArray]:
        """Return what ``predict`` returns, and the position of the class that a map has there."""

    def brief(self) -> Learner:
        """Return one that learns in less time, for many fits."""


@runtime_checkable
class FoldLearner(Learner, Protocol):
    """A learner that leaves folds out by itself, and so knows its answers for held-out pixels."""

    def fold_answers(
        self, seed: int, reporter: Reporter
    ) -> tuple[list[tuple[Labels, Labels]], NDArray[np.float32]]:
        """Return (train, test) of each fold, and probabilities (n, K) fold by fold."""

    def network_answers(self, seed: int, reporter: Reporter) -> NDArray[np.float32] | None:
        """Return the diffusion network's own probabilities of the same pixels, if there is one."""


@dataclass(frozen=True)
class HeldOut:
    """One split, or the folds of a cross-validation."""

    kind: str
    splits: tuple[Split, ...]

    @property
    def description(self) -> str:
        """How the labels were parted, in a sentence."""
        return self.splits[0].description if self.splits else ""


def hold_out(labels: Labels, kind: str, share: float, guard: float, seed: int) -> HeldOut:
    """Part labels for an assessment; the same arguments give the same parts.

    Parameters
    ----------
    kind : str
        One of :data:`KINDS`.
    share : float
        Of each class's labels that is held out, 0 to 1.
    guard : float
        Pixels around test pixels in which nothing is trained; random pixels have none.

    Returns
    -------
    HeldOut
        Without splits where nothing can be held out, as with one polygon per class.
    """
    if kind == "auto":
        kind = "cross" if _few_polygons(labels) else "polygons"
    if kind == "cross":
        splits = spatial_folds(labels, FOLDS, guard, seed)
    elif kind == "random":
        splits = [random_stratified(labels, train_fraction=1 - share, seed=seed)]
    else:
        splits = [by_polygon(labels, share, guard, seed)]
    return HeldOut(kind, tuple(split for split in splits if len(split.test)))


def _few_polygons(labels: Labels) -> bool:
    counts = [len(np.unique(labels.groups[labels.values == c.value])) for c in labels.classes]
    several = [n for n in counts if n > 1]
    return bool(several) and float(np.median(several)) < FEW_POLYGONS


@dataclass(frozen=True)
class _Answers:
    """What was predicted for the held-out pixels of all splits."""

    parts: list[tuple[Labels, Labels]]
    """Training and test pixels of each split."""
    probabilities: NDArray[np.float32]
    chosen: NDArray[np.int64]
    """Position of the class that a map would have."""
    network: NDArray[np.float32] | None = None
    """What the diffusion network alone says, if it is part of what is judged."""

    @property
    def test(self) -> Labels:
        return joined([test for _, test in self.parts])

    def calibration(self) -> Calibration:
        test = self.test
        truth = np.searchsorted(_values(test), test.values)
        return calibrate(self.probabilities, truth, test.groups, self.chosen)

    def uncalibrated(self) -> Calibration:
        stated = np.take_along_axis(self.probabilities, self.chosen[:, None], 1)[:, 0]
        return Calibration(1.0, stated.astype(np.float64), None)


def joined(parts: Sequence[Labels]) -> Labels:
    """Return the pixels of all parts of the same labels."""
    return replace(
        parts[0],
        rows=np.concatenate([part.rows for part in parts]),
        cols=np.concatenate([part.cols for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        groups=np.concatenate([part.groups for part in parts]),
    )


def judge(
    learner: Learner,
    held: HeldOut,
    scene: Scene,
    *,
    method: str,
    patch: int,
    seed: int,
    reporter: Reporter,
    library: TrainingLibrary | None = None,
) -> dict[str, Any]:
    """Learn without the held-out pixels, predict them, and compare with spectral baselines.

    Parameters
    ----------
    method : str
        Name of the classifier that is judged; it is no baseline of its own.
    patch : int
        Side of the patch around a test pixel in which training pixels are counted.
    library : TrainingLibrary, optional
        Spectra that the learner learns beside the pixels; the baselines learn them, too.

    Returns
    -------
    dict
        The figures of :func:`mtmsd.assess.evaluation.evaluate`, and ``validation`` (kind,
        folds), ``training``, ``learning_curve``, ``calibration`` with the temperature, and of
        several ``scenes`` those of each, in ``left_out`` those without its labels. What
        fails of it is left out, and its ``warnings`` say so; ``n`` is 0 if all of it failed.
    """
    informing = Informing(reporter)
    labels = learner.labels
    answers = _answers(learner, held, seed, informing, reporter)
    if answers is None:
        result = evaluate([], [], labels.classes, split_description=held.description)
        result["verdict"] = "How accurate the map is cannot be said: nothing could be held out."
        return result | {"warnings": informing.warnings + result["warnings"]}
    test = answers.test
    reporter.phase("baseline", "Classifying the plain spectra for comparison")
    baselines = spectral_baselines(
        scene,
        answers.parts,
        seed=seed,
        leave_out=method,
        library=library,
        informing=informing,
        reporter=reporter,
    )
    if answers.network is not None:
        alone = _values(labels)[answers.network.argmax(1)]
        baselines.append(Baseline(NETWORK, NETWORK_TITLE, alone, 0.0))
    calibration = informing.attempt("The confidence is not calibrated", answers.calibration)
    calibration = calibration or answers.uncalibrated()
    near = informing.attempt(
        "How near the training pixels are cannot be said",
        lambda: distances(answers.parts, patch),
    )
    result = evaluate(
        test.values,
        _values(labels)[answers.chosen],
        labels.classes,
        baselines,
        held.description,
        groups=test.groups,
        confidence=calibration.confidence,
        seed=seed,
        nearest=near["nearest_of_class"] if near else None,
    )
    result["calibration"] |= {
        "before": calibration.before,
        "temperature": calibration.temperature,
    }
    result["validation"] = {"kind": held.kind, "folds": len(held.splits)}
    result["training"] = near
    curve = informing.attempt(
        "No learning curve",
        lambda: learning_curve(learner.brief(), held.splits[0], seed, reporter),
    )
    result["learning_curve"] = curve or []
    if isinstance(scene, SceneSet):
        told = _values(labels)[answers.chosen]
        result["scenes"] = _scenes(learner, scene, test, told, seed, informing, reporter)
    result["warnings"] = informing.warnings + result["warnings"]
    return result


def _scenes(
    learner: Learner,
    scenes: SceneSet,
    test: Labels,
    predicted: NDArray,
    seed: int,
    informing: Informing,
    reporter: Reporter,
) -> list[dict[str, Any]]:
    """Score each scene, by the held-out pixels and without any of its labels."""

    def predict(known: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray:
        classifier = learner.fit(known, seed=seed, reporter=reporter)
        return _values(learner.labels)[learner.decide(classifier, asked)[1]]

    left_out = leave_one_scene_out(
        scenes, learner.labels, predict, seed=seed, informing=informing, reporter=reporter
    )
    own = by_scene(scenes, test, predicted, seed)
    return [{**one, "left_out": other} for one, other in zip(own, left_out, strict=True)]


def held_out_temperature(
    learner: Learner, held: HeldOut, seed: int, reporter: Reporter
) -> float | None:
    """Find the temperature by the labels that are held out, where no accuracy is asked for.

    Returns
    -------
    float or None
        None with one polygon per class, or if it failed, which then is told.
    """
    informing = Informing(reporter)
    answers = _answers(learner, held, seed, informing, reporter)
    if answers is None:
        return None
    return informing.attempt(
        "The confidence cannot be calibrated", lambda: answers.calibration().temperature
    )


def _values(labels: Labels) -> NDArray[np.uint16]:
    return np.array([c.value for c in labels.classes], np.uint16)


def _answers(
    learner: Learner, held: HeldOut, seed: int, informing: Informing, reporter: Reporter
) -> _Answers | None:
    """Learn without each split's test pixels, and predict them; None if no split succeeds."""
    if held.kind == OWN_FOLDS and isinstance(learner, FoldLearner):
        return informing.attempt(
            "No accuracy can be said of the folds",
            functools.partial(_own_answers, learner, seed, reporter),
        )
    parts, probabilities, places = [], [], []
    for number_, split in enumerate(held.splits, 1):
        which = "the held-out labels"
        if len(held.splits) > 1:
            which = f"fold {number_} of {len(held.splits)}"
        reporter.phase("holdout", f"Learning without {which}")
        answer = informing.attempt(
            f"No accuracy can be said of {which}",
            functools.partial(_answer, learner, split, seed, reporter),
        )
        if answer is None:
            continue
        found, chosen = answer
        read = found.sum(axis=1) > 0  # of very many pixels, a part is read
        if read.any():
            parts.append((split.train, split.test.subset(read)))
            probabilities.append(found[read])
            places.append(chosen[read])
    if not parts:
        return None
    return _Answers(parts, np.concatenate(probabilities), np.concatenate(places))


def _own_answers(learner: FoldLearner, seed: int, reporter: Reporter) -> _Answers | None:
    parts, probabilities = learner.fold_answers(seed, reporter)
    if not len(probabilities):
        return None
    network = learner.network_answers(seed, reporter)
    return _Answers(parts, probabilities, probabilities.argmax(1), network)


def _answer(
    learner: Learner, split: Split, seed: int, reporter: Reporter
) -> tuple[NDArray[np.float32], NDArray]:
    index = positions(split.train, learner.labels)
    classifier = learner.fit(index, seed=seed, reporter=reporter)
    return learner.decide(classifier, positions(split.test, learner.labels))


def learning_curve(
    learner: Learner, split: Split, seed: int, reporter: Reporter
) -> list[dict[str, Any]]:
    """Accuracy on the test pixels when fewer training polygons are learnt.

    Returns
    -------
    list of dict
        ``labels`` (pixels), ``polygons``, ``overall`` (0…1), ``interval``; fewest labels first.
    """
    labels, train, test = learner.labels, split.train, split.test
    values = _values(labels)
    asked = positions(test, labels)
    rank = _rank_of_polygon(train, seed)
    points: list[dict[str, Any]] = []
    for share in CURVE:
        reporter.phase("curve", f"Learning from {share:.0%} of the polygons")
        part = train.subset(rank <= share)
        if points and len(part) == points[-1]["labels"]:
            continue
        classifier = learner.fit(positions(part, labels), seed=seed, reporter=reporter)
        found, chosen = learner.decide(classifier, asked)
        read = found.sum(axis=1) > 0
        told = evaluate(
            test.values[read],
            values[chosen[read]],
            labels.classes,
            groups=test.groups[read],
            seed=seed,
        )
        points.append(
            {
                "labels": len(part),
                "polygons": len(np.unique(part.groups)),
                "overall": told["overall"],
                "interval": told["intervals"]["overall"],
            }
        )
    return points if len(points) > 1 else []


def _rank_of_polygon(labels: Labels, seed: int) -> NDArray[np.float64]:
    """Return, for each pixel, at which share of its class's polygons its own joins, 0…1.

    The first polygon of a class has 0, so that no class is ever missing.
    """
    generator = np.random.default_rng(seed)
    rank = np.zeros(len(labels))
    for info in labels.classes:
        groups = generator.permutation(np.unique(labels.groups[labels.values == info.value]))
        for place, group in enumerate(groups):
            share = (place + 1) / len(groups) if place else 0.0
            rank[(labels.groups == group) & (labels.values == info.value)] = share
    return rank
