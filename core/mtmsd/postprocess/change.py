"""From two class maps of one place to a map of what became what."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import rasterio
from numpy.typing import NDArray

from mtmsd.classes import ClassInfo
from mtmsd.errors import InputError
from mtmsd.postprocess.legends import MatchedLegends, match_legends
from mtmsd.postprocess.transitions import Tally, Transition, transitions
from mtmsd.reporting import Reporter
from mtmsd.scene.class_map import UNKNOWN, ClassMap, open_confidence, read_window
from mtmsd.scene.output import class_map as write_class_map
from mtmsd.scene.pixel_area import pixel_area
from mtmsd.scene.raster import Scene
from mtmsd.scene.transforms import at, chained

TOLERANCE = 0.01
"""How far, in pixels, the corners of two grids may lie apart and still be one grid."""
MOST_CLASSES = 255
"""Of both maps together, so that every pair has a value of 16 bits."""
UNKNOWN_COLOR = "#808080"

Window = tuple[int, int, int, int]


@dataclass(frozen=True)
class Sources:
    """What is compared.

    Attributes
    ----------
    before, after : path
        The two class maps.
    before_confidence, after_confidence : path, optional
        Their confidences.
    below : float
        Pixels whose confidence is lower in one of the two are counted apart.
    legend : Path, optional
        CSV with the columns ``before`` and ``after``: classes that are the same.
    """

    before: str | Path
    after: str | Path
    before_confidence: str | Path | None = None
    after_confidence: str | Path | None = None
    below: float = 0.5
    legend: Path | None = None


@dataclass(frozen=True)
class Change:
    """What was found: the pairs of classes that occur, and the pixels apart."""

    transitions: tuple[Transition, ...]
    unsure: int
    """Pixels of low confidence in one of the maps, which count for no pair."""
    unit: str
    """Of the areas: ha or pixels."""
    warnings: tuple[str, ...]


class Pair:
    """Two maps on one grid, read side by side: class positions of both, and where one is unsure."""

    def __init__(self, sources: Sources, stack: ExitStack) -> None:
        self.before = stack.enter_context(ClassMap.open(sources.before))
        self.after = stack.enter_context(ClassMap.open(sources.after))
        self.offset, self.window = _overlap(self.before, self.after)
        self.legends = match_legends(self.before, self.after, sources.legend)
        count = len(self.legends.names)
        if count > MOST_CLASSES:
            raise InputError(
                f"The two maps have {count} classes together; {MOST_CLASSES} are the most.",
                hint="Join classes of the maps first.",
            )
        self._below = sources.below
        self._confidences: list[rasterio.DatasetReader | None] = [
            stack.enter_context(open_confidence(path, one)) if path else None
            for path, one in (
                (sources.before_confidence, self.before),
                (sources.after_confidence, self.after),
            )
        ]

    @property
    def moved(self) -> str:
        """What was cut off because the maps do not cover the same pixels; may be empty."""
        sizes = {(one.height, one.width) for one in (self.before, self.after)}
        if sizes == {self.window[2:]}:
            return ""
        return (
            f"Only the {self.window[3]}×{self.window[2]} pixels that both maps cover are compared: "
            f"{_grid(self.before)}; {_grid(self.after)}."
        )

    def blocks(self) -> Iterator[tuple[Window, NDArray[np.int64], NDArray[np.bool_]]]:
        """Yield window in the first map, code of the pair (0 where one has no data), unsure."""
        row0, col0, height, width = self.window
        for row in range(row0, row0 + height, 1024):
            for col in range(col0, col0 + width, 1024):
                size = min(1024, row0 + height - row), min(1024, col0 + width - col)
                here = (row, col, *size)
                there = (row - self.offset[0], col - self.offset[1], *size)
                yield here, *self._compared(here, there)

    def _compared(self, here: Window, there: Window) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        values = self.before.values(*here), self.after.values(*there)
        valid = (values[0] > 0) & (values[1] > 0)
        unsure = np.zeros(valid.shape, bool)
        for one, part, window, confidence in zip(
            (self.before, self.after), values, (here, there), self._confidences, strict=True
        ):
            if one.unknown is not None:
                unsure |= part == one.unknown
            if confidence is not None:
                unsure |= ~(read_window(confidence, *window) >= self._below)
        first = self.legends.positions(self.legends.before, values[0])
        second = self.legends.positions(self.legends.after, values[1])
        codes = np.where(valid & ~unsure, 1 + first * len(self.legends.names) + second, 0)
        return codes, unsure & valid


def find_change(
    sources: Sources,
    output: Path,
    *,
    reference: Any = None,
    reporter: Reporter,
) -> Change:
    """Write the change map and return what became what.

    Parameters
    ----------
    output : Path
        A class map: a value for each pair of classes, 1 + i·n + j for the i-th of n classes that
        became the j-th; 0 where one of the maps has no data.
    reference : callable, optional
        Given the pair of maps, returns reference labels of the change; see
        :func:`mtmsd.postprocess.transitions.transitions`.

    Raises
    ------
    InputError
        If a map cannot be read, the grids do not lie on each other, or the legend's table is
        wrong.
    """
    with ExitStack() as stack:
        pair = Pair(sources, stack)
        notes = [*pair.legends.notes, *([pair.moved] if pair.moved else [])]
        for sentence in notes:
            reporter.warning(sentence)
        tally = _count(pair, reporter)
        sample = reference(pair) if reference else None
        rows, doubts = transitions(tally, pair.legends, (pair.before, pair.after), sample)
        for sentence in doubts:
            reporter.warning(sentence)
        _write(pair, rows, output, reporter)
    unit = "pixels" if tally.hectares is None else "ha"
    return Change(rows, tally.unsure, unit, (*notes, *doubts))


def _count(pair: Pair, reporter: Reporter) -> Tally:
    """Count pixels and hectares of each pair."""
    area = pixel_area(pair.before)
    size = len(pair.legends.names) ** 2 + 1
    pixels, hectares, unsure = np.zeros(size, np.int64), np.zeros(size), 0
    total, done = 2 * pair.window[2] * pair.window[3], 0
    for window, codes, doubtful in pair.blocks():
        pixels += np.bincount(codes.ravel(), minlength=size)
        unsure += int(doubtful.sum())
        if area is not None:
            hectares += np.bincount(codes.ravel(), area.block(*window).ravel(), minlength=size)
        done += codes.size
        reporter.progress(done, total, "pixels")
        reporter.check_canceled()
    if not pixels[1:].any():
        raise InputError(
            f"'{pair.before.name}' and '{pair.after.name}' have no pixel with a sure class in "
            "both.",
            hint="Check the maps, or lower --below." if unsure else "Check the maps.",
        )
    n = len(pair.legends.names)
    return Tally(
        pixels[1:].reshape(n, n), None if area is None else hectares[1:].reshape(n, n), unsure
    )


def _write(pair: Pair, rows: Sequence[Transition], output: Path, reporter: Reporter) -> None:
    legends = pair.legends
    n = len(legends.names)
    unknown = 255 if n * n < 255 else 65535
    classes = [
        ClassInfo(row.value, row.title, shade(legends, row.before, row.after)) for row in rows
    ]
    classes.append(ClassInfo(unknown, UNKNOWN, UNKNOWN_COLOR))
    metadata = {
        "change": {"before": pair.before.name, "after": pair.after.name},
        "unknown": unknown,
    }
    total = pair.window[2] * pair.window[3]
    done = total
    grid = cast(Scene, pair.before)
    with write_class_map(output, grid, classes, metadata, pair.window) as out:
        for (row, col, height, width), codes, doubtful in pair.blocks():
            values = np.where(doubtful, unknown, codes)
            out.write(values, row - pair.window[0], col - pair.window[1])
            done += height * width
            reporter.progress(done, 2 * total, "pixels")
            reporter.check_canceled()


def shade(legends: MatchedLegends, before: int, after: int) -> str:
    """Return a colour for a pair: pale where nothing changed, else the later class's, stepped."""
    red, green, blue = (int(legends.colors[after][i : i + 2], 16) / 255 for i in (1, 3, 5))
    if before == after:
        mixed = [0.75 + 0.25 * part for part in (red, green, blue)]
    else:
        others = max(1, len(legends.names) - 2)
        rank = before - (before > after)
        hue, _, saturation = colorsys.rgb_to_hls(red, green, blue)
        mixed = [*colorsys.hls_to_rgb(hue, 0.3 + 0.35 * rank / others, max(saturation, 0.3))]
    return "#" + "".join(f"{round(255 * part):02x}" for part in mixed)


