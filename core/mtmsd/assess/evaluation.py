"""From reference and map to a JSON-able evaluation whose verdict is one honest sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtmsd.assess.accuracy import (
    Figures,
    confusion,
    deviation,
    effective_number,
    figures,
    freedom_of_total,
    interval,
    mcnemar,
    resample_groups,
    share_interval,
)
from mtmsd.assess.baseline import NETWORK, Baseline
from mtmsd.assess.calibration import reliability
from mtmsd.classes import ClassInfo
from mtmsd.labels.groups import NEAR

REPEATS = 1000
"""Replicates of the bootstrap."""

LEAST_FREEDOM = 8
"""Reference polygons less classes, below which no map is called better than another."""

SCALARS = ("overall", "average", "kappa")
PER_CLASS = ("producer", "user", "f1", "iou")


def evaluate(
    reference: ArrayLike,
    predicted: ArrayLike,
    classes: Sequence[ClassInfo],
    baselines: Sequence[Baseline] = (),
    split_description: str = "",
    *,
    groups: ArrayLike | None = None,
    confidence: ArrayLike | None = None,
    seed: int = 0,
    nearest: float | None = None,
) -> dict[str, Any]:
    """Compute every figure, its interval, and the comparison with baselines.

    Parameters
    ----------
    reference, predicted : array-like of int, shape (n,)
        Class values of the same pixels.
    classes : sequence of ClassInfo
        Names and colours. A value that occurs and is not among them gets its number as name.
    baselines : sequence
        Other predictions of the same pixels.
    split_description : str
        How the pixels were held back, in a sentence.
    groups : array-like of int, shape (n,), optional
        The polygon of each pixel. Without it there are no intervals.
    confidence : array-like of float, shape (n,), optional
        Probability of the mapped class, NaN where unknown; its reliability is then told.
    seed : int
        Of the bootstrap.
    nearest : float, optional
        How far, in pixels, the nearest training pixel of a pixel's class is (median). Below
        :data:`mtmsd.labels.groups.NEAR` the figures are optimistic, which the verdict then says.

    Returns
    -------
    dict
        JSON-able: shares in 0…1, ``None`` where a figure does not exist; ``confusion`` has
        the reference in rows and the map in columns.
    """
    reference, predicted = np.asarray(reference), np.asarray(predicted)
    known = _with_unnamed(classes, reference, predicted)
    values = np.array([c.value for c in known])
    matrix = confusion(reference, predicted, values)
    point = figures(matrix)
    spread = None
    if groups is not None and len(reference):
        spread = _Spread(reference, predicted, values, np.asarray(groups), baselines, seed)
    right = predicted == reference
    result: dict[str, Any] = {
        "n": len(reference),
        "polygons": None if groups is None else len(np.unique(np.asarray(groups))),
        "degrees_of_freedom": spread.freedom if spread else None,
        "split": split_description,
        "optimistic": nearest is not None and nearest < NEAR,
        "nearest_training": nearest,
        **{name: number(getattr(point, name)) for name in SCALARS},
        "intervals": {
            name: spread.scalar(name, float(getattr(point, name))) if spread else None
            for name in SCALARS
        },
        "classes": [_class_figures(i, c, matrix, point, spread) for i, c in enumerate(known)],
        "confusion": {
            "rows": "reference",
            "columns": "map",
            "values": [int(v) for v in values],
            "matrix": matrix.tolist(),
        },
        "baselines": [
            _compare(reference, predicted, values, baseline, i, spread)
            for i, baseline in enumerate(baselines)
        ],
        "calibration": _calibration(confidence, right),
        "warnings": _warnings(known, matrix, spread),
    }
    result["verdict"] = verdict(result)
    return result


def number(value: Any) -> float | None:
    """Return a float for JSON, ``None`` for NaN."""
    value = float(value)
    return value if np.isfinite(value) else None


class _Spread:
    """The bootstrap over polygons: the errors of every figure of map and baselines."""

    def __init__(
        self,
        reference: NDArray,
        predicted: NDArray,
        values: NDArray,
        groups: NDArray,
        baselines: Sequence[Baseline],
        seed: int,
    ) -> None:
        # A polygon with several classes (a raster's region has one) counts once for each.
        units, unit = np.unique(np.stack([groups, reference], 1), axis=0, return_inverse=True)
        unit = unit.reshape(-1)
        strata = np.searchsorted(values, units[:, 1])
        k = len(values)
        counts = np.zeros((len(units), k + len(baselines)))
        np.add.at(counts, (unit, np.searchsorted(values, predicted)), 1)
        for i, baseline in enumerate(baselines):
            np.add.at(counts[:, k + i], unit, baseline.predicted == reference)
        self.polygons = np.bincount(strata, minlength=k)
        self.freedom = int(self.polygons.sum() - (self.polygons > 0).sum())
        sizes = counts[:, :k].sum(1)
        self._of_class = np.array([effective_number(sizes[strata == s]) for s in range(k)])
        own = self._of_class[self._of_class > 0]
        self._effective = {
            "overall": effective_number(sizes),
            "average": float(len(own) ** 2 / (1 / own).sum()),
        }
        self._effective_freedom = float((own - 1).sum())
        drawn = resample_groups(counts, strata, k, repeats=REPEATS, seed=seed)
        replicates = figures(drawn[..., :k])
        n = drawn[..., :k].sum((1, 2))
        with np.errstate(invalid="ignore", divide="ignore"):
            baseline_overall = drawn[..., k:].sum(1) / n[:, None]
        self._error = {name: deviation(getattr(replicates, name)) for name in SCALARS + PER_CLASS}
        self._baseline_error = deviation(baseline_overall)
        # The pixels stay those there are, so that a large polygon on which both maps agree
        # does not hide which of them is the better one.
        right = np.diagonal(drawn[..., :k], axis1=1, axis2=2).sum(1)
        gained = right[:, None] - drawn[..., k:].sum(1)
        self._difference_error = deviation(gained / sizes.sum())
        own_right = counts[np.arange(len(units)), strata]
        self._difference_freedom = [
            freedom_of_total(own_right - counts[:, k + i], strata) for i in range(len(baselines))
        ]

    @property
    def exists(self) -> bool:
        return self.freedom > 0

    @property
    def decides(self) -> bool:
        """Whether the polygons are enough to call one map better than another."""
        return self.freedom >= LEAST_FREEDOM

    def scalar(self, name: str, point: float) -> list[float] | None:
        error = float(self._error[name])
        if name in self._effective:
            return self._share(point, error, self._effective_freedom, self._effective[name])
        return self._limits(point, error)

    def of_class(self, name: str, index: int, point: float) -> list[float] | None:
        groups = self._of_class[index]
        return self._share(point, float(self._error[name][index]), groups - 1, groups)

    def baseline(self, index: int, point: float) -> list[float] | None:
        error = float(self._baseline_error[index])
        return self._share(point, error, self._effective_freedom, self._effective["overall"])

    def difference(self, index: int, point: float) -> list[float] | None:
        if not self.decides:
            return None
        error = float(self._difference_error[index])
        return list(interval(point, error, self._difference_freedom[index]))

    def _limits(self, point: float, error: float) -> list[float] | None:
        if not self.exists or not np.isfinite([point, error]).all():
            return None
        return list(interval(point, error, self._effective_freedom))

    @staticmethod
    def _share(point: float, error: float, freedom: float, groups: float) -> list[float] | None:
        if freedom <= 0 or not np.isfinite([point, error]).all():
            return None
        return list(share_interval(point, error, freedom, groups))


def _with_unnamed(classes: Sequence[ClassInfo], *seen: NDArray) -> list[ClassInfo]:
    named = {c.value: c for c in classes}
    for value in np.unique(np.concatenate(seen)):
        named.setdefault(int(value), ClassInfo(int(value), f"class {value}", "#888888"))
    return [named[value] for value in sorted(named)]


def _class_figures(
    index: int, info: ClassInfo, matrix: NDArray, point: Figures, spread: _Spread | None
) -> dict[str, Any]:
    shares = {name: number(getattr(point, name)[index]) for name in PER_CLASS}
    return {
        "value": info.value,
        "name": info.name,
        "color": info.color,
        "reference": int(matrix[index].sum()),
        "mapped": int(matrix[:, index].sum()),
        "polygons": int(spread.polygons[index]) if spread else None,
        **shares,
        "intervals": {
            name: spread.of_class(name, index, share) if spread and share is not None else None
            for name, share in shares.items()
        },
    }


def _compare(
    reference: NDArray,
    predicted: NDArray,
    values: NDArray,
    baseline: Baseline,
    index: int,
    spread: _Spread | None,
) -> dict[str, Any]:
    occurring = np.union1d(values, baseline.predicted)
    other = figures(confusion(reference, baseline.predicted, occurring))
    test = mcnemar(predicted == reference, baseline.predicted == reference)
    difference = float(np.mean(predicted == reference) - other.overall)
    return {
        "name": baseline.name,
        "title": baseline.title,
        "seconds": float(baseline.seconds),
        **{name: number(getattr(other, name)) for name in SCALARS},
        "interval": spread.baseline(index, float(other.overall)) if spread else None,
        "difference": number(difference),
        "difference_interval": spread.difference(index, difference) if spread else None,
        "mcnemar": {
            "only_map_right": test.only_first,
            "only_baseline_right": test.only_second,
            "p_value": float(test.p_value),
        },
    }


def _calibration(confidence: ArrayLike | None, right: NDArray[np.bool_]) -> dict[str, Any] | None:
    stated = np.asarray([] if confidence is None else confidence, np.float64)
    known = np.isfinite(stated)
    if not known.any():
        return None
    result = reliability(stated[known], right[known])
    return {
        "expected_error": number(result.expected_error),
        "edges": result.edges.tolist(),
        "count": result.count.tolist(),
        "confidence": [number(v) for v in result.confidence],
        "accuracy": [number(v) for v in result.accuracy],
    }


def _warnings(classes: Sequence[ClassInfo], matrix: NDArray, spread: _Spread | None) -> list[str]:
    warnings = []
    absent = [c.name for c, row in zip(classes, matrix, strict=True) if not row.sum()]
    if absent:
        warnings.append(f"No reference pixels, so not evaluated: {', '.join(absent)}.")
    colors = Counter(c.color.lower() for c in classes)
    shared = [c.name for c in classes if colors[c.color.lower()] > 1]
    if shared:
        warnings.append(f"These classes share a colour with another: {', '.join(shared)}.")
    if spread:
        single = [c.name for c, n in zip(classes, spread.polygons, strict=True) if n == 1]
        if single:
            rough = "; the overall interval is rough by this" if spread.exists else ""
            warnings.append(
                f"Only one reference polygon, so no interval for {', '.join(single)}{rough}."
            )
    return warnings


def verdict(evaluation: dict[str, Any]) -> str:
    """Say in one sentence how good the map is and whether a simple tool does as well."""
    if not evaluation["n"]:
        return "How accurate the map is cannot be said: there are no labels apart from training."
    right = f"{_percent(evaluation['overall'])} of the {evaluation['n']:,} reference pixels"
    limits = evaluation["intervals"]["overall"]
    right += " are right" + (f" (95 % interval {_range(limits)} %)" if limits else "")
    if evaluation["optimistic"]:
        right += (
            ", an optimistic figure, for half of them lie within "
            f"{_pixels(evaluation['nearest_training'])} of a training pixel of their class"
        )
    if not evaluation["baselines"]:
        return f"{right}; there is no spectral baseline to compare with."
    baselines = evaluation["baselines"]
    clearly_better = [b for b in baselines if (b["difference_interval"] or [0, 0])[1] < 0]
    best = max(clearly_better or baselines, key=lambda b: b["overall"] or 0.0)
    gap, limits = best["difference"], best["difference_interval"]
    other = "network alone" if best["name"] == NETWORK else "spectral baseline"
    against = f"{right}, against {_percent(best['overall'])} for the {best['title']}"
    if limits:
        against += f"; difference {signed(gap)} points (95 % interval {_range(limits, signed)})"
    if limits and limits[0] > 0:
        return f"The map is better than the {other}: {against}."
    if limits and limits[1] < 0:
        return (
            f"The map is worse than the {other}, so prefer the {best['title']} here "
            f"(choose it as the classifier: --classifier {best['name']}): {against}."
        )
    if limits:
        return f"The map is neither clearly better nor clearly worse than the {other}: {against}."
    word = "higher than" if gap > 0 else "lower than" if gap < 0 else "the same as"
    return (
        f"The map's accuracy is {word} the {other}'s, but the reference polygons are "
        f"too few to tell whether that is chance{_needed(evaluation)}: {against}."
    )


def _needed(evaluation: dict[str, Any]) -> str:
    polygons, freedom = evaluation["polygons"], evaluation["degrees_of_freedom"]
    if freedom is None:
        return ""
    return (
        f" ({polygons} of {polygons - freedom} classes; {LEAST_FREEDOM} more polygons than "
        "classes are needed)"
    )


def _pixels(distance: float) -> str:
    shown = f"{distance:.1f}".removesuffix(".0")
    return f"{shown} pixel" if shown == "1" else f"{shown} pixels"


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.1f} %"


def signed(share: float) -> str:
    """Write a difference of shares in points, with its sign: ``+1.5``, ``−0.3``."""
    return f"{100 * share:+.1f}".replace("-", "−")


def unsigned(share: float) -> str:
    """Write a share as a percentage without unit: ``83.1``."""
    return f"{100 * share:.1f}".replace("-", "−")


def _range(limits: Sequence[float], write: Callable[[float], str] = unsigned) -> str:
    return f"{write(limits[0])} to {write(limits[1])}"
