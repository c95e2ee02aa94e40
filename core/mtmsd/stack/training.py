"""What the stack learns from: features of all labelled pixels, read once, fitted as wanted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from affine import Affine

from mtmsd import __version__
from mtmsd.errors import InputError
from mtmsd.labels.labels import Labels
from mtmsd.labels.splits import Split
from mtmsd.libraries.training import TrainingLibrary
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import Whitening, fit_whitening
from mtmsd.settings import ClassifierSettings
from mtmsd.spectral.classifier import SceneBands
from mtmsd.spectral.estimators import stratified_subsample
from mtmsd.stack.classifier import StackClassifier, StackSettings, answer, fit_stream
from mtmsd.stack.features import COMPONENTS, FeatureReader, PixelFeatures, features_alone
from mtmsd.stack.findings import classes_alike, doubtful_polygons, listened_to
from mtmsd.stack.folds import Folds, spatial_folds
from mtmsd.stack.novelty import places, usual_distance
from mtmsd.stack.pooling import (
    Pool,
    class_shares,
    equal_pool,
    favour_rare,
    fit_pool,
    floored,
)
from mtmsd.stack.streams import NETWORK, STREAMS

LARGEST_TRAINING = 6_000
"""Training pixels that the streams learn from; more would take minutes and gain little."""


class NetworkTrainingSet(Protocol):
    """What the diffusion network learns from (mtmsd.classify.training.TrainingSet)."""

    @property
    def settings(self) -> ClassifierSettings:
        """How it learns."""

    def with_settings(self, settings: ClassifierSettings) -> NetworkTrainingSet:
        """Return the same with other settings."""

    def select_settings(
        self, index: np.ndarray, *, seed: int, reporter: Reporter
    ) -> ClassifierSettings:
        """Return the settings that suit the labelled pixels ``index``."""

    def fit(self, index: np.ndarray, *, seed: int, reporter: Reporter) -> Any:
        """Return a network that has learnt the pixels ``index``."""

    def predict(self, classifier: Any, index: np.ndarray) -> np.ndarray:
        """Class probabilities (n, K) of labelled pixels."""

    def looks_at(self, classifier: Any) -> dict[str, Any] | None:
        """Return how the fusion weighs timesteps and stages, if it does."""

    def brief(self) -> NetworkTrainingSet:
        """Return one that learns in less time, for many fits."""


@dataclass(frozen=True)
class HeldOutAnswers:
    """What the stack says of pixels that it had not learnt, by folds.

    Attributes
    ----------
    index : int64 array (n,)
        Which labelled pixels.
    fold : int array (n,)
    streams : float64 array (S, n, K)
        Log-probabilities of each stream.
    probabilities : float32 array (n, K)
        Of the stack, each fold with weights that the other folds have chosen.
    """

    index: np.ndarray
    fold: np.ndarray
    streams: np.ndarray
    probabilities: np.ndarray


@dataclass(frozen=True)
class StackTrainingSet:
    """Features of all labelled pixels, and of the network where there is a diffusion model."""

    labels: Labels
    features: PixelFeatures
    whitening: Whitening
    model: SceneBands
    transform: Affine
    network: NetworkTrainingSet | None = None
    library: TrainingLibrary | None = None
    """Spectra that are learnt in every fit, and held out in none."""
    rare: float = 0.0
    """How much classes of few training pixels are favoured; see ClassifierSettings."""
    pool: Pool | None = None
    """Weights that are given, for many fits; None: the folds choose them."""
    fits: dict[tuple[bytes, int], tuple[StackClassifier, HeldOutAnswers | None]] = field(
        default_factory=dict, repr=False, compare=False
    )
    """The fit of all pixels, which the accuracy and the map share, and the last one of a part."""

    @classmethod
    def extract(
        cls,
        scene: Scene,
        labels: Labels,
        *,
        network: NetworkTrainingSet | None = None,
        library: TrainingLibrary | None = None,
        whitening: str = "pca",
        rare: float = 0.0,
        seed: int,
        reporter: Reporter,
    ) -> StackTrainingSet:
        """Read the features of all labelled pixels, behind a whitening by pca or mnf."""
        reporter.phase("features", "Reading the training pixels and what is around them")
        fitted = fit_whitening(
            scene, COMPONENTS, seed=seed, tick=reporter.check_canceled, method=whitening
        )
        if fitted.noise:
            reporter.warning(fitted.noise.sentence())
        reader = FeatureReader(scene, fitted)
        features = reader.at(labels.rows, labels.cols, reporter)
        model = SceneBands.of(scene, fitted.mean)
        if fitted.noise:
            model.metadata["noise"] = fitted.noise.described()
        return cls(labels, features, fitted, model, scene.transform, network, library, rare)

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams, the network last."""
        return (*STREAMS, NETWORK) if self.network else tuple(STREAMS)

    def fit(
        self, index: np.ndarray | None = None, *, seed: int, reporter: Reporter
    ) -> StackClassifier:
        """Fit to the labelled pixels ``index`` (all if None)."""
        return self.fit_and_answer(index, seed=seed, reporter=reporter)[0]

    def fit_and_answer(
        self, index: np.ndarray | None = None, *, seed: int, reporter: Reporter
    ) -> tuple[StackClassifier, HeldOutAnswers | None]:
        """Fit, and say what the folds have answered; None where nothing could be left out."""
        rows = np.arange(len(self.labels)) if index is None else np.asarray(index)
        key = (rows.tobytes(), seed)
        if key not in self.fits:
            for other in [known for known in self.fits if len(known[0]) < self._whole]:
                del self.fits[other]
            self.fits[key] = self._fit(rows, seed, reporter)
        return self.fits[key]

    @property
    def _whole(self) -> int:
        """Bytes in the key of a fit of all pixels."""
        return np.arange(len(self.labels)).nbytes

    def _fit(
        self, rows: np.ndarray, seed: int, reporter: Reporter
    ) -> tuple[StackClassifier, HeldOutAnswers | None]:
        reporter.check_canceled()
        values = self.labels.values
        shared = np.zeros(0, np.uint16) if self.library is None else self.library.values
        if len(np.unique(np.concatenate([values[rows], shared]))) < 2:
            raise InputError(
                "The classes cannot be learnt: there are labelled pixels of one class only.",
                hint="Draw training polygons of another class.",
            )
        kept = rows[stratified_subsample(values[rows], LARGEST_TRAINING, seed)]
        names, network = self.streams, self._paced(rows, seed, reporter)
        answers, notes, pool, usual = None, [], self.pool, 0.0
        if pool is None:
            folds = spatial_folds(self.labels.subset(kept), seed)
            answers, notes = self._answers(kept, folds, network, seed, reporter), [*folds.notes]
            pool = self._fitted_pool(answers.streams, answers.index)
            where = places(self.features.subset(kept), self.whitening)
            usual = usual_distance(where, folds.fold)
        if self.library is not None and usual:
            usual = 0.0
            notes.append(
                "Spectra of a library are farther from pixels than pixels from each other, so no "
                "pixel counts as unlike all that was learnt."
            )
        trained = network.fit(rows, seed=seed, reporter=reporter) if network else None
        settings = StackSettings(
            names, tuple(pool.shares.tolist()), float(1 / pool.temperature), seed, usual, self.rare
        )
        doubtful = []
        if answers is not None and len(answers.index):
            own = self.labels.subset(answers.index)
            doubtful = doubtful_polygons(own, answers.probabilities, self.transform)
            notes += classes_alike(own, answers.probabilities)
        if len(kept) <= len(np.unique(values[kept])):
            notes.append("With a pixel a class there is no spread to learn: draw larger polygons.")
        metadata: dict[str, Any] = {
            "version": __version__,
            "seed": seed,
            "samples": len(kept),
            "stack": {
                "streams": listened_to(names, settings.shares),
                "doubtful": doubtful,
                "notes": notes,
            },
        }
        if len(kept) < len(rows):
            metadata["thinned"] = {"kept": len(kept), "of": len(rows)}
        if self.library is not None:
            metadata["library"] = self.library.origin
        classifier = StackClassifier(
            self.model,
            self.whitening,
            settings,
            self.labels.classes,
            *self._learnt(kept, seed),
            trained,
            metadata,
        )
        return classifier, answers

    def _learnt(self, rows: np.ndarray, seed: int) -> tuple[PixelFeatures, np.ndarray]:
        """Return features and classes of the labelled pixels ``rows``, and of the library's."""
        pixels, values = self.features.subset(rows), self.labels.values[rows]
        if self.library is None:
            return pixels, values
        spectra, more = self.library.pixels(pixels.spectra, values, seed)
        return pixels.joined(features_alone(spectra, self.whitening)), np.append(values, more)

    def _paced(self, rows: np.ndarray, seed: int, reporter: Reporter) -> NetworkTrainingSet | None:
        """Return the network's training set, its learning rate chosen once for all folds."""
        network = self.network
        if network is None or network.settings.learning_rate:
            return network
        settings = network.select_settings(rows, seed=seed, reporter=reporter)
        return network.with_settings(settings)

    def _answers(
        self,
        kept: np.ndarray,
        folds: Folds,
        network: NetworkTrainingSet | None,
        seed: int,
        reporter: Reporter,
    ) -> HeldOutAnswers:
        """Let each stream learn all folds but one, and answer for that one."""
        classes = len(self.labels.classes)
        all_values = [c.value for c in self.labels.classes]
        asked = np.flatnonzero(folds.fold >= 0)
        streams = np.zeros((len(self.streams), len(kept), classes))
        for k in range(folds.count):
            reporter.phase("holdout", f"Learning without fold {k + 1} of {folds.count}")
            known, left_out = kept[folds.fold != k], kept[folds.fold == k]
            there = folds.fold == k
            known_pixels, learnt_values = self._learnt(known, seed)
            learnt_target = np.searchsorted(all_values, learnt_values)
            asked_pixels = self.features.subset(left_out)
            for i, name in enumerate(self.streams):
                reporter.check_canceled()
                if name != NETWORK:
                    own = fit_stream(name, known_pixels, learnt_target, seed)
                    found = answer(name, own, asked_pixels, classes)
                elif network is not None:
                    learnt = network.brief().fit(known, seed=seed, reporter=reporter)
                    found = network.predict(learnt, left_out)
                streams[i, there] = floored(found)
        streams = streams[:, asked]
        fold = folds.fold[asked]
        pooled = np.zeros(streams.shape[1:], np.float32)
        shares = class_shares(self.labels.values[kept], all_values)
        for k in range(folds.count):
            others = fold != k
            pool = self._fitted_pool(streams[:, others], kept[asked][others])
            found = pool.log_probabilities(streams[:, fold == k])
            pooled[fold == k] = np.exp(favour_rare(found, shares, self.rare))
        return HeldOutAnswers(kept[asked], fold, streams, pooled)

    def _fitted_pool(self, streams: np.ndarray, index: np.ndarray) -> Pool:
        """Fit the weights to held-out answers for the labelled pixels ``index``."""
        if not len(index):
            return equal_pool(len(streams))
        values = [c.value for c in self.labels.classes]
        truth = np.searchsorted(values, self.labels.values[index])
        return fit_pool(streams, truth, self.labels.groups[index])

    def predict(self, classifier: StackClassifier, index: np.ndarray) -> np.ndarray:
        """Class probabilities (n, K) of labelled pixels."""
        network = None
        if classifier.network is not None and self.network is not None:
            network = self.network.predict(classifier.network, index)
        return classifier.probabilities(self.features.subset(index), network)

    def decide(
        self, classifier: StackClassifier, index: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Class probabilities (n, K) of labelled pixels, and the likeliest class (n,)."""
        found = self.predict(classifier, index)
        return found, found.argmax(1)

    def looks_at(self, classifier: StackClassifier) -> dict[str, Any] | None:
        """Return how timesteps and stages weigh in the network, if it is listened to."""
        if self.network is None or not classifier.listens_to_network:
            return None
        return self.network.looks_at(classifier.network)

    def brief(self) -> StackTrainingSet:
        """Return what is fitted where many fits are needed: the weights as they are."""
        last = next(reversed(self.fits.values()), None)
        pool = last[0].settings.pool if last else equal_pool(len(self.streams))
        network = self.network.brief() if self.network else None
        return replace(self, network=network, pool=pool, fits={})

    def fold_answers(
        self, seed: int, reporter: Reporter
    ) -> tuple[list[tuple[Labels, Labels]], np.ndarray]:
        """Return training and test pixels of each fold, and what was said of the test pixels.

        Returns
        -------
        parts : list of (train, test)
        probabilities : float32, shape (n, K)
            Of the test pixels of all folds, fold by fold.
        """
        _, answers = self.fit_and_answer(None, seed=seed, reporter=reporter)
        if answers is None:
            return [], np.zeros((0, len(self.labels.classes)), np.float32)
        order = np.argsort(answers.fold, kind="stable")
        parts = [(split.train, split.test) for split in fold_splits(self.labels, seed)]
        return parts, answers.probabilities[order]

    def network_answers(self, seed: int, reporter: Reporter) -> np.ndarray | None:
        """Return what the diffusion network alone said of the pixels of ``fold_answers``."""
        _, answers = self.fit_and_answer(None, seed=seed, reporter=reporter)
        if answers is None or self.network is None:
            return None
        order = np.argsort(answers.fold, kind="stable")
        return np.exp(answers.streams[-1][order]).astype(np.float32)


def fold_splits(labels: Labels, seed: int) -> tuple[Split, ...]:
    """Return the folds by which a stack is weighed, as splits; empty if nothing is left out."""
    own = labels.subset(stratified_subsample(labels.values, LARGEST_TRAINING, seed))
    folds = spatial_folds(own, seed)
    tested = set(np.unique(own.values[folds.fold >= 0]).tolist())
    missing = tuple(info for info in labels.classes if info.value not in tested)
    sentence = (
        f"Spatial cross-validation: whole polygons, or blocks of wide ones, in {folds.count} "
        "folds, each tested once."
    )
    return tuple(
        Split(own.subset(folds.fold != k), own.subset(folds.fold == k), missing, sentence)
        for k in range(folds.count)
    )
