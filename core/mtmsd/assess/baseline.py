"""What a simple classifier on the plain spectra gets from the same training pixels."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtmsd.labels.labels import Labels
from mtmsd.reporting import Reporter
from mtmsd.scene.pixels import read_spectra
from mtmsd.scene.raster import Scene
from mtmsd.spectral.estimators import METHODS, fit


@dataclass(frozen=True)
class Baseline:
    """A baseline's answer for the test pixels."""

    name: str
    title: str
    predicted: NDArray[np.uint16]
    """Class values, shape (n_test,)."""
    seconds: float
    """Wall time of fitting and predicting."""


def spectral_baselines(
    scene: Scene,
    parts: Sequence[tuple[Labels, Labels]],
    *,
    seed: int,
    leave_out: str = "",
    reporter: Reporter,
) -> list[Baseline]:
    """Fit every baseline on the training pixels and predict the test pixels.

    The SVM tuned over whole polygons is left out where it answers exactly as the other one.

    Parameters
    ----------
    scene : Scene
    parts : sequence of (train, test)
        On the scene's grid; the answers for the test pixels of all parts are joined.
    leave_out : str
        Name of a baseline that is not wanted.

    Raises
    ------
    InputError
        If the training labels have fewer than two classes.
    Canceled
        If the user asked to stop.
    """
    spectra = [
        [read_spectra(scene, labels.rows, labels.cols, reporter) for labels in part]
        for part in parts
    ]
    results: list[Baseline] = []
    for done, (name, method) in enumerate(METHODS.items()):
        reporter.progress(done, len(METHODS), "classifiers")
        if name == leave_out:
            continue
        start = time.perf_counter()
        predicted = np.concatenate(
            [
                fit(name, known, train.values, seed=seed, groups=train.groups).predict(asked)
                for (known, asked), (train, _) in zip(spectra, parts, strict=True)
            ]
        )
        seconds = time.perf_counter() - start
        if not any(np.array_equal(predicted, other.predicted) for other in results if method.grid):
            results.append(Baseline(name, method.title, predicted, seconds))
    reporter.progress(len(METHODS), len(METHODS), "classifiers")
    return results
