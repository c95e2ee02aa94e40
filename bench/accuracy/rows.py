"""What is compared: each row learns some labelled pixels and predicts others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from mtmsd.diffusion.devices import choose_device
from mtmsd.diffusion.model import DiffusionModel
from mtmsd.reporting import Reporter
from mtmsd.scene.pixels import read_spectra
from mtmsd.scene.whitening import fit_whitening, read_whitened
from mtmsd.settings import Settings
from mtmsd.spectral.estimators import fit as fit_spectral
from mtmsd.stack.training import StackTrainingSet
from scipy.ndimage import uniform_filter
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from accuracy.models import pretrained, untrained
from accuracy.protocols import Parts
from accuracy.scenes import CASES

COMPONENTS = 32


class SceneData:
    """A scene's features at its labelled pixels: each read once, when it is first asked for."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings = settings
        self.scene, self.labels = CASES[name].open()
        self._sets: dict[Any, Any] = {}

    @cached_property
    def bands(self) -> np.ndarray:
        """All bands, float32 (n, B)."""
        return read_spectra(self.scene, self.labels.rows, self.labels.cols, Reporter())

    @cached_property
    def shape(self) -> np.ndarray:
        """Bands without brightness: each spectrum less its mean, over its deviation."""
        centred = self.bands - self.bands.mean(1, keepdims=True)
        return centred / np.maximum(centred.std(1, keepdims=True), 1e-6)

    @cached_property
    def neighbourhood(self) -> np.ndarray:
        """32 half-whitened components and their 3×3 and 9×9 means, float32 (n, 96)."""
        whitening = fit_whitening(self.scene, COMPONENTS, seed=0)
        size = (self.scene.height, self.scene.width)
        values, valid = read_whitened(self.scene, whitening, 0, 0, *size)
        values = values * whitening.emphasis[:, None, None]
        layers = [values]
        for side in (3, 9):
            share = np.maximum(uniform_filter(valid.astype(np.float32), side), 1e-6)
            means = [uniform_filter(layer, side) / share for layer in values]
            layers.append(np.stack(means))
        return np.concatenate(layers)[:, self.labels.rows, self.labels.cols].T

    @cached_property
    def stack(self) -> StackTrainingSet:
        """What the stack without network learns from."""
        rare = self.settings.classifier.rare_classes
        return StackTrainingSet.extract(
            self.scene, self.labels, rare=rare, seed=0, reporter=Reporter()
        )

    def prepare(self, row: str) -> None:
        """Read what a row learns from, so that no row's seconds hold what others share."""
        if ROWS[row].features:
            getattr(self, ROWS[row].features)

    def training_set(self, kind: str, make: Callable[[], Any]) -> Any:
        """Return what a learner of the product has read, made once."""
        if kind not in self._sets:
            self._sets[kind] = make()
        return self._sets[kind]

    def model(self, trained: bool, backbone: str = "") -> DiffusionModel:
        """Return the diffusion model of this scene, or the same network without pretraining."""
        make, settings = pretrained if trained else untrained, self.settings
        if backbone:
            settings = replace(settings, pretrain=replace(settings.pretrain, backbone=backbone))
        return make(self.scene, self.name, settings)


Answer = tuple[np.ndarray, np.ndarray | None]
"""Class values (n_test,), and their confidence or None."""


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    title: str
    answer: Callable[[SceneData, Parts, int], Answer]
    features: str = ""
    """What of the scene is read before the seconds are counted."""


def _simple(features: str, make: Callable[[int], Any]) -> Callable[..., Answer]:
    def answer(data: SceneData, parts: Parts, seed: int) -> Answer:
        values = getattr(data, features)
        estimator = make(seed).fit(values[parts.train], parts.labels.values[parts.train])
        found = estimator.predict_proba(values[parts.test])
        return estimator.classes_[found.argmax(1)], found.max(1)

    return answer


def _svm(features: str, name: str = "svm") -> Callable[..., Answer]:
    """Return the product's own support vector machine, its numbers chosen on the labels."""

    def answer(data: SceneData, parts: Parts, seed: int) -> Answer:
        values, truth = getattr(data, features), parts.labels.values[parts.train]
        groups = parts.labels.groups[parts.train]
        chosen = fit_spectral(name, values[parts.train], truth, seed=seed, groups=groups)
        confidence = None
        if np.unique(truth, return_counts=True)[1].min() > 1:
            calibrated = fit_spectral(
                name, values[parts.train], truth, seed=seed, groups=groups, calibrate=True,
                parameters=chosen.parameters,
            )  # fmt: skip
            confidence = calibrated.probabilities(values[parts.test]).max(1)
        return chosen.predict(values[parts.test]), confidence

    return answer


def _logistic(seed: int) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=500))


def _discriminant(seed: int) -> Any:
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")


def _forest(seed: int) -> Any:
    return RandomForestClassifier(200, random_state=seed)


