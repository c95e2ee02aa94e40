"""The stack as a classifier: in memory, and in a file.

A file holds the features of the training pixels, not the fitted estimators: from the same
features and seed the same estimators are fitted again in seconds, and no pickle is ever read.
The diffusion network, where there is one, is in it as in a classifier file of its own.
"""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, Union

import numpy as np
from scipy.spatial import KDTree
from sklearn.base import ClassifierMixin
from sklearn.ensemble import ExtraTreesClassifier

from mtmsd.classes import ClassInfo
from mtmsd.files.model_check import check_scene, read_classes, read_temperature
from mtmsd.files.tensor_file import save_arrays
from mtmsd.scene.whitening import Whitening
from mtmsd.spectral.classifier import KIND, SceneBands
from mtmsd.stack.features import SCALES, PixelFeatures
from mtmsd.stack.novelty import places, strangeness
from mtmsd.stack.pooling import Pool, class_shares, favour_rare, floored
from mtmsd.stack.streams import NETWORK, STREAMS

NETWORK_PREFIX = "network."
PART = 2048
"""Pixels that are predicted at a time."""
LARGEST_NUMBER = 1e15
"""Of spectra and components in a file: their squares must be numbers, too."""


class Network(Protocol):
    """The diffusion network as a classifier of its own (mtmsd.classify.classifier)."""

    classes: tuple[ClassInfo, ...]
    model: Any
    """With ``mean_spectrum``."""

    def tensors(self) -> dict[str, Any]:
        """Return all its numbers as torch's tensors."""

    def header(self) -> dict[str, Any]:
        """Return all that its file says beside its numbers."""


ReadNetwork = Callable[[dict[str, np.ndarray], dict[str, Any]], Any]
"""To a :class:`Network`, or one that was exported."""


@dataclass(frozen=True)
class StackSettings:
    """Which streams there are, how much each weighs, and how they are fitted."""

    streams: tuple[str, ...]
    """Names in :data:`mtmsd.stack.streams.STREAMS`, or ``mtmsd``."""
    shares: tuple[float, ...]
    """Of the streams' log-probabilities; they sum to 1."""
    sharpness: float
    """By which the pool's logits are multiplied."""
    seed: int
    usual: float = 0.0
    """Distance to training pixels beyond which a pixel is strange; 0: nothing is."""
    rare: float = 0.0
    """Power of the classes' shares of the training pixels by which probabilities are divided."""

    @property
    def pool(self) -> Pool:
        """The weights as the pool that they are."""
        return Pool(np.array(self.shares), 1 / self.sharpness)


Fitted = tuple[Union[ClassifierMixin, None], np.ndarray]
"""An estimator, and the columns of its classes among all; None where labels are too few."""


