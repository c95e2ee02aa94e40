"""The accuracy report: one HTML file that needs nothing else, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from mtmsd.assess.evaluation import signed, unsigned
from mtmsd.files.atomic import atomic_path, remove_partials


def render(assessment: dict[str, Any], pictures: Mapping[str, str | None]) -> str:
    """Fill the template.

    Parameters
    ----------
    assessment : dict
        What :func:`mtmsd.assess.assess.assess_map` returns.
    pictures : dict
        Data URIs by name: ``map``, ``split``, ``spectra``, ``reliability``,
        ``learning_curve``, ``weights``; ``None`` leaves its section out.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=_percent,
        points=_points,
        interval=_interval,
        points_interval=_points_interval,
        count=_count,
        amount=_amount,
        shade=_shade,
    )
    return environment.get_template("report.html").render(a=assessment, pictures=pictures)


def write_whole(path: Path, text: str) -> Path:
    """Write a text file so that what has the final name is whole.

    Raises
    ------
    InputError
        If the folder does not exist or may not be written.
    MachineError
        If the disk is full or fails.
    """
    remove_partials(path)
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def to_json(assessment: dict[str, Any]) -> str:
    """Return the assessment as indented JSON; NaN is refused."""
    return json.dumps(assessment, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _percent(share: float | None) -> str:
    return "–" if share is None else unsigned(share)


def _points(share: float | None) -> str:
    return "–" if share is None else signed(share)


def _interval(limits: list[float] | None) -> str:
    return f"{unsigned(limits[0])} to {unsigned(limits[1])}" if limits else "–"


def _points_interval(limits: list[float] | None) -> str:
    return f"{signed(limits[0])} to {signed(limits[1])}" if limits else "–"


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _amount(value: float | None) -> str:
    """Write with about three significant digits, without exponent."""
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def _shade(value: int, total: int) -> str:
    """Opacity of a confusion cell by its share of the row."""
    return f"{(value / total) ** 0.5 * 0.75:.2f}" if total else "0"
