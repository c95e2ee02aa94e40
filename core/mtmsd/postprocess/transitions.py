"""From-to areas of two maps, with their standard errors."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtmsd.assess.area_adjusted import area_adjusted
from mtmsd.assess.report import write_whole
from mtmsd.postprocess.legends import MatchedLegends
from mtmsd.scene.class_map import ClassMap

Floats = NDArray[np.float64]
HEADER = ("value", "from", "to", "pixels", "share", "area_ha")


@dataclass(frozen=True)
class Tally:
    """What the maps show: pixels and hectares of each pair of classes, shape (n, n)."""

    pixels: NDArray[np.int64]
    hectares: Floats | None
    unsure: int

    @property
    def size(self) -> Floats:
        """Hectares, or pixels where a pixel's size is unknown."""
        return self.pixels.astype(float) if self.hectares is None else self.hectares


@dataclass(frozen=True)
class ChangeSample:
    """Reference pixels of the change: positions in the common legend, shape (n,).

    ``mapped`` is the pair that the maps show there, ``reference`` the true one, as i·n + j;
    ``groups`` the polygon of each pixel.
    """

    mapped: NDArray[np.int64]
    reference: NDArray[np.int64]
    groups: NDArray[np.int64]


@dataclass(frozen=True)
class Transition:
    """What one class became: as mapped, and as estimated with its standard error."""

    value: int
    before: int
    after: int
    title: str
    from_name: str
    to_name: str
    pixels: int
    share: float
    hectares: float | None
    adjusted: float | None = None
    standard_error: float | None = None


def transitions(
    tally: Tally,
    legends: MatchedLegends,
    maps: tuple[ClassMap, ClassMap],
    sample: ChangeSample | None,
) -> tuple[tuple[Transition, ...], tuple[str, ...]]:
    """List the pairs of classes that occur, and say what their errors rest on.

    With a sample of the change, areas and standard errors are those of Olofsson et al. 2014, the
    pairs being the strata. Without one they follow from both maps' own held-out confusion, as if
    the errors of the two were independent. Pixels of one polygon are alike, so errors are those of
    as many pixels as there are polygons.
    """
    n = len(legends.names)
    if sample is not None:
        area, error = _sampled(sample, tally)
        notes = _not_sampled(sample, tally, legends)
    else:
        found = [_confusion(m, side, n) for m, side in zip(maps, (legends.before, legends.after),
                                                           strict=True)]  # fmt: skip
        lacking = [m.name for m, one in zip(maps, found, strict=True) if one is None]
        if lacking:
            area = error = np.full((n, n), np.nan)
            notes = [
                "There are no standard errors of the areas: "
                + " and ".join(f"'{name}'" for name in lacking)
                + " tells no accuracy of held-out polygons. Give reference polygons of the change "
                "(--reference)."
            ]
        else:
            area, error = _propagated(tally.size, found[0], found[1])  # type: ignore[arg-type]
            notes = [
                "Standard errors follow from the held-out polygons of both maps, as if the errors "
                "of the two were independent; a reference sample of the change (--reference) tells "
                "more."
            ]
    total = tally.pixels.sum()
    seen = (tally.pixels > 0) | (np.nan_to_num(area) > 0)
    rows = tuple(
        Transition(
            1 + int(i) * n + int(j), int(i), int(j), _title(legends, i, j),
            legends.names[i], legends.names[j], int(tally.pixels[i, j]),
            float(tally.pixels[i, j] / total),
            None if tally.hectares is None else float(tally.hectares[i, j]),
            _number(area[i, j]), _number(error[i, j]),
        )
        for i, j in np.argwhere(seen)
    )  # fmt: skip
    return rows, tuple(notes)


