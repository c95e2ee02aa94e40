"""What a simple classifier on the plain spectra gets from the same training pixels."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mtmsd.assess.calibration import fit_temperature, temper
from mtmsd.assess.class_map import by_block
from mtmsd.errors import InputError
from mtmsd.reporting import Reporter
from mtmsd.scene.labels import Labels
from mtmsd.scene.raster import Scene

Spectra = NDArray[np.float32]

LARGEST_TRAINING = 20_000
"""Training pixels a baseline learns from; more would take minutes and gain little."""
LARGEST_SEARCH = 2_000
"""Pixels on which the SVM's two numbers are chosen and probabilities are calibrated."""
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


def _svm(seed: int) -> BaseEstimator:
    return make_pipeline(StandardScaler(), SVC(C=100.0, decision_function_shape="ovr"))


def _forest(seed: int) -> BaseEstimator:
    return RandomForestClassifier(300, n_jobs=-1, random_state=seed)


@dataclass(frozen=True)
class _Method:
    title: str
    make: Callable[[int], BaseEstimator]
    grid: dict[str, list[Any]] | None = None


METHODS = {
    "svm": _Method(
        "support vector machine on plain spectra",
        _svm,
        {"svc__C": [1.0, 10.0, 100.0, 1000.0], "svc__gamma": ["scale", 0.01, 0.001]},
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
    estimator: BaseEstimator
    temperature: float
    """Of the softmax that makes scores into probabilities; see :mod:`.calibration`."""

    def predict(self, spectra: Spectra) -> NDArray[np.uint16]:
        """Return the class value of each spectrum, shape (n,), for spectra (n, bands)."""
        chunks = range(0, len(spectra), CHUNK)
        parts = [self.estimator.predict(spectra[i : i + CHUNK]) for i in chunks]
        return np.concatenate(parts) if parts else np.zeros(0, np.uint16)

    def probabilities(self, spectra: Spectra) -> NDArray[np.float32]:
        """Return class probabilities, shape (n, K), for spectra (n, bands)."""
        chunks = [spectra[i : i + CHUNK] for i in range(0, len(spectra), CHUNK)]
        parts = [temper(_scores(self.estimator, chunk), self.temperature) for chunk in chunks]
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
    calibrate: bool = False,
) -> SpectralClassifier:
    """Fit a baseline.

    Parameters
    ----------
    name : str
        ``"svm"`` or ``"rf"``.
    spectra : float32, shape (n, bands)
    values : uint16, shape (n,)
        Class values.
    seed : int
        Of the subsamples and the forest.
    calibrate : bool
        Fit the temperature of the probabilities by cross-validation on the training pixels;
        only needed where probabilities are.

    Raises
    ------
    InputError
        With fewer than two classes.
    """
    method = METHODS[name]
    kept = stratified_subsample(values, LARGEST_TRAINING, seed)
    spectra, values = spectra[kept], values[kept]
    classes, counts = np.unique(values, return_counts=True)
    if len(classes) < 2:
        raise InputError(
            f"The {method.title} needs pixels of at least two classes; there is {len(classes)}.",
            hint="Draw training polygons of another class.",
        )
    estimator = method.make(seed)
    temperature = 1.0
    if counts.min() >= 2:
        few = stratified_subsample(values, LARGEST_SEARCH, seed)
        folds = StratifiedKFold(min(3, int(counts.min())), shuffle=True, random_state=seed)
        if method.grid:
            search = GridSearchCV(estimator, method.grid, cv=folds, refit=False)
            estimator.set_params(**search.fit(spectra[few], values[few]).best_params_)
        if calibrate:
            temperature = _held_out_temperature(estimator, spectra[few], values[few], folds)
    estimator.fit(spectra, values)
    return SpectralClassifier(name, method.title, classes, estimator, temperature)


def spectral_baselines(
    scene: Scene, train: Labels, test: Labels, *, seed: int, reporter: Reporter
) -> list[Baseline]:
    """Fit every baseline on the training pixels and predict the test pixels.

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
    results = []
    for done, (name, method) in enumerate(METHODS.items()):
        reporter.progress(done, len(METHODS), "classifiers")
        start = time.perf_counter()
        predicted = fit(name, known, train.values, seed=seed).predict(asked)
        results.append(Baseline(name, method.title, predicted, time.perf_counter() - start))
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


def _held_out_temperature(
    estimator: BaseEstimator, spectra: Spectra, values: NDArray, folds: StratifiedKFold
) -> float:
    classes, truth = np.unique(values, return_inverse=True)
    scores = np.zeros((len(values), len(classes)))
    for train, test in folds.split(spectra, values):
        fitted = clone(estimator).fit(spectra[train], values[train])
        scores[test] = _scores(fitted, spectra[test])
    return fit_temperature(scores, truth)


def _scores(estimator: BaseEstimator, spectra: Spectra) -> NDArray[np.float64]:
    """Return uncalibrated class probabilities, shape (n, K)."""
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(spectra)
    decision = estimator.decision_function(spectra)
    if decision.ndim == 1:
        decision = np.stack([-decision, decision], 1)
    return softmax(decision, axis=1)
