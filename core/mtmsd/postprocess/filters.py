"""From a class map to another on the same grid: sieve, majority filter, an unknown class."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from rasterio.features import sieve as sieve_regions
from scipy.ndimage import convolve1d

from mtmsd.classes import PALETTE, ClassInfo, name_key
from mtmsd.errors import InputError
from mtmsd.files.atomic import write_errors
from mtmsd.reporting import Reporter
from mtmsd.scene.class_map import UNKNOWN, ClassMap, open_confidence, read_window
from mtmsd.scene.output import class_map as write_class_map
from mtmsd.scene.raster import Scene

UNKNOWN_VALUES = (255, 65535)
"""Of the class "unknown": the first above all classes, so the same in nearly all maps."""

Part = Callable[[int, int, int, int], NDArray]
"""From row, column, height, width to the new values there."""


@dataclass(frozen=True)
class Refinement:
    """What is done to a map that was just made; None leaves a step out.

    Raises
    ------
    InputError
        For a number that makes no sense.
    """

    unknown_below: float | None = None
    """Pixels of lower confidence become "unknown"."""
    majority: int | None = None
    """Side of the square whose most frequent class a pixel gets."""
    sieve: int | None = None
    """Smallest region that stays, in pixels."""

    def __post_init__(self) -> None:
        if self.unknown_below is not None and not 0 < self.unknown_below < 1:
            raise InputError(
                f"The confidence below which a pixel is unknown cannot be {self.unknown_below}.",
                hint="Give a number between 0 and 1.",
            )
        if self.majority is not None and (self.majority < 3 or self.majority % 2 == 0):
            raise InputError(
                f"The majority filter's size cannot be {self.majority}.", hint="Give 3, 5, 7, …"
            )
        if self.sieve is not None and self.sieve < 2:
            raise InputError(
                f"A minimum mapping unit of {self.sieve} pixels changes nothing.",
                hint="Give 2 or more.",
            )

    def __bool__(self) -> bool:
        return any(step is not None for step in (self.unknown_below, self.majority, self.sieve))


def refine(
    map_path: Path,
    output: Path,
    refinement: Refinement,
    *,
    confidence_path: Path | None = None,
    reporter: Reporter | None = None,
) -> Path:
    """Do the chosen steps one after the other: unknown class, majority filter, sieve.

    Parameters
    ----------
    map_path, output : Path
        The map as it was made, and as it shall be.
    confidence_path : Path, optional
        Needed for the unknown class.

    Raises
    ------
    InputError
        If the map cannot be read, or the confidence is missing.
    """
    steps: list[Callable[[Path, Path], Path]] = []
    if refinement.unknown_below is not None:
        if confidence_path is None:
            raise InputError("The class of unknown pixels needs the map's confidence.")
        below, sure = refinement.unknown_below, confidence_path
        steps.append(lambda a, b: unknown_below(a, sure, b, below, reporter=reporter))
    if refinement.majority is not None:
        size = refinement.majority
        steps.append(lambda a, b: majority(a, b, size, reporter=reporter))
    if refinement.sieve is not None:
        minimum = refinement.sieve
        steps.append(lambda a, b: sieve(a, b, minimum, reporter=reporter))
    with tempfile.TemporaryDirectory(prefix="refine-", dir=map_path.parent) as room:
        for number, step in enumerate(steps, 1):
            target = output if number == len(steps) else Path(room) / f"{number}.tif"
            map_path = step(map_path, target)
    return map_path


def sieve(
    map_path: str | Path,
    output: Path,
    minimum: int,
    *,
    diagonal: bool = False,
    reporter: Reporter | None = None,
) -> Path:
    """Give regions smaller than a minimum mapping unit to their largest neighbour.

    GDAL's sieve filter. A region that has only nodata or other small regions beside it stays.

    Parameters
    ----------
    minimum : int
        Pixels that a region must have to stay, 2 or more.
    diagonal : bool
        Whether pixels that touch at a corner are of one region.

    Raises
    ------
    InputError
        For a minimum below 2, or a map that cannot be read.

    Notes
    -----
    Memory grows with the number of regions, and by one byte a pixel; the rest waits in
    temporary files beside the output.
    """
    Refinement(sieve=minimum)
    with (
        write_errors(output),
        ClassMap.open(map_path) as source,
        tempfile.TemporaryDirectory(prefix=".sieve-", dir=output.parent) as room,
    ):
        shape = (source.height, source.width)
        before, after = (
            np.memmap(Path(room) / name, np.int32, "w+", shape=shape)
            for name in ("before", "after")
        )
        for row, col, height, width in source.blocks():
            part = source.values(row, col, height, width)
            before[row : row + height, col : col + width] = part
        connectivity = 8 if diagonal else 4
        sieve_regions(before, minimum, out=after, mask=before > 0, connectivity=connectivity)
        return _rewrite(source, output, _from_array(after), {"sieve": minimum}, reporter)


def _from_array(array: NDArray) -> Part:
    return lambda row, col, height, width: array[row : row + height, col : col + width]


def majority(
    map_path: str | Path, output: Path, size: int, *, reporter: Reporter | None = None
) -> Path:
    """Give each pixel the class that is most frequent in the square around it.

    A pixel keeps its class on a tie. Nodata stays nodata and does not count.

    Parameters
    ----------
    size : int
        Side of the square in pixels; odd, 3 or more.

    Raises
    ------
    InputError
        For an even or too small size, or a map that cannot be read.
    """
    Refinement(majority=size)
    reach = size // 2
    with ClassMap.open(map_path) as source:

        def part(row: int, col: int, height: int, width: int) -> NDArray:
            wide = (row - reach, col - reach, height + 2 * reach, width + 2 * reach)
            filtered = majority_of(source.values(*wide), size)
            return filtered[reach : reach + height, reach : reach + width]

        return _rewrite(source, output, part, {"majority": size}, reporter)


def majority_of(values: NDArray[np.int32], size: int) -> NDArray[np.int32]:
    """Majority filter of an array, shape (h, w); 0 does not count and stays.

    scikit-image's ``rank.majority`` gives ties to the smallest value, which favours the first
    classes of the list; here the pixel's own class wins them.
    """
    best = np.zeros(values.shape, np.float32)
    result = values.copy()
    ones = np.ones(size, np.float32)
    for value in np.unique(values[values > 0]):
        is_it = (values == value).astype(np.float32)
        count = convolve1d(convolve1d(is_it, ones, 0, mode="constant"), ones, 1, mode="constant")
        count += 0.5 * is_it
        more = (count > best) & (values > 0)
        best[more], result[more] = count[more], value
    return result


def unknown_below(
    map_path: str | Path,
    confidence_path: str | Path,
    output: Path,
    threshold: float,
    *,
    reporter: Reporter | None = None,
) -> Path:
    """Give pixels of low confidence to an extra class, "unknown".

    Parameters
    ----------
    threshold : float
        Between 0 and 1; pixels of lower confidence become unknown.

    Raises
    ------
    InputError
        For another threshold, or rasters that cannot be read or differ in size.
    """
    Refinement(unknown_below=threshold)
    with (
        ClassMap.open(map_path) as source,
        open_confidence(confidence_path, source) as confidence,
    ):
        known = [c for c in _classes(source) if c.value != source.unknown]
        info = unknown_class(known)
        before = source.unknown or 0

        def part(row: int, col: int, height: int, width: int) -> NDArray:
            values = source.values(row, col, height, width)
            low = read_window(confidence, row, col, height, width) < threshold
            unsure = (low | (values == before)) & (values > 0)
            return np.where(unsure, info.value, values)

        change = {"unknown_below": threshold}
        source.metadata["unknown"] = info.value
        return _rewrite(source, output, part, change, reporter, [*known, info])


def unknown_class(known: Sequence[ClassInfo]) -> ClassInfo:
    """Return the class of pixels in doubt: 255, or 65535 where 255 is a class or exceeded."""
    largest = max(info.value for info in known)
    free = [value for value in UNKNOWN_VALUES if value > largest]
    if not free:
        raise InputError(
            f"The class value {largest} leaves no number for the class '{UNKNOWN}'.",
            hint="Give the classes numbers below 65535.",
        )
    taken = name_key(UNKNOWN) in {name_key(info.name) for info in known}
    return ClassInfo(free[0], f"{UNKNOWN} (low confidence)" if taken else UNKNOWN, "#808080")


def _classes(source: ClassMap) -> list[ClassInfo]:
    """Return the map's classes; those that it does not name get their number and a colour."""
    known = {c.value: c for c in source.classes}
    for i, value in enumerate(sorted(source.present - set(known))):
        known[value] = ClassInfo(value, f"class {value}", PALETTE[i % len(PALETTE)])
    if not known:
        raise InputError(f"The class map '{source.name}' has no class, only nodata.")
    return [known[value] for value in sorted(known)]


def _rewrite(
    source: ClassMap,
    output: Path,
    part: Part,
    change: dict[str, Any],
    reporter: Reporter | None,
    classes: Sequence[ClassInfo] = (),
) -> Path:
    """Write a new map block by block; its metadata tell what was changed."""
    reporter = reporter or Reporter()
    metadata = {**source.metadata, "after": [*source.metadata.get("after", []), change]}
    total = source.width * source.height
    # A class map has what the writer asks of a scene: its grid.
    with write_class_map(
        output, cast(Scene, source), classes or _classes(source), metadata
    ) as target:
        for row, col, height, width in source.blocks():
            target.write(part(row, col, height, width), row, col)
            reporter.progress(row * source.width + (col + width) * height, total, "pixels")
    return output
