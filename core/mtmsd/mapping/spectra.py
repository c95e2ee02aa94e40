"""Mapping with a classifier of single spectra."""

from __future__ import annotations

import numpy as np

from mtmsd.mapping.block_store import BegunBlock
from mtmsd.mapping.decision import Block, Tick, Window, blank, decide, no_tick
from mtmsd.mapping.runtimes import Device
from mtmsd.scene.raster import Scene
from mtmsd.spectral.classifier import SpectralClassifier

STRIP = 32
"""Rows that are classified at a time."""


class SpectralMapper:
    """Maps windows with a classifier of spectra: a pure function window -> block."""

    def __init__(
        self,
        scene: Scene,
        classifier: SpectralClassifier,
        device: Device = "cpu",
        *,
        compare: bool = False,
    ) -> None:
        self.scene = scene
        self.classifier = classifier

    def block(
        self,
        window: Window,
        tick: Tick = no_tick,
        begun: BegunBlock | None = None,  # a block takes seconds: none is kept
    ) -> Block:
        """Map one window; ``tick`` hears after each strip what share of it is done."""
        row, col, height, width = window
        classes = self.classifier.classes
        inside = np.zeros((height, width), bool)
        found = np.zeros((len(classes), height, width), np.float32)
        for top in range(0, height, STRIP):
            part = slice(top, min(top + STRIP, height))
            values, inside[part] = self.scene.read(row + top, col, part.stop - top, width)
            spectra = values[:, inside[part]].T
            found[:, part][:, inside[part]] = self.classifier.probabilities(spectra).T
            tick(part.stop / height)
        if not inside.any():
            return blank(len(classes), height, width)
        return decide(found, inside, classes, temperature=self.classifier.temperature)