def _overlap(before: ClassMap, after: ClassMap) -> tuple[tuple[int, int], Window]:
    """Return where the second map's corner is in the first, and the part that both cover.

    Raises
    ------
    InputError
        If the pixels of one do not lie on those of the other.
    """
    there = chained(~before.transform, after.transform)
    corners = [(0, 0), (after.width, 0), (0, after.height), (after.width, after.height)]
    placed = [at(there, *corner) for corner in corners]
    col, row = round(placed[0][0]), round(placed[0][1])
    apart = max(
        max(abs(x - col - c), abs(y - row - r))
        for (x, y), (c, r) in zip(placed, corners, strict=True)
    )
    if before.crs != after.crs or apart > TOLERANCE:
        raise InputError(
            "The maps lie on different grids, so their pixels cannot be compared: "
            f"{_grid(before)}; {_grid(after)}.",
            hint="Map both scenes on one grid, or warp one of the maps to the other's (gdalwarp "
            "-r near).",
        )
    top, left = max(row, 0), max(col, 0)
    bottom = min(row + after.height, before.height)
    right = min(col + after.width, before.width)
    if top >= bottom or left >= right:
        raise InputError(
            f"The maps do not overlap: {_grid(before)}; {_grid(after)}.",
            hint="Choose two maps of one place.",
        )
    return (row, col), (top, left, bottom - top, right - left)


def _grid(one: ClassMap) -> str:
    """Say a map's grid: size, pixel, corner, coordinate system."""
    t = one.transform
    turned = f", turned ({t.b:g}, {t.d:g})" if t.b or t.d else ""
    crs = "no coordinate system" if one.crs is None else one.crs.to_string().split("[")[0]
    return (
        f"'{one.name}' has {one.width}×{one.height} pixels of {abs(t.a):.10g}×{abs(t.e):.10g} from "
        f"({t.c:.10g}, {t.f:.10g}){turned} in {crs}"
    )
