"""The area of each class as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtmsd.assess.report import write_whole
from mtmsd.reporting import Reporter
from mtmsd.scene.class_map import ClassMap
from mtmsd.scene.pixel_area import class_areas


def write_area_table(
    map_path: str | Path,
    output: Path,
    *,
    area: Mapping[str, Any] | None = None,
    reporter: Reporter | None = None,
) -> Path:
    """Write pixels, share and hectares of each class as CSV.

    Parameters
    ----------
    output : Path
        Comma-separated, UTF-8, a header line.
    area : mapping, optional
        The ``area`` of an assessment's JSON: adds the adjusted hectares and their 95 % margins.

    Raises
    ------
    InputError
        If the map cannot be read or the folder not written.
    """
    with ClassMap.open(map_path) as class_map:
        pixels, hectares = class_areas(class_map, reporter or Reporter())
        names = {c.value: c.name for c in class_map.classes}
    total = sum(pixels.values())
    header = ["class_id", "class_name", "pixels", "share", "area_ha"]
    adjusted = {c["value"]: c for c in area["classes"]} if area else {}
    if area:
        header += [f"adjusted_{area['unit']}", "margin_95"]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    for value in sorted(set(pixels) | set(names)):
        count = pixels.get(value, 0)
        row = [value, names.get(value, ""), count, f"{count / total:.6f}" if total else ""]
        row.append("" if hectares is None else f"{hectares.get(value, 0.0):.4f}")
        if area:
            found = adjusted.get(value, {})
            row += [_text(found.get(key)) for key in ("adjusted", "adjusted_margin")]
        table.writerow(row)
    return write_whole(output, text.getvalue())


def _text(number: float | None) -> str:
    return "" if number is None else f"{number:.4f}"
