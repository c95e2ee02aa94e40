"""The streams of the stack, by name: what each sees of a pixel, and what learns from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mtmsd.stack.features import PixelFeatures

NETWORK = "mtmsd"
"""The stream that is the diffusion network."""
TREES = 200
TREE_COMPONENTS = 20


def bands(pixels: PixelFeatures) -> np.ndarray:
    """All bands."""
    return pixels.spectra


def shape(pixels: PixelFeatures) -> np.ndarray:
    """Spectra without brightness: less their mean, over their deviation (SNV)."""
    centred = pixels.spectra - pixels.spectra.mean(1, keepdims=True)
    return centred / np.maximum(centred.std(1, keepdims=True), 1e-6)


def components(pixels: PixelFeatures) -> np.ndarray:
    """Whitened components."""
    return pixels.context[:, 0]


def surroundings(pixels: PixelFeatures) -> np.ndarray:
    """Whitened components and their means around."""
    kept = pixels.context[:, :, :TREE_COMPONENTS]
    return kept.reshape(len(kept), -1)


def _logistic(seed: int) -> ClassifierMixin:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))


def _discriminant(seed: int) -> ClassifierMixin:
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")


def _trees(seed: int) -> ClassifierMixin:
    return ExtraTreesClassifier(TREES, random_state=seed, n_jobs=-1)


@dataclass(frozen=True)
class Stream:
    """A simple classifier: what it is called, what it sees, and how it is made from a seed."""

    title: str
    features: Callable[[PixelFeatures], np.ndarray]
    make: Callable[[int], ClassifierMixin]
    spread: bool = False
    """Whether it needs the spread within classes: more pixels than there are classes."""


STREAMS: dict[str, Stream] = {
    "lr-bands": Stream("logistic regression on all bands", bands, _logistic),
    "lr-shape": Stream("logistic regression on spectra without brightness", shape, _logistic),
    "lda-shape": Stream(
        "discriminant analysis of spectra without brightness",
        shape,
        _discriminant,
        spread=True,
    ),
    "trees-around": Stream(
        "extra trees on components and their means around", surroundings, _trees
    ),
    "lda-around": Stream(
        "discriminant analysis of components and their means around",
        surroundings,
        _discriminant,
        spread=True,
    ),
}