def write_transitions(path: Path, rows: Sequence[Transition], unit: str, unsure: int) -> Path:
    """Write the from-to table as CSV, UTF-8, a header line; pixels of low confidence last.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*HEADER, f"adjusted_{unit}", f"standard_error_{unit}", "margin_95"])
    for row in rows:
        error = row.standard_error
        table.writerow([
            row.value, row.from_name, row.to_name, row.pixels, f"{row.share:.6f}",
            *(_text(v) for v in (row.hectares, row.adjusted, error, error and 1.96 * error)),
        ])  # fmt: skip
    if unsure:
        table.writerow(["", "unknown", "unknown", unsure, *[""] * 5])
    return write_whole(path, text.getvalue())


def _not_sampled(sample: ChangeSample, tally: Tally, legends: MatchedLegends) -> list[str]:
    """Say which pairs have too few reference pixels, whose area then is in no estimate."""
    n = len(legends.names)
    drawn = np.bincount(sample.mapped, minlength=n * n).reshape(n, n)
    few = [_title(legends, i, j) for i, j in np.argwhere((tally.pixels > 0) & (drawn < 2))]
    if not few:
        return []
    listed = ", ".join(f"'{title}'" for title in few[:5]) + (", …" if len(few) > 5 else "")
    return [
        f"{len(few)} of the pairs have fewer than two reference pixels where they are mapped, and "
        f"their area is in no estimate: {listed}."
    ]


def _title(legends: MatchedLegends, i: int, j: int) -> str:
    return legends.names[i] if i == j else f"{legends.names[i]} → {legends.names[j]}"


def _sampled(sample: ChangeSample, tally: Tally) -> tuple[Floats, Floats]:
    """Estimate each pair's area and its error from reference pixels, the pairs being strata."""
    n = len(tally.pixels)
    pairs = np.unique(np.r_[sample.reference, sample.mapped, np.flatnonzero(tally.pixels.ravel())])
    matrix = np.zeros((len(pairs), len(pairs)))
    place = np.searchsorted(pairs, (sample.reference, sample.mapped))
    np.add.at(matrix, (place[0], place[1]), 1)
    size = tally.size.ravel()[pairs]
    result = area_adjusted(matrix, size)
    size[list(result.not_sampled)] = 0
    alike = len(sample.groups) / len(np.unique(sample.groups))
    area, error = np.full(n * n, np.nan), np.full(n * n, np.nan)
    area[pairs] = size.sum() * result.area
    error[pairs] = size.sum() * result.area_se * np.sqrt(alike)
    return area.reshape(n, n), error.reshape(n, n)


@dataclass(frozen=True)
class _Confusion:
    """Held-out polygons of a map: share of reference class i among pixels mapped as a, (n, n)."""

    share: Floats
    variance: Floats


def _confusion(one: ClassMap, legend: Mapping[int, int], n: int) -> _Confusion | None:
    accuracy = one.metadata.get("accuracy") or {}
    told = accuracy.get("confusion")
    if not told or any(value not in legend for value in told["values"]):
        return None
    place = [legend[value] for value in told["values"]]
    counts = np.zeros((n, n))
    np.add.at(counts, np.ix_(place, place), np.asarray(told["matrix"], float).T)
    sample = counts.sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(sample > 1, counts / sample, np.eye(n))
        alike = max(1.0, accuracy["n"] / (accuracy.get("polygons") or accuracy["n"]))
        variance = np.where(sample > 1, share * (1 - share) / (sample - 1) * alike, np.nan)
    return _Confusion(share, variance)


def _propagated(size: Floats, one: _Confusion, two: _Confusion) -> tuple[Floats, Floats]:
    """Estimate each pair's area and its error from the confusion of both maps.

    Area of (i, j): Σ_ab size_ab · P₁(i | a) · P₂(j | b); its variance by the delta method. A mapped
    class without held-out pixels makes the errors of what it touches unknown.
    """
    area = one.share.T @ size @ two.share
    first = size @ two.share  # of a, per j
    second = one.share.T @ size  # of i, per b
    with np.errstate(invalid="ignore"):
        terms_one = np.where(
            first[:, None, :] > 0, one.variance[:, :, None] * first[:, None, :] ** 2, 0
        )
        terms_two = np.where(
            second[:, :, None] > 0, two.variance[None] * second[:, :, None] ** 2, 0
        )
    variance = terms_one.sum(0) + terms_two.sum(1)
    return area, np.sqrt(variance)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _text(number: float | None) -> str:
    return "" if number is None else f"{number:.4f}"
