"""What a simple classifier on the plain spectra gets from the same training pixels."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mtmsd.assess.class_map import by_block
from mtmsd.errors import InputError
from mtmsd.reporting import Reporter
from mtmsd.scene.labels import Labels
from mtmsd.scene.raster import Scene

Spectra = NDArray[np.float32]
Fold = tuple[NDArray[np.int64], NDArray[np.int64]]

LARGEST_TRAINING = 20_000
"""Training pixels a baseline learns from; more would take minutes and gain little."""
LARGEST_SEARCH = 2_000
"""Pixels on which the SVM's two numbers are chosen."""
CHUNK = 65_536
"""Spectra that are classified at once."""


@dataclass(frozen=True)
class Baseline:
    """A baseline's answer for the test pixels."""

    name: str
    title: str
    predicted: NDArray[np.uint16]
    """Class values, shape (n_test,)."""
    seconds: float
    """Wall time of fitting and predicting."""


def _svm(seed: int) -> ClassifierMixin:
    return make_pipeline(StandardScaler(), SVC(C=100.0, decision_function_shape="ovr"))


def _forest(seed: int) -> ClassifierMixin:
    return RandomForestClassifier(200, n_jobs=-1, random_state=seed)


@dataclass(frozen=True)
class _Method:
    title: str
    make: Callable[[int], ClassifierMixin]
    grid: dict[str, list[Any]] | None = None
    whole_polygons: bool = False
    """Whether the grid search leaves out whole polygons rather than pixels."""


_SVM_GRID: dict[str, list[Any]] = {
    "svc__C": [1.0, 10.0, 100.0, 1000.0],
    "svc__gamma": ["scale", 0.001],
}

# Beside the training pixels an SVM tuned on pixels is the stronger one (by about a point on
# EnMAP Potsdam), farther away one tuned on polygons (by about four). A baseline should not be
# beaten because it was tuned badly, so both stand.
METHODS = {
    "svm": _Method("support vector machine on plain spectra", _svm, _SVM_GRID),
    "svm-polygons": _Method(
        "polygon-tuned support vector machine on plain spectra",
        _svm,
        _SVM_GRID,
        whole_polygons=True,
    ),
    "rf": _Method("random forest on plain spectra", _forest),
}


