"""What a simple classifier on the plain spectra gets from the same training pixels."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtmsd.assess.informing import Informing
from mtmsd.labels.labels import Labels
from mtmsd.libraries.training import TrainingLibrary
from mtmsd.reporting import Reporter
from mtmsd.scene.pixels import read_spectra
from mtmsd.scene.raster import Scene
from mtmsd.spectral.estimators import METHODS, fit

NETWORK = "mtmsd"
"""Name of the diffusion network alone, which is no spectral baseline."""


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
    library: TrainingLibrary | None = None,
    informing: Informing | None = None,
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
    library : TrainingLibrary, optional
        Spectra that are learnt beside the training pixels.
    informing : Informing, optional
        Told of what fails; a baseline that fails is left out.

    Raises
    ------
    Canceled
        If the user asked to stop.
    """
    informing = informing or Informing(reporter)
    spectra = informing.attempt(
        "No spectral baseline",
        lambda: [
            [read_spectra(scene, labels.rows, labels.cols, reporter) for labels in part]
            for part in parts
        ],
    )
    if not spectra:
        return []

    def answers(name: str) -> NDArray[np.uint16]:
        found = []
        for (known, asked), (train, _) in zip(spectra, parts, strict=True):
            learnt = known, train.values, train.groups
            if library is not None:
                learnt = library.added_to(*learnt, seed)
            found.append(fit(name, *learnt[:2], seed=seed, groups=learnt[2]).predict(asked))
        return np.concatenate(found)

    results: list[Baseline] = []
    for done, (name, method) in enumerate(METHODS.items()):
        reporter.progress(done, len(METHODS), "classifiers")
        if name == leave_out:
            continue
        start = time.perf_counter()
        predicted = informing.attempt(
            f"No comparison with the {method.title}", functools.partial(answers, name)
        )
        if predicted is None:
            continue
        seconds = time.perf_counter() - start
        if not any(np.array_equal(predicted, other.predicted) for other in results if method.grid):
            results.append(Baseline(name, method.title, predicted, seconds))
    reporter.progress(len(METHODS), len(METHODS), "classifiers")
    return results
