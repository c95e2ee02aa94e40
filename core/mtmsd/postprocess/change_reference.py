"""Reference labels of a change, on the pixels of two maps."""

from __future__ import annotations

from typing import cast

import numpy as np

from mtmsd.errors import InputError
from mtmsd.labels.read import read_labels
from mtmsd.postprocess.change import Pair
from mtmsd.postprocess.transitions import ChangeSample
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene


def read_reference(
    pair: Pair, path: str, fields: tuple[str, str], reporter: Reporter
) -> ChangeSample:
    """Read the class before and the class after from two fields of a layer.

    Raises
    ------
    InputError
        If the labels cannot be read or no pixel of theirs has a sure class in both maps.
    """
    sides = (pair.before, pair.after)
    legends = (pair.legends.before, pair.legends.after)
    read = []
    for one, field in zip(sides, fields, strict=True):
        known = [info for info in one.classes if info.value != one.unknown]
        labels = read_labels(path, cast(Scene, one), class_field=field, minimum=0, classes=known)
        for sentence in labels.warnings:
            reporter.warning(sentence)
        read.append(labels)
    shift = (0, 0), pair.offset
    pixel = [
        (labels.rows.astype(np.int64) + row) << 32 | (labels.cols + col)
        for labels, (row, col) in zip(read, shift, strict=True)
    ]
    _, first, second = np.intersect1d(*pixel, return_indices=True)
    n = len(pair.legends.names)
    codes, truth = np.zeros(len(first), np.int64), np.zeros(len(first), np.int64)
    keep = np.ones(len(first), bool)
    for one, labels, chosen, legend in zip(sides, read, (first, second), legends, strict=True):
        mapped = one.at(labels.rows[chosen], labels.cols[chosen])
        true = labels.values[chosen]
        keep &= np.isin(mapped, list(legend)) & np.isin(true, list(legend))
        codes = codes * n + pair.legends.positions(legend, np.where(keep, mapped, 0))
        truth = truth * n + pair.legends.positions(legend, np.where(keep, true, 0))
    if not keep.any():
        raise InputError(
            f"No pixel of the reference '{path}' has a known class in both maps.",
            hint="Check its fields and where it lies.",
        )
    return ChangeSample(codes[keep], truth[keep], read[0].groups[first][keep])