@dataclass(frozen=True)
class SpectralClassifier:
    """A fitted baseline: a function from spectra to class probabilities."""

    name: str
    title: str
    values: NDArray[np.uint16]
    """Class values in the order of the probabilities' columns, shape (K,)."""
    estimator: ClassifierMixin

    def predict(self, spectra: Spectra) -> NDArray[np.uint16]:
        """Return the class value of each spectrum, shape (n,), for spectra (n, bands)."""
        chunks = range(0, len(spectra), CHUNK)
        parts = [self.estimator.predict(spectra[i : i + CHUNK]) for i in chunks]
        return np.concatenate(parts) if parts else np.zeros(0, np.uint16)

    def probabilities(self, spectra: Spectra) -> NDArray[np.float32]:
        """Return class probabilities, shape (n, K), for spectra (n, bands).

        An SVM has them only if it was fitted with ``calibrate``.
        """
        chunks = [spectra[i : i + CHUNK] for i in range(0, len(spectra), CHUNK)]
        parts = [self.estimator.predict_proba(chunk) for chunk in chunks]
        return np.concatenate([np.zeros((0, len(self.values))), *parts]).astype(np.float32)

    def window(
        self, scene: Scene, row: int, col: int, height: int, width: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Classify a window of a scene.

        Returns
        -------
        probabilities : float32, shape (K, height, width)
            0 where not valid.
        valid : bool, shape (height, width)
        """
        block, valid = scene.read(row, col, height, width)
        result = np.zeros((len(self.values), height, width), np.float32)
        result[:, valid] = self.probabilities(block[:, valid].T).T
        return result, valid


def fit(
    name: str,
    spectra: Spectra,
    values: NDArray[np.uint16],
    *,
    seed: int,
    groups: NDArray[np.int32] | None = None,
    calibrate: bool = False,
) -> SpectralClassifier:
    """Fit a baseline.

    Parameters
    ----------
    name : str
        ``"svm"``, ``"svm-polygons"`` or ``"rf"``.
    spectra : float32, shape (n, bands)
    values : uint16, shape (n,)
        Class values.
    seed : int
        Of the subsamples and the forest.
    groups : int32, shape (n,), optional
        The polygon of each pixel: what is left out together in cross-validation, for
        ``"svm-polygons"`` and for the calibration.
    calibrate : bool
        Calibrate probabilities by cross-validation (Platt's sigmoid), which takes four fits
        instead of one; the class is then the likeliest one.

    Raises
    ------
    InputError
        With fewer than two classes, or with ``calibrate`` and a class of one pixel.
    """
    method = METHODS[name]
    kept = stratified_subsample(values, LARGEST_TRAINING, seed)
    spectra, values = spectra[kept], values[kept]
    classes = np.unique(values)
    if len(classes) < 2:
        raise InputError(
            f"The {method.title} needs pixels of at least two classes; there is {len(classes)}.",
            hint="Draw training polygons of another class.",
        )
    estimator = method.make(seed)
    few = stratified_subsample(values, LARGEST_SEARCH, seed)
    units = None if groups is None else groups[kept]
    if method.grid:
        parted = units[few] if units is not None and method.whole_polygons else None
        folds = _folds(values[few], parted, seed)
        if folds:
            search = GridSearchCV(estimator, method.grid, cv=folds, refit=False)
            estimator.set_params(**search.fit(spectra[few], values[few]).best_params_)
    if calibrate:
        folds = _folds(values, units, seed)
        if not folds:
            raise InputError(
                f"The {method.title} needs two pixels of each class to give probabilities.",
                hint="Draw larger training polygons.",
            )
        estimator = CalibratedClassifierCV(estimator, cv=folds, ensemble=False)
    estimator.fit(spectra, values)
    return SpectralClassifier(name, method.title, classes, estimator)


def spectral_baselines(
    scene: Scene, train: Labels, test: Labels, *, seed: int, reporter: Reporter
) -> list[Baseline]:
    """Fit every baseline on the training pixels and predict the test pixels.

    The SVM tuned over whole polygons is left out where it answers exactly as the other one.

    Parameters
    ----------
    scene : Scene
    train, test : Labels
        On the scene's grid.

    Raises
    ------
    InputError
        If the training labels have fewer than two classes.
    Canceled
        If the user asked to stop.
    """
    known = read_spectra(scene, train.rows, train.cols, reporter)
    asked = read_spectra(scene, test.rows, test.cols, reporter)
    results: list[Baseline] = []
    for done, (name, method) in enumerate(METHODS.items()):
        reporter.progress(done, len(METHODS), "classifiers")
        start = time.perf_counter()
        predicted = fit(name, known, train.values, seed=seed, groups=train.groups).predict(asked)
        seconds = time.perf_counter() - start
        if not (method.whole_polygons and np.array_equal(predicted, results[-1].predicted)):
            results.append(Baseline(name, method.title, predicted, seconds))
    reporter.progress(len(METHODS), len(METHODS), "classifiers")
    return results


def read_spectra(
    scene: Scene, rows: NDArray[np.int32], cols: NDArray[np.int32], reporter: Reporter
) -> Spectra:
    """Read the spectra of single pixels, block by block.

    Parameters
    ----------
    scene : Scene
    rows, cols : int32, shape (n,)

    Returns
    -------
    float32, shape (n, bands used)

    Notes
    -----
    Holds the result and one block of at most 128×128 pixels.
    """
    spectra = np.zeros((len(rows), len(scene.used)), np.float32)
    for members in by_block(rows, cols, 128):
        reporter.check_canceled()
        r, c = rows[members], cols[members]
        top, left = int(r.min()), int(c.min())
        values, _ = scene.read(top, left, int(r.max()) - top + 1, int(c.max()) - left + 1)
        spectra[members] = values[:, r - top, c - left].T
    return spectra


def stratified_subsample(values: NDArray, limit: int, seed: int) -> NDArray[np.int64]:
    """Choose at most about ``limit`` positions, sharing them out as the classes are.

    Every class keeps at least 10 pixels, or all that it has.

    Returns
    -------
    int64, shape (m,)
        Sorted positions.
    """
    if len(values) <= limit:
        return np.arange(len(values))
    generator = np.random.default_rng(seed)
    chosen = []
    for value in np.unique(values):
        members = np.flatnonzero(values == value)
        size = max(int(len(members) * limit / len(values)), min(10, len(members)))
        chosen.append(generator.choice(members, size, replace=False))
    return np.sort(np.concatenate(chosen))


def _folds(values: NDArray, groups: NDArray | None, seed: int) -> list[Fold]:
    """Part pixels into up to three folds, whole polygons where a class has enough of them.

    Returns
    -------
    list of (train, test)
        Positions; every class is in every training part. Empty if a class has one pixel.
    """
    classes, counts = np.unique(values, return_counts=True)
    splits = min(3, int(counts.min()))
    if splits < 2:
        return []
    by_pixel = StratifiedKFold(splits, shuffle=True, random_state=seed)
    if groups is not None:
        unit = groups.astype(np.int64)
        for value in classes:
            members = np.flatnonzero(values == value)
            if len(np.unique(unit[members])) < splits:
                unit[members] = -1 - members  # too few polygons: each pixel by itself
        by_group = StratifiedGroupKFold(splits, shuffle=True, random_state=seed)
        folds = list(by_group.split(values, values, unit))
        if all(len(np.unique(values[a])) == len(classes) and len(b) for a, b in folds):
            return folds
    return list(by_pixel.split(values, values))