def _extra(seed: int) -> Any:
    return ExtraTreesClassifier(300, random_state=seed)


def _network_samples(data: SceneData, trained: bool, backbone: str = "", **changed: Any) -> Any:
    """Read what the diffusion network sees with some settings changed, once a scene."""
    from mtmsd.classify.training import TrainingSet

    settings = replace(data.settings.classifier, **changed)
    return data.training_set(
        f"mtmsd, {trained}, {backbone}, {changed}",
        lambda: TrainingSet.extract(
            data.scene, data.labels, data.model(trained, backbone), settings,
            device=choose_device("auto"), seed=0, reporter=Reporter(),
        ),
    )  # fmt: skip


def _network(trained: bool, **changed: Any) -> Callable[..., Answer]:
    """Return MTMSD alone, with some of the classifier's settings or the backbone changed."""

    def answer(data: SceneData, parts: Parts, seed: int) -> Answer:
        samples = replace(_network_samples(data, trained, **changed), labels=parts.labels)
        classifier = samples.fit(parts.train, seed=seed, reporter=Reporter())
        return _likeliest(samples, classifier, parts)

    return answer


def _stack(trained: bool | None, **changed: Any) -> Callable[..., Answer]:
    """Return the product's stack: without a network (None), or with one of such settings."""

    def answer(data: SceneData, parts: Parts, seed: int) -> Answer:
        samples = replace(data.stack, labels=parts.labels, fits={})
        if trained is not None:
            network = replace(_network_samples(data, trained, **changed), labels=parts.labels)
            samples = replace(samples, network=network)
        classifier = samples.fit(parts.train, seed=seed, reporter=Reporter())
        return _likeliest(samples, classifier, parts)

    return answer


def _supertokens(data: SceneData, parts: Parts, seed: int) -> Answer:
    """Return the class of each pixel's region."""
    from mtmsd.regions.methods import Supertokens

    train, test = (parts.labels.subset(index) for index in (parts.train, parts.test))
    method = Supertokens.of(data.scene, train, 0, seed, Reporter())
    classifier = method.learn(train, seed=seed, reporter=Reporter())
    found = method.answers(classifier, test).probabilities
    return np.array([info.value for info in train.classes])[found.argmax(1)], found.max(1)


def _likeliest(samples: Any, classifier: Any, parts: Parts) -> Answer:
    """Classes and confidence, as they are mapped."""
    from mtmsd.classify.uncertainty import tempered

    found = tempered(samples.predict(classifier, parts.test), classifier.temperature, 1)
    values = np.array([info.value for info in classifier.classes])
    return values[found.argmax(1)], found.max(1)


ROWS: dict[str, Row] = {
    "svm": Row("SVM, bands", _svm("bands"), "bands"),
    "rf": Row("random forest, bands", _simple("bands", _forest), "bands"),
    "lr": Row("LR, bands", _simple("bands", _logistic), "bands"),
    "lda": Row("LDA, bands", _simple("bands", _discriminant), "bands"),
    "svm-shape": Row("SVM, bands without brightness", _svm("shape"), "shape"),
    "rf-shape": Row("random forest, without brightness", _simple("shape", _forest), "shape"),
    "lr-shape": Row("LR, without brightness", _simple("shape", _logistic), "shape"),
    "lda-shape": Row("LDA, without brightness", _simple("shape", _discriminant), "shape"),
    "svm-means": Row("SVM, components and their means", _svm("neighbourhood"), "neighbourhood"),
    "et-means": Row(
        "extra trees, components and their means", _simple("neighbourhood", _extra), "neighbourhood"
    ),
    "stack": Row("the stack without network", _stack(None), "stack"),
    "product-untrained": Row("the product, untrained U-Net", _stack(False), "stack"),
    "product": Row("the product", _stack(True), "stack"),
    "mtmsd": Row("MTMSD alone", _network(True)),
    "mtmsd-untrained": Row("MTMSD alone, untrained U-Net", _network(False)),
    "patchwise": Row(
        "MTMSD alone, patchwise features (slow)", _network(True, features="patchwise")
    ),
    "hyperfeatures": Row("MTMSD alone, hyperfeatures", _network(True, fusion="hyperfeatures")),
    "product-hyperfeatures": Row(
        "the product, hyperfeatures", _stack(True, fusion="hyperfeatures"), "stack"
    ),
    "multistage": Row("MTMSD alone, backbone multistage", _network(True, backbone="multistage")),
    "product-multistage": Row(
        "the product, backbone multistage", _stack(True, backbone="multistage"), "stack"
    ),
    "sst": Row("MTMSD alone, head sst", _network(True, head="sst")),
    "sst-components": Row(
        "spectral-spatial transformer on components", _network(True, head="sst", input="components")
    ),
    "supertokens": Row("supertokens (regions)", _supertokens),
}
"""Every line by name; those after ``mtmsd-untrained`` run only when they are asked for."""
USUAL = [*ROWS][: [*ROWS].index("patchwise")]
