"""Which values of a label raster mean "no label", and whether its 0 is a class."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from mtmsd.classes import LARGEST_VALUE, name_key
from mtmsd.errors import InputError

FILLS = (255, 65535, 127, 32767, 99, 999, 9999)
"""Values that programs write where there is no label, among those that could be classes."""
NOT_A_CLASS = {
    "unclassified", "unlabelled", "unlabeled", "background", "nodata", "no data", "none", "void",
    "undefined", "masked",
}  # fmt: skip
"""Names of a value 0 that is no class."""
MOST_VALUES = 100_000
"""Different values beyond which a raster is a picture."""


@dataclass(frozen=True)
class Meaning:
    """What the values of a label raster mean.

    Attributes
    ----------
    unlabelled : frozenset of float
        Values without a class.
    zero : int
        The class value that 0 gets; 0 where it is unlabelled.
    present : frozenset of float
        Values with a class, without 0.
    warnings : tuple of str
        What was taken for granted.
    """

    unlabelled: frozenset[float]
    zero: int
    present: frozenset[float]
    warnings: tuple[str, ...]

    def classes(self, values: NDArray, mask: NDArray) -> NDArray:
        """Return the class of each pixel, 0 where it has none; ``mask`` is GDAL's."""
        labelled = (mask != 0) & ~np.isin(values, list(self.unlabelled))
        if values.dtype.kind == "f":
            labelled &= ~np.isnan(values)
        found = np.where(labelled, values, 0)
        if not self.zero:
            return found
        return np.where(labelled & (values == 0), np.uint16(self.zero), found)


def meaning_of(
    dataset: rasterio.DatasetReader, name: str, strips: list[Window], name_of_zero: str
) -> Meaning:
    """Look at all values of a label raster.

    A value that nobody declared as nodata is taken as unlabelled where it cannot be a class
    (one negative or too large value), or where it is a usual fill value, above all others, and
    more frequent than 0. With nodata, declared and there or found so, 0 counts as a class if it is
    the rarer of both and not called "unclassified" or so.

    Raises
    ------
    InputError
        If several values can be no classes.
    """
    counts, masked = _count(dataset, name, strips)
    total = dataset.width * dataset.height
    zeros = counts.pop(0.0, 0)
    impossible = [v for v in counts if v < 0 or v > LARGEST_VALUE]
    if len(impossible) > 1:
        raise InputError(
            f"The label raster '{name}' holds the values {impossible[0]:g} and {impossible[1]:g}; "
            f"classes are whole numbers from 1 to {LARGEST_VALUE}, and 0 is unlabelled.",
            hint="Declare the value without a label as nodata, or choose another raster.",
        )
    fills = impossible or _usual_fill(counts, zeros)
    warnings = [
        f"The value {value:g}, {counts[value] / total:.1%} of the label raster '{name}', was taken "
        "as unlabelled, though the file does not declare it as nodata."
        for value in fills
    ]
    without = masked + sum(counts.pop(value) for value in fills)
    if not fills and counts and max(counts) in FILLS and _stands_apart(counts):
        value = max(counts)
        warnings.append(
            f"The value {value:g}, {counts[value] / total:.1%} of the label raster '{name}', was "
            "taken as a class; declare it as nodata if it is none."
        )
    is_class = 0 < zeros < without and name_key(name_of_zero) not in NOT_A_CLASS
    zero = _number_for_zero(counts) if is_class else 0
    if zero:
        nodata = fills[0] if fills else dataset.nodata
        said = "nodata" if nodata is None else f"{nodata:g}"
        warnings.append(
            f"The value 0, {zeros / total:.1%} of the label raster '{name}', was taken as a class "
            f"(unlabelled is {said}) and has the value {zero} in maps, where 0 means no class. "
            f"Give those pixels the value of {said} if they have no label."
        )
    elif zeros and without:
        warnings.append(
            f"The value 0, {zeros / total:.1%} of the label raster '{name}', was taken as "
            "unlabelled, like its nodata; number the classes from 1 if it is a class."
        )
    unlabelled = frozenset(fills if zero else (0.0, *fills))
    return Meaning(unlabelled, zero, frozenset(counts), tuple(warnings))


def _count(
    dataset: rasterio.DatasetReader, name: str, strips: list[Window]
) -> tuple[Counter[float], int]:
    """Return the pixels of each value that is not masked, and the number of masked ones."""
    counts: Counter[float] = Counter()
    masked = 0
    for window in strips:
        values, inside = dataset.read(1, window=window), dataset.read_masks(1, window=window) != 0
        if values.dtype.kind == "f":
            inside &= ~np.isnan(values)
        masked += int((~inside).sum())
        counts.update(_histogram(values[inside]))
        if len(counts) > MOST_VALUES:
            raise InputError(
                f"'{name}' holds more than {MOST_VALUES:,} different values, so it is no label "
                "raster.",
                hint="Give a raster of class values.",
            )
    return counts, masked


def _histogram(values: NDArray) -> dict[float, int]:
    if values.dtype.kind == "u" and values.dtype.itemsize < 4:  # much faster than sorting
        found = np.bincount(values)
        return {float(v): int(found[v]) for v in np.flatnonzero(found)}
    present, found = np.unique(values, return_counts=True)
    return dict(zip(present.astype(float).tolist(), found.tolist(), strict=True))


def _usual_fill(counts: Counter[float], zeros: int) -> list[float]:
    """Return the largest value, if it is a frequent fill value apart from the classes."""
    if not counts or max(counts) not in FILLS or not _stands_apart(counts):
        return []
    fill = max(counts)
    frequent = counts[fill] > zeros if zeros else 2 * counts[fill] > counts.total()
    return [fill] if frequent else []


def _stands_apart(counts: Counter[float]) -> bool:
    """Whether the largest value lies far above the others."""
    others = sorted(counts)[:-1]
    return bool(others) and 2 * others[-1] < max(counts)


def _number_for_zero(counts: Counter[float]) -> int:
    """Return the number behind all classes, or the first free one."""
    behind = int(max(counts, default=0)) + 1
    free = (v for v in range(1, LARGEST_VALUE + 1) if v not in counts)
    return behind if behind <= LARGEST_VALUE else next(free, 0)
