"""Mapping a scene to files, block by block."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from mtmsd.compute.memory import return_freed_memory
from mtmsd.errors import InputError
from mtmsd.mapping.block_store import BlockStore
from mtmsd.mapping.decision import Window
from mtmsd.mapping.runtimes import Device
from mtmsd.reporting import Reporter
from mtmsd.scene import output
from mtmsd.scene.raster import Scene
from mtmsd.scene.transforms import at

BLOCK = 384
"""Side of a block in pixels, the unit of reading, writing and memory."""

if TYPE_CHECKING:
    from mtmsd.mapping.regions import RegionMapper
    from mtmsd.mapping.spectra import SpectralMapper
    from mtmsd.mapping.stack import StackMapper
    from mtmsd.mapping.tiles import TiledClassifier, TileMapper
    from mtmsd.regions.classifier import RegionClassifier
    from mtmsd.spectral.classifier import SpectralClassifier
    from mtmsd.stack.classifier import StackClassifier

    AnyClassifier = Union[TiledClassifier, SpectralClassifier, StackClassifier, RegionClassifier]
    AnyMapper = Union[TileMapper, SpectralMapper, StackMapper, RegionMapper]

MAPPERS = {
    "tiles": "mtmsd.mapping.tiles:TileMapper",
    "spectra": "mtmsd.mapping.spectra:SpectralMapper",
    "stack": "mtmsd.mapping.stack:StackMapper",
    "regions": "mtmsd.mapping.regions:RegionMapper",
}
"""What maps, by the name that a classifier has for it; imported when it is needed."""


def classify(
    scene: Scene,
    classifier: AnyClassifier,
    path: Path,
    *,
    confidence: Path | None = None,
    probabilities: Path | None = None,
    entropy: Path | None = None,
    disagreement: Path | None = None,
    extent: tuple[float, float, float, float] | None = None,
    device: Device,
    store: BlockStore | None = None,
    reporter: Reporter,
) -> dict[str, Any]:
    """Map a scene, or the part of it inside ``extent``, to files.

    Parameters
    ----------
    path, confidence, probabilities, entropy, disagreement : Path
        The class map, and the other outputs where wanted.
    extent : xmin, ymin, xmax, ymax
        In the scene's coordinates; the map covers all pixels that it touches.
    store : BlockStore, optional
        Blocks that need not be mapped again; each new one is added at once.

    Returns
    -------
    dict
        ``pixels``: pixels of each class by name; ``seconds``; ``size`` (width, height).

    Raises
    ------
    InputError
        If the scene's bands are not those of the classifier, the extent lies outside, or there
        is no ensemble whose members could disagree.
    """
    start = time.monotonic()
    check_bands(scene, classifier)
    window = pixel_window(scene, extent) if extent else (0, 0, scene.height, scene.width)
    reporter.phase("classify", "Mapping the scene")
    mapper = mapper_of(scene, classifier, device, compare=disagreement is not None)
    classes = classifier.classes
    uncertainties = {"confidence": confidence, "entropy": entropy, "disagreement": disagreement}
    counts = np.zeros(max(c.value for c in classes) + 1, np.int64)
    with ExitStack() as files:
        writers = {
            "values": files.enter_context(
                output.class_map(path, scene, classes, describe(classifier), window)
            )
        }
        for name, file in uncertainties.items():
            if file:
                writers[name] = files.enter_context(output.uncertainty(file, scene, window, name))
        if probabilities:
            writers["probabilities"] = files.enter_context(
                output.probabilities(probabilities, scene, classes, window)
            )
        for (row, col, _, _), layers in _mapped(mapper, window, [*writers], store, reporter):
            for name, writer in writers.items():
                writer.write(layers[name], row - window[0], col - window[1])
            counts += np.bincount(layers["values"].ravel(), minlength=len(counts))
    return {
        "pixels": {c.name: int(counts[c.value]) for c in classes},
        "size": [window[3], window[2]],
        "seconds": time.monotonic() - start,
    }


def mapper_of(
    scene: Scene, classifier: AnyClassifier, device: Device, *, compare: bool
) -> AnyMapper:
    """Return what maps blocks of a scene; ``compare`` tells how far the members differ, too.

    Raises
    ------
    InputError
        If there is no ensemble whose members could disagree.
    """
    if compare and not classifier.can_disagree:
        raise InputError(
            "The classifier is no ensemble, so there is no disagreement to map.",
            hint="Ask for the entropy, or train with two or more members.",
        )
    mapper: AnyMapper = resolve_name(MAPPERS[classifier.mapped_by])(
        scene, classifier, device, compare=compare
    )
    return mapper


def _mapped(
    mapper: AnyMapper,
    window: Window,
    names: Sequence[str],
    store: BlockStore | None,
    reporter: Reporter,
) -> Iterator[tuple[Window, dict[str, np.ndarray]]]:
    """Yield the blocks of a window with the named layers, mapped now or by an earlier run."""
    done, total = 0, window[2] * window[3]
    for place in blocks(window):
        row, col, height, width = place
        size = height * width

        def tick(share: float, done: int = done, size: int = size) -> None:
            reporter.progress(done + share * size, total, "pixel")

        layers = store.read(row, col, names) if store else None
        if layers is None:
            tick(0)
            block = mapper.block(place, tick, store.begun(row, col) if store else None)
            layers = {name: getattr(block, name) for name in names}
            if store:
                store.write(row, col, layers)
        yield place, layers
        done += size
        return_freed_memory()
        reporter.check_canceled()
    reporter.progress(done, total, "pixel")


def blocks(window: Window) -> Iterator[Window]:
    """Cover a window with blocks, row by row."""
    row, col, height, width = window
    for top in range(row, row + height, BLOCK):
        for left in range(col, col + width, BLOCK):
            yield top, left, min(BLOCK, row + height - top), min(BLOCK, col + width - left)


def pixel_window(scene: Scene, extent: tuple[float, float, float, float]) -> Window:
    """Window of all pixels that an extent (xmin, ymin, xmax, ymax) touches.

    Raises
    ------
    InputError
        If it lies outside the scene.
    """
    xmin, ymin, xmax, ymax = extent
    inverse = ~scene.transform
    corners = [at(inverse, x, y) for x in (xmin, xmax) for y in (ymin, ymax)]
    cols, rows = zip(*corners, strict=True)
    # a border that lies on a pixel's edge touches neither neighbour, rounding aside
    left, right = math.floor(min(cols) + 1e-6), math.ceil(max(cols) - 1e-6)
    top, bottom = math.floor(min(rows) + 1e-6), math.ceil(max(rows) - 1e-6)
    left, right = max(left, 0), min(right, scene.width)
    top, bottom = max(top, 0), min(bottom, scene.height)
    if left >= right or top >= bottom:
        raise InputError(
            f"The extent {xmin:g}, {ymin:g}, {xmax:g}, {ymax:g} lies outside {scene.name}.",
            hint="Give xmin,ymin,xmax,ymax in the scene's coordinates.",
        )
    return top, left, bottom - top, right - left


def check_bands(scene: Scene, classifier: AnyClassifier) -> None:
    """Refuse a scene whose bands are not those that the classifier was trained on.

    Raises
    ------
    InputError
    """
    expected = len(classifier.model.mean_spectrum)
    if len(scene.used) != expected:
        raise InputError(
            f"{scene.name} has {len(scene.used)} usable bands; the classifier expects {expected}.",
            hint="Choose the scene it was trained on, or one of the same sensor and bands.",
        )


def describe(classifier: AnyClassifier) -> dict[str, Any]:
    """What a class map says of how it was made."""
    return {
        "model": classifier.model.metadata,
        "settings": dataclasses.asdict(classifier.settings),
        **classifier.metadata,
    }