def fit_stream(name: str, pixels: PixelFeatures, target: np.ndarray, seed: int) -> Fitted:
    """Fit a stream to pixels of the classes ``target`` (columns among all classes).

    With one class, or too few pixels for this stream, there is nothing to fit: it then calls
    all its classes alike.
    """
    columns, stream = np.unique(target), STREAMS[name]
    if len(columns) < 2 or (stream.spread and len(target) <= len(columns)):
        return None, columns
    estimator = stream.make(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a class of one pixel, and of what is not converged
        estimator.fit(stream.features(pixels), target)
    if isinstance(estimator, ExtraTreesClassifier):
        estimator.set_params(n_jobs=1)  # threads would add the trees' votes in any order
    return estimator, columns


def answer(name: str, fitted: Fitted, pixels: PixelFeatures, classes: int) -> np.ndarray:
    """Class probabilities (n, K) that a stream gives; 0 for a class that it has not seen."""
    estimator, columns = fitted
    found = np.zeros((len(pixels), classes))
    if estimator is None:
        found[:, columns] = 1 / len(columns)
    elif len(pixels):
        found[:, columns] = _in_parts(estimator.predict_proba, STREAMS[name].features(pixels))
    return found


def _in_parts(predict: Callable[[np.ndarray], np.ndarray], features: np.ndarray) -> np.ndarray:
    """Predict parts of one size side by side: the same numbers on any number of cores."""
    parts = [features[start : start + PART] for start in range(0, len(features), PART)]
    if len(parts) == 1:
        return predict(features)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return np.concatenate(list(threads.map(predict, parts)))


@dataclass
class StackClassifier:
    """Training pixels, the streams fitted to them, and their weights.

    Attributes
    ----------
    model : SceneBands
    whitening : Whitening
    settings : StackSettings
    classes : tuple of ClassInfo
        In the order of the probabilities' last axis.
    samples : PixelFeatures
        Of the training pixels.
    values : uint16 array (n,)
        Their classes.
    network : Network or None
        The stream of the diffusion network.
    metadata : dict
        JSON-able; ``accuracy`` holds the held-out figures.
    """

    model: SceneBands
    whitening: Whitening
    settings: StackSettings
    classes: tuple[ClassInfo, ...]
    samples: PixelFeatures
    values: np.ndarray
    network: Network | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    mapped_by: ClassVar[str] = "stack"
    """What maps with it, by name."""
    can_disagree: ClassVar[bool] = True
    """Whether it has parts of which one can map how far they differ."""
    needs_torch: ClassVar[bool] = False

    @property
    def temperature(self) -> float:
        """What calibrates the probabilities; 1 changes nothing."""
        return read_temperature(self.metadata)

    @property
    def diffusion_network(self) -> Network | None:
        """The network that can be exported."""
        return self.network

    @property
    def listens_to_network(self) -> bool:
        """Whether the diffusion network has a weight."""
        weights = dict(zip(self.settings.streams, self.settings.shares, strict=True))
        return weights.get(NETWORK, 0.0) > 0

    @cached_property
    def fitted(self) -> dict[str, Fitted]:
        """The estimators of the streams that have a weight, fitted when first needed."""
        target = np.searchsorted([c.value for c in self.classes], self.values)
        return {
            name: fit_stream(name, self.samples, target, self.settings.seed)
            for name, share in zip(self.settings.streams, self.settings.shares, strict=True)
            if name != NETWORK and share > 0
        }

    def streams(self, pixels: PixelFeatures, network: np.ndarray | None) -> np.ndarray:
        """Log-probabilities (S, n, K) of all streams; 0 for one that has no weight.

        ``network`` holds the class probabilities (n, K) that the diffusion network gives.
        """
        found = np.zeros((len(self.settings.streams), len(pixels), len(self.classes)))
        for i, (name, share) in enumerate(
            zip(self.settings.streams, self.settings.shares, strict=True)
        ):
            if not share > 0:
                continue
            if name != NETWORK:
                found[i] = floored(answer(name, self.fitted[name], pixels, len(self.classes)))
            elif network is not None:
                found[i] = floored(network)
        return found

    @cached_property
    def _known(self) -> KDTree:
        return KDTree(places(self.samples, self.whitening))

    def pooled(self, pixels: PixelFeatures, streams: np.ndarray) -> np.ndarray:
        """Class probabilities (n, K), float32, of log-probabilities (S, n, K) of the streams.

        Those of a pixel unlike all training pixels are drawn towards equal ones. The
        temperature is not in them.
        """
        found = self.settings.pool.log_probabilities(streams)
        if self.settings.rare:
            values = [info.value for info in self.classes]
            found = favour_rare(found, class_shares(self.values, values), self.settings.rare)
        found = np.exp(found)
        where = places(pixels, self.whitening)
        strange = strangeness(where, self._known, self.settings.usual)[:, None]
        return ((1 - strange) * found + strange / found.shape[1]).astype(np.float32)

    def probabilities(self, pixels: PixelFeatures, network: np.ndarray | None = None) -> np.ndarray:
        """Class probabilities (n, K), float32, not calibrated by temperature."""
        return self.pooled(pixels, self.streams(pixels, network))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all numbers by name, those of the network left out."""
        return {
            "spectra": self.samples.spectra,
            "context": self.samples.context,
            "values": self.values.astype(np.int64),
            "mean_spectrum": self.model.mean_spectrum,
            **self.whitening.arrays(),
        }

    def header(self) -> dict[str, Any]:
        """Return all that a classifier file says beside its numbers; a network has its own."""
        header: dict[str, Any] = {
            "model": self.model.metadata,
            "stack": dataclasses.asdict(self.settings),
            "classes": [dataclasses.asdict(c) for c in self.classes],
            "metadata": self.metadata,
        }
        if self.network is not None:
            header["network"] = self.network.header()
        return header

    def beside_network(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return arrays and header of all but the network, for an exported file."""
        return self.arrays(), self.header()

    def save(self, path: Path) -> None:
        """Write the classifier file."""
        arrays = self.arrays()
        if self.network is not None:
            for name, tensor in self.network.tensors().items():
                arrays[NETWORK_PREFIX + name] = tensor.detach().cpu().numpy()
        save_arrays(path, KIND, arrays, self.header())

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, np.ndarray],
        metadata: Mapping[str, Any],
        read_network: ReadNetwork | None = None,
    ) -> StackClassifier:
        """Undo :meth:`save`; ``read_network`` puts the diffusion network together, if there is one.

        Raises
        ------
        LookupError, TypeError, ValueError
            If the parts do not fit together; see :func:`mtmsd.files.model_check.parts_of`.
        """
        (bands,), (n, _) = arrays["mean_spectrum"].shape, arrays["spectra"].shape
        check_scene(metadata["model"], bands)
        whitening = Whitening.of(arrays)
        settings = _read_settings(metadata["stack"])
        classes = read_classes(metadata["classes"])
        read_temperature(metadata["metadata"])
        shapes = [arrays[name].shape for name in ("spectra", "context", "values")]
        expected = [(n, bands), (n, len(SCALES), whitening.components), (n,)]
        if shapes != expected or whitening.mean.shape != (bands,):
            raise ValueError(f"training pixels of the shapes {shapes}")
        if not set(arrays["values"].tolist()) <= {info.value for info in classes}:
            raise ValueError("training pixels of other classes")
        for name in ("spectra", "context", "mean_spectrum", *whitening.arrays()):
            if not (np.abs(arrays[name]) < LARGEST_NUMBER).all():
                raise ValueError(f"numbers '{name}' that are none, or too large")
        network = None
        if NETWORK in settings.streams:
            if read_network is None:
                raise ValueError("a diffusion network is missing")
            start = len(NETWORK_PREFIX)
            own = {n[start:]: a for n, a in arrays.items() if n.startswith(NETWORK_PREFIX)}
            network = read_network(own, metadata["network"])
            if network.classes != classes or len(network.model.mean_spectrum) != bands:
                raise ValueError("a network of other classes or bands")
        return cls(
            SceneBands(metadata["model"], arrays["mean_spectrum"]),
            whitening,
            settings,
            classes,
            PixelFeatures(arrays["spectra"], arrays["context"]),
            arrays["values"].astype(np.uint16),
            network,
            metadata["metadata"],
        )


def _read_settings(entries: Mapping[str, Any]) -> StackSettings:
    """Return the settings that a file lists; raises ValueError or TypeError."""
    settings = StackSettings(
        tuple(entries["streams"]),
        tuple(float(share) for share in entries["shares"]),
        float(entries["sharpness"]),
        int(entries["seed"]),
        float(entries["usual"]),
        float(entries.get("rare", 0.0)),  # earlier files have none
    )
    shares, names = np.array(settings.shares), settings.streams
    known = set(names) <= {NETWORK, *STREAMS} and len(set(names)) == len(names) == len(shares)
    if not (names and known and (shares >= 0).all() and abs(shares.sum() - 1) < 1e-6):
        raise ValueError(f"the streams {', '.join(map(str, names))[:100]}")
    if not 0 <= settings.seed < 2**32:
        raise ValueError(f"the seed {settings.seed}")
    if not 0 < settings.sharpness < 1e6:
        raise ValueError(f"the sharpness {settings.sharpness}")
    if not 0 <= settings.usual < np.inf:
        raise ValueError(f"the distance {settings.usual}")
    if not 0 <= settings.rare <= 1:
        raise ValueError(f"the power {settings.rare} of the classes' shares")
    return settings
