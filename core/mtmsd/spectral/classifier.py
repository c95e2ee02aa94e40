"""Classifiers of plain spectra, trained and kept in a file as the method's own are.

A file holds the training spectra, not the fitted estimator: from the same spectra, numbers
and seed the same estimator is fitted again in seconds, and no pickle is ever read.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mtmsd import __version__
from mtmsd.classes import ClassInfo
from mtmsd.files.model_check import check_scene, describe_bands, read_classes, read_temperature
from mtmsd.files.tensor_file import save_arrays
from mtmsd.labels.labels import Labels
from mtmsd.labels.thinning import stratified_subsample, thinning_sentence
from mtmsd.libraries.training import TrainingLibrary
from mtmsd.reporting import Reporter
from mtmsd.scene.pixels import read_spectra
from mtmsd.scene.raster import Scene
from mtmsd.spectral.estimators import LARGEST_TRAINING, METHODS, Fitted, fit

KIND = "classifier"


@dataclass(frozen=True)
class SceneBands:
    """What a classifier of spectra knows of the scene that it was trained on.

    Attributes
    ----------
    metadata : dict
        JSON-able: ``bands``, ``wavelengths``, ``scene`` (name and fingerprint).
    mean_spectrum : float32 array (bands,)
    """

    metadata: dict[str, Any]
    mean_spectrum: np.ndarray

    @classmethod
    def of(cls, scene: Scene, mean_spectrum: np.ndarray) -> SceneBands:
        """Note the bands of a scene, and which scene it is."""
        metadata = {
            "version": __version__,
            **describe_bands(scene.used, scene.wavelengths),
            **scene.origin(),
        }
        return cls(metadata, mean_spectrum)


@dataclass(frozen=True)
class SpectralSettings:
    """How a classifier of spectra is fitted."""

    method: str
    """A name in :data:`mtmsd.spectral.estimators.METHODS`."""
    parameters: dict[str, Any]
    """The numbers that were chosen by cross-validation."""
    seed: int


@dataclass
class SpectralClassifier:
    """Training spectra, and the estimator that is fitted to them.

    Attributes
    ----------
    model : SceneBands
    settings : SpectralSettings
    classes : tuple of ClassInfo
        In the order of the probabilities' first axis.
    spectra : float32 array (n, bands)
    values : uint16 array (n,)
        Class of each spectrum.
    groups : int32 array (n,)
        Its polygon.
    metadata : dict
        JSON-able; ``accuracy`` holds the held-out figures.
    """

    model: SceneBands
    settings: SpectralSettings
    classes: tuple[ClassInfo, ...]
    spectra: np.ndarray
    values: np.ndarray
    groups: np.ndarray
    metadata: dict[str, Any] = field(default_factory=dict)
    mapped_by: ClassVar[str] = "spectra"
    """What maps with it, by name."""
    can_disagree: ClassVar[bool] = False
    """Whether it has parts of which one can map how far they differ."""
    needs_torch: ClassVar[bool] = False
    diffusion_network: ClassVar[None] = None

    @cached_property
    def fitted(self) -> Fitted:
        """The estimator, fitted when it is first needed."""
        return fit(
            self.settings.method,
            self.spectra,
            self.values,
            seed=self.settings.seed,
            groups=self.groups,
            calibrate=True,
            parameters=self.settings.parameters,
        )

    @property
    def temperature(self) -> float:
        """What calibrates the probabilities; 1 changes nothing."""
        return read_temperature(self.metadata)

    def probabilities(self, spectra: np.ndarray) -> np.ndarray:
        """Class probabilities (n, K) of spectra (n, bands), not calibrated by temperature."""
        found = np.zeros((len(spectra), len(self.classes)), np.float32)
        columns = np.searchsorted([c.value for c in self.classes], self.fitted.values)
        found[:, columns] = self.fitted.probabilities(spectra)
        return found

    def save(self, path: Path) -> None:
        """Write the classifier file."""
        arrays = {
            "spectra": self.spectra,
            "values": self.values.astype(np.int32),
            "groups": self.groups,
            "mean_spectrum": self.model.mean_spectrum,
        }
        metadata = {
            "model": self.model.metadata,
            "spectral": dataclasses.asdict(self.settings),
            "classes": [dataclasses.asdict(c) for c in self.classes],
            "metadata": self.metadata,
        }
        save_arrays(path, KIND, arrays, metadata)

    @classmethod
    def from_arrays(
        cls, arrays: dict[str, np.ndarray], metadata: dict[str, Any]
    ) -> SpectralClassifier:
        """Undo :meth:`save`.

        Raises
        ------
        LookupError, TypeError, ValueError
            If the parts do not fit together; see :func:`mtmsd.files.model_check.parts_of`.
        """
        (bands,), (samples, _) = arrays["mean_spectrum"].shape, arrays["spectra"].shape
        check_scene(metadata["model"], bands)
        settings = SpectralSettings(**metadata["spectral"])
        grid = METHODS[settings.method].grid or {}
        if not all(value in grid[name] for name, value in settings.parameters.items()):
            raise ValueError(f"the parameters {str(settings.parameters)[:100]}")
        classes = read_classes(metadata["classes"])
        read_temperature(metadata["metadata"])
        shapes = [arrays[name].shape for name in ("spectra", "values", "groups")]
        if shapes != [(samples, bands), (samples,), (samples,)]:
            raise ValueError(f"training spectra of the shapes {shapes}")
        if not set(arrays["values"].tolist()) <= {info.value for info in classes}:
            raise ValueError("training spectra of other classes")
        return cls(
            SceneBands(metadata["model"], arrays["mean_spectrum"]),
            settings,
            classes,
            arrays["spectra"],
            arrays["values"].astype(np.uint16),
            arrays["groups"],
            metadata["metadata"],
        )


@dataclass(frozen=True)
class SpectralTrainingSet:
    """Spectra of all labelled pixels: read once, fitted as often as wanted."""

    method: str
    labels: Labels
    spectra: np.ndarray
    model: SceneBands
    library: TrainingLibrary | None = None
    """Spectra that are learnt in every fit, and held out in none."""

    @classmethod
    def extract(
        cls,
        scene: Scene,
        labels: Labels,
        method: str,
        reporter: Reporter,
        library: TrainingLibrary | None = None,
    ) -> SpectralTrainingSet:
        """Read the spectra of all labelled pixels; ``method`` is a name in ``METHODS``."""
        if len(labels) > LARGEST_TRAINING:
            kept = stratified_subsample(labels.values, LARGEST_TRAINING, 0)
            reporter.warning(thinning_sentence(len(kept), len(labels)))
        reporter.phase("features", "Reading the spectra of the training pixels")
        spectra = read_spectra(scene, labels.rows, labels.cols, reporter)
        return cls(method, labels, spectra, SceneBands.of(scene, spectra.mean(0)), library)

    def fit(
        self, index: np.ndarray | None = None, *, seed: int, reporter: Reporter
    ) -> SpectralClassifier:
        """Fit to the labelled pixels ``index`` (all if None)."""
        reporter.check_canceled()
        rows = np.arange(len(self.labels)) if index is None else index
        kept = rows[stratified_subsample(self.labels.values[rows], LARGEST_TRAINING, seed)]
        spectra, values = self.spectra[kept], self.labels.values[kept]
        groups = self.labels.groups[kept]
        metadata = {"version": __version__, "seed": seed, "samples": len(kept)}
        if self.library is not None:
            spectra, values, groups = self.library.added_to(spectra, values, groups, seed)
            metadata["library"] = self.library.origin
        fitted = fit(self.method, spectra, values, seed=seed, groups=groups, calibrate=True)
        classifier = SpectralClassifier(
            self.model,
            SpectralSettings(self.method, fitted.parameters, seed),
            self.labels.classes,
            spectra,
            values,
            groups,
            metadata,
        )
        if len(kept) < len(rows):
            classifier.metadata["thinned"] = {"kept": len(kept), "of": len(rows)}
        classifier.fitted = fitted
        return classifier

    def predict(self, classifier: SpectralClassifier, index: np.ndarray) -> np.ndarray:
        """Class probabilities (n, K) of labelled pixels."""
        return classifier.probabilities(self.spectra[index])

    def decide(
        self, classifier: SpectralClassifier, index: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Class probabilities (n, K) of labelled pixels, and the likeliest class (n,)."""
        found = self.predict(classifier, index)
        return found, found.argmax(1)

    def looks_at(self, classifier: SpectralClassifier) -> None:
        """Return how timesteps and stages weigh: there are none."""

    def brief(self) -> SpectralTrainingSet:
        """Return what is fitted where many fits are needed: the same, it takes seconds."""
        return self
