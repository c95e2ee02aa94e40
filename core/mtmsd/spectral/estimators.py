"""Simple classifiers of single spectra: support vector machine and random forest."""

from __future__ import annotations

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

from mtmsd.errors import InputError
from mtmsd.labels.thinning import stratified_subsample

Spectra = NDArray[np.float32]
Fold = tuple[NDArray[np.int64], NDArray[np.int64]]

LARGEST_TRAINING = 20_000
"""Training pixels one learns from; more would take minutes and gain little."""
LARGEST_SEARCH = 2_000
"""Pixels on which the SVM's two numbers are chosen."""
CHUNK = 65_536
"""Spectra that are classified at once."""


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
class Fitted:
    """A function from spectra to class probabilities."""

    name: str
    title: str
    values: NDArray[np.uint16]
    """Class values in the order of the probabilities' columns, shape (K,)."""
    estimator: ClassifierMixin
    parameters: dict[str, Any]
    """What the grid search has chosen; empty without one."""

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


def fit(
    name: str,
    spectra: Spectra,
    values: NDArray[np.uint16],
    *,
    seed: int,
    groups: NDArray[np.int32] | None = None,
    calibrate: bool = False,
    parameters: dict[str, Any] | None = None,
) -> Fitted:
    """Fit a simple classifier.

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
        Give an SVM probabilities by cross-validation (Platt's sigmoid), which takes four fits
        instead of one; the class is then the likeliest one. A forest has them anyway.
    parameters : dict, optional
        Chosen by an earlier fit, instead of a grid search.

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
    units = None if groups is None else groups[kept]
    if parameters is None:
        parameters = _search(method, estimator, spectra, values, units, seed)
    estimator.set_params(**parameters)
    if calibrate and not hasattr(estimator, "predict_proba"):
        folds = _folds(values, units, seed)
        if not folds:
            raise InputError(
                f"The {method.title} needs two pixels of each class to give probabilities.",
                hint="Draw larger training polygons.",
            )
        estimator = CalibratedClassifierCV(estimator, cv=folds, ensemble=False)
    estimator.fit(spectra, values)
    return Fitted(name, method.title, classes, estimator, parameters)


def _search(
    method: _Method,
    estimator: ClassifierMixin,
    spectra: Spectra,
    values: NDArray[np.uint16],
    units: NDArray[np.int32] | None,
    seed: int,
) -> dict[str, Any]:
    """Choose the method's numbers on a part of the pixels; none where it has no grid."""
    few = stratified_subsample(values, LARGEST_SEARCH, seed)
    parted = units[few] if units is not None and method.whole_polygons else None
    folds = _folds(values[few], parted, seed) if method.grid else []
    if not folds:
        return {}
    search = GridSearchCV(estimator, method.grid, cv=folds, refit=False)
    return dict(search.fit(spectra[few], values[few]).best_params_)


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
