"""Ways to make regions, by name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmsd import __version__
from mtmsd.labels.labels import Labels
from mtmsd.regions.answers import Answers, answers
from mtmsd.regions.blocks import BlockReader, check_size, usual_size
from mtmsd.regions.classifier import SUPERTOKENS, RegionClassifier, RegionSettings
from mtmsd.regions.derivative import Derivative
from mtmsd.regions.learner import learn
from mtmsd.reporting import Reporter
from mtmsd.scene.pixels import read_spectra
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import fit_whitening
from mtmsd.spectral.classifier import SceneBands
from mtmsd.tables import named

COMPONENTS = 16


@dataclass(frozen=True)
class Supertokens:
    """Regions that are learnt with their classes; see :mod:`mtmsd.regions.network`."""

    reader: BlockReader
    model: SceneBands

    @classmethod
    def of(
        cls, scene: Scene, labels: Labels, size: int, seed: int, reporter: Reporter
    ) -> Supertokens:
        """Fit the whitening, and the scaling over the labelled pixels.

        ``size`` is in pixels, 0: by the labels.

        Raises
        ------
        InputError
            For a size below 2 px or above the scene.
        """
        size = size or min(usual_size(labels), scene.height, scene.width)
        check_size(size, scene)
        whitening = fit_whitening(scene, COMPONENTS, seed=seed, tick=reporter.check_canceled)
        spectra = read_spectra(scene, labels.rows, labels.cols, reporter).T
        model = SceneBands.of(scene, spectra.mean(1))
        derivative = Derivative.of_model(model.metadata)
        if derivative.by_index:
            reporter.warning(
                f"{scene.name} does not tell all wavelengths: the derivative of its spectra is "
                "taken by the bands' numbers."
            )
        both = np.concatenate([spectra, derivative(spectra)]).astype(np.float32)
        scale = (1 / np.maximum(both.std(1), 1e-6)).astype(np.float32)
        return cls(BlockReader(scene, whitening, derivative, size, both.mean(1), scale), model)

    @property
    def size(self) -> int:
        """Side in pixels of the squares in which regions begin."""
        return self.reader.size

    def learn(self, labels: Labels, *, seed: int, reporter: Reporter) -> RegionClassifier:
        """Learn regions and classes from labelled pixels."""
        return RegionClassifier(
            self.model,
            self.reader.whitening,
            RegionSettings(SUPERTOKENS, self.size, seed),
            labels.classes,
            self.reader.mean,
            self.reader.scale,
            learn(self.reader, labels, seed=seed, reporter=reporter),
            {"version": __version__, "seed": seed, "samples": len(labels)},
        )

    def answers(self, classifier: RegionClassifier, labels: Labels) -> Answers:
        """Return what is mapped at labelled pixels."""
        return answers(classifier, self.reader, labels)


REGIONS: dict[str, type[Supertokens]] = {SUPERTOKENS: Supertokens}


def regions_named(name: str) -> type[Supertokens]:
    """Return the way to make regions of that name; raises :class:`InputError` if there is none."""
    return named("kind of regions", name, REGIONS)
