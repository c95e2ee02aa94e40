"""Mapping with learnt regions: each pixel has the class of its region."""

from __future__ import annotations

import numpy as np

from mtmsd.mapping.block_store import BegunBlock
from mtmsd.mapping.decision import Block, Tick, Window, blank, decide, no_tick
from mtmsd.mapping.runtimes import Device
from mtmsd.regions.classifier import RegionClassifier
from mtmsd.scene.raster import Scene


class RegionMapper:
    """Maps windows with learnt regions: a pure function window -> block.

    Regions belong to blocks of a grid of their own; those that a window shows are made whole.
    """

    def __init__(
        self, scene: Scene, classifier: RegionClassifier, device: Device, *, compare: bool = False
    ) -> None:
        self.scene = scene
        self.classifier = classifier
        self._reader = classifier.reader(scene)

    def block(
        self,
        window: Window,
        tick: Tick = no_tick,
        begun: BegunBlock | None = None,  # a block takes seconds: none is kept
    ) -> Block:
        """Map one window; ``tick`` hears after each row of blocks what share of it is done."""
        row, col, height, width = window
        side, classes = self._reader.side, self.classifier.classes
        inside = np.zeros((height, width), bool)
        found = np.zeros((len(classes), height, width), np.float32)
        for top in range(row // side * side, row + height, side):
            for left in range(col // side * side, col + width, side):
                made = self.classifier.regions(self._reader, top, left)
                if made is None:
                    continue
                region, shares = made
                y, x = max(top, row), max(left, col)
                shown = region[y - top : row + height - top, x - left : col + width - left]
                here = (slice(y - row, y - row + shown.shape[0]),
                        slice(x - col, x - col + shown.shape[1]))  # fmt: skip
                inside[here] = shown >= 0
                found[(slice(None), *here)] = np.where(shown >= 0, shares.T[:, shown], 0)
            tick(min(1.0, (top + side - row) / height))
        if not inside.any():
            return blank(len(classes), height, width)
        return decide(found, inside, classes, temperature=self.classifier.temperature)
