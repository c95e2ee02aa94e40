"""From a vector layer's attribute table to class values, names and colours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtmsd.classes import LARGEST_VALUE, ClassInfo, with_colors
from mtmsd.errors import InputError

CLASS_FIELDS = (
    "class_id", "classid", "class_value", "class", "label_id", "label", "class_name", "classname",
    "level_1", "level_2", "land_cover", "landcover", "lc_class", "c_id", "mc_id", "code", "value",
    "category", "type", "name",
)  # fmt: skip
NAME_FIELDS = (
    "class_name", "classname", "class_label", "label_name", "c_name", "c_info", "name", "label",
    "landcover", "category", "description", "class",
)  # fmt: skip
COLOR_FIELDS = ("color", "colour", "class_color", "class_colour", "hex")


@dataclass(frozen=True)
class Legend:
    """Classes of a layer; ``values`` has one entry per feature, 0 where it has no class."""

    values: np.ndarray
    classes: tuple[ClassInfo, ...]
    warnings: tuple[str, ...]


def read_legend(
    layer: str,
    fields: dict[str, np.ndarray],
    class_field: str | None,
    known: Sequence[ClassInfo],
) -> Legend:
    """Find the class of each feature.

    Raises
    ------
    InputError
        If there is no such field, or its values cannot be classes.
    """
    field = _find_field(layer, fields, class_field)
    column = fields[field]
    texts = [_text(value) for value in column]
    empty = sum(text is None for text in texts)
    warnings = []
    if empty == len(texts):
        raise InputError(
            f"The class field '{field}' of '{layer}' is empty in all {empty} features.",
            hint="Fill it in, or choose another field.",
        )
    if empty:
        warnings.append(
            f"{empty} of {len(texts)} features of '{layer}' have no class in '{field}' and were "
            "left out."
        )
    numbers = _whole_numbers(texts)
    if numbers is not None:
        _check_range(numbers, layer, field)
        values = np.array([0 if n is None else n for n in numbers], np.int64)
        companion = _companion(fields, field, NAME_FIELDS)
        names = _most_common(values, fields[companion]) if companion else {}
        found = {int(v): names.get(int(v)) or str(v) for v in np.unique(values[values > 0])}
    elif column.dtype.kind == "f":
        raise InputError(
            f"The field '{field}' of '{layer}' holds fractions, which are no classes.",
            hint="Choose a field of whole numbers or of text.",
        )
    else:
        values, found, extra = _from_text(texts, known)
        if extra:
            warnings.append(f"'{layer}' has classes that are not known so far: {', '.join(extra)}.")
    companion = _companion(fields, field, COLOR_FIELDS)
    colors = _most_common(values, fields[companion]) if companion else {}
    entries = {v: (name, _hex(colors.get(v))) for v, name in found.items()}
    return Legend(values, with_colors(entries, known), tuple(warnings))


def _find_field(layer: str, fields: dict[str, np.ndarray], wanted: str | None) -> str:
    listing = ", ".join(fields) or "none"
    lower = {name.lower(): name for name in fields}
    if wanted:
        found = wanted if wanted in fields else lower.get(wanted.lower())
        if found is not None:
            return found
        raise InputError(f"'{layer}' has no field '{wanted}'.", hint=f"Its fields are: {listing}.")
    for name in CLASS_FIELDS:
        if name in lower:
            return lower[name]
    if len(fields) == 1:
        return next(iter(fields))
    raise InputError(
        f"It is not clear which field of '{layer}' holds the class.",
        hint=f"Name it; the fields are: {listing}.",
    )


def _text(value: object) -> str | None:
    """Return an attribute as text, None if it is empty."""
    if value is None or (isinstance(value, (float, np.floating)) and np.isnan(value)):
        return None
    text = str(value).strip()
    return text or None


def _whole_numbers(texts: Sequence[str | None]) -> list[int | None] | None:
    """Read all as whole numbers (``7``, ``7.0``), or return None."""
    if not all(t is None or re.fullmatch(r"[-+]?\d{1,15}(\.0*)?", t) for t in texts):
        return None
    return [None if t is None else int(float(t)) for t in texts]


def _check_range(numbers: Sequence[int | None], layer: str, field: str) -> None:
    wrong = sorted({n for n in numbers if n is not None and not 1 <= n <= LARGEST_VALUE})
    if wrong:
        raise InputError(
            f"The field '{field}' of '{layer}' holds the class {wrong[0]}; classes are numbered "
            f"from 1 to {LARGEST_VALUE}, and 0 is what a map has where it has no class.",
            hint="Renumber the classes, or choose a field with their names.",
        )


def _from_text(
    texts: Sequence[str | None], known: Sequence[ClassInfo]
) -> tuple[np.ndarray, dict[int, str], list[str]]:
    """Give numbers to names: as the known classes do, new ones behind them in sorted order."""
    values = {info.name.strip().casefold(): info.value for info in known}
    names = sorted({text for text in texts if text})
    new = [name for name in names if name.casefold() not in values] if known else names
    start = max((info.value for info in known), default=0)
    exact = {name: start + i for i, name in enumerate(new, 1)}
    lookup = {name: exact.get(name) or values[name.casefold()] for name in names}
    found = {value: name for name, value in exact.items()}
    column = np.array([lookup[text] if text else 0 for text in texts], np.int64)
    return column, found, new if known else []


def _companion(fields: dict[str, np.ndarray], field: str, names: Sequence[str]) -> str | None:
    lower = {name.lower(): name for name in fields if name != field}
    return next((lower[name] for name in names if name in lower), None)


def _most_common(values: np.ndarray, column: np.ndarray) -> dict[int, str]:
    """Return, for each class, the text that most of its features have in another field."""
    texts = np.array([_text(value) or "" for value in column], object)
    result = {}
    for value in np.unique(values[values > 0]):
        present = [text for text in texts[values == value] if text]
        if present:
            result[int(value)] = max(sorted(set(present)), key=present.count)
    return result


def _hex(text: str | None) -> str | None:
    """Read ``#rrggbb`` (an alpha behind it is dropped) or ``r,g,b``."""
    if not text:
        return None
    match = re.fullmatch(r"#?([0-9a-fA-F]{6})([0-9a-fA-F]{2})?", text)
    if match:
        return f"#{match[1].lower()}"
    parts = re.fullmatch(r"(\d{1,3})[,\s]+(\d{1,3})[,\s]+(\d{1,3})(?:[,\s]+\d+)?", text)
    if parts and all(int(p) < 256 for p in parts.groups()):
        return "#" + "".join(f"{int(p):02x}" for p in parts.groups())
    return None
