"""Mapping with the stack: chunks of a fixed grid, and the network's tiles where it has one."""

from __future__ import annotations

from typing import cast

import numpy as np

from mtmsd.mapping.block_store import BegunBlock
from mtmsd.mapping.decision import Block, Tick, Window, blank, decide, no_tick
from mtmsd.mapping.runtimes import Device
from mtmsd.mapping.tiles import TiledClassifier, TileMapper
from mtmsd.scene.raster import Scene
from mtmsd.stack.classifier import StackClassifier
from mtmsd.stack.features import CHUNK, FeatureReader, PixelFeatures
from mtmsd.stack.pooling import disagreement

NETWORK_SHARE = 0.8
"""Of a block's time that the network takes, for the progress."""


class StackMapper:
    """Maps windows with a stack: a pure function window -> block.

    ``compare`` asks how far the streams differ.
    """

    def __init__(
        self, scene: Scene, classifier: StackClassifier, device: Device, *, compare: bool = False
    ) -> None:
        self.scene = scene
        self.classifier = classifier
        self._compare = compare
        self._reader = FeatureReader(scene, classifier.whitening)
        self._tiles = None
        if classifier.network is not None and classifier.listens_to_network:
            network = cast(TiledClassifier, classifier.network)
            self._tiles = TileMapper(scene, network, device)

    def block(self, window: Window, tick: Tick = no_tick, begun: BegunBlock | None = None) -> Block:
        """Map one window; ``tick`` hears after each chunk what share of it is done."""
        row, col, height, width = window
        classes = self.classifier.classes
        share_done, network = 0.0, None
        if self._tiles is not None:
            share_done = NETWORK_SHARE
            network = self._tiles.block(window, lambda share: tick(NETWORK_SHARE * share), begun)
        inside = np.zeros((height, width), bool)
        found = np.zeros((len(classes), height, width), np.float32)
        differ = np.zeros((height, width), np.float32)
        for top in range(row // CHUNK * CHUNK, row + height, CHUNK):
            for left in range(col // CHUNK * CHUNK, col + width, CHUNK):
                spectra, context, valid = self._reader.chunk(top, left)
                # of the chunk and of the window: what both show
                y, x = max(top, row), max(left, col)
                rows = slice(y - top, min(top + CHUNK, row + height) - top)
                cols = slice(x - left, min(left + CHUNK, col + width) - left)
                here = slice(y - row, y - row + rows.stop - rows.start)
                there = slice(x - col, x - col + cols.stop - cols.start)
                shown = valid[rows, cols]
                inside[here, there] = shown
                if not shown.any():
                    continue
                pixels = PixelFeatures(
                    spectra[:, rows, cols][:, shown].T,
                    context[:, :, rows, cols][:, :, shown].transpose(2, 0, 1),
                )
                votes = None
                if network is not None:
                    votes = network.probabilities[:, here, there][:, shown].T
                streams = self.classifier.streams(pixels, votes)
                found[:, here, there][:, shown] = self.classifier.pooled(pixels, streams).T
                if self._compare:
                    shares = self.classifier.settings.pool.shares
                    differ[here, there][shown] = disagreement(streams, shares)
            tick(share_done + (1 - share_done) * min(1.0, (top + CHUNK - row) / height))
        if not inside.any():
            return blank(len(classes), height, width)
        return decide(
            found,
            inside,
            classes,
            temperature=self.classifier.temperature,
            disagreement=differ if self._compare else None,
        )
