"""What the folds tell a person: doubtful polygons, classes that look alike, who is listened to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from affine import Affine

from mtmsd.labels.labels import Labels
from mtmsd.scene.transforms import at
from mtmsd.stack.streams import NETWORK, STREAMS

MOST_POLYGONS = 50
ALIKE = 0.65
"""Two classes look alike if no larger share of their pixels, each class counting alike, is told."""
FEWEST = 6
"""Held-out pixels that a class must have for a word on that."""
NETWORK_TITLE = "diffusion network"


def listened_to(streams: Sequence[str], shares: Sequence[float]) -> list[dict[str, Any]]:
    """Return name, title and share of the streams, the largest first; JSON-able."""
    titles = {name: stream.title for name, stream in STREAMS.items()} | {NETWORK: NETWORK_TITLE}
    found = [
        {"name": name, "title": titles[name], "share": float(share)}
        for name, share in zip(streams, shares, strict=True)
    ]
    return sorted(found, key=lambda stream: -stream["share"])


def doubtful_polygons(
    labels: Labels, probabilities: np.ndarray, transform: Affine
) -> list[dict[str, Any]]:
    """List polygons most of whose pixels, left out of training, are called another class.

    Parameters
    ----------
    labels : Labels
        Of the held-out pixels.
    probabilities : float, shape (n, K)
        What was said of them.
    transform : Affine
        From columns and rows to the scene's coordinates.

    Returns
    -------
    list of dict
        ``polygon`` (its number), ``class``, ``said`` (names), ``pixels``, ``share`` (of the
        pixels that are called so), ``row``, ``col``, ``x``, ``y`` (of its middle); those whose
        own class is least likely first. JSON-able.
    """
    names = [info.name for info in labels.classes]
    own = np.searchsorted([info.value for info in labels.classes], labels.values)
    called = probabilities.argmax(1)
    found = []
    for group in np.unique(labels.groups).tolist():
        here = np.flatnonzero(labels.groups == group)
        counts = np.bincount(called[here], minlength=len(names))
        said, truth = int(counts.argmax()), int(np.bincount(own[here]).argmax())
        share = counts[said] / len(here)
        if said == truth or share <= 0.5:
            continue
        row, col = float(labels.rows[here].mean()), float(labels.cols[here].mean())
        x, y = at(transform, col + 0.5, row + 0.5)
        likely = float(probabilities[here, truth].mean())
        entry = {
            "polygon": int(group),
            "class": names[truth],
            "said": names[said],
            "pixels": len(here),
            "share": float(share),
            "row": round(row),
            "col": round(col),
            "x": float(x),
            "y": float(y),
        }
        found.append((likely, entry))
    return [entry for _, entry in sorted(found, key=lambda pair: pair[0])[:MOST_POLYGONS]]


def classes_alike(labels: Labels, probabilities: np.ndarray) -> list[str]:
    """Name pairs of classes that held-out pixels do not tell apart, a sentence each."""
    own = np.searchsorted([info.value for info in labels.classes], labels.values)
    sentences = []
    for a, b in combinations(range(len(labels.classes)), 2):
        of_a, of_b = own == a, own == b
        if min(of_a.sum(), of_b.sum()) < FEWEST:
            continue
        first = probabilities[:, a] > probabilities[:, b]
        told = (first[of_a].mean() + (~first[of_b]).mean()) / 2
        if told < ALIKE:
            one, other = labels.classes[a].name, labels.classes[b].name
            sentences.append(
                f"The polygons do not tell {one} and {other} apart: left out of training, "
                f"{told:.0%} of their pixels are told right, where guessing tells 50%."
            )
    return sentences
