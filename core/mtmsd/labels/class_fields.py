"""From a vector layer's attribute table to class values, names and colours."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtmsd.classes import (
    LARGEST_VALUE,
    ClassInfo,
    check_names,
    clean_name,
    name_key,
    values_of_names,
    with_colors,
)
from mtmsd.errors import InputError

_NAMES = json.loads(Path(__file__).with_name("field_names.json").read_text(encoding="utf-8"))
CLASS_FIELDS = tuple(_NAMES["class"])
"""Fields that probably hold the class, the likeliest first; small letters. QGIS's side reads the
same file."""
NAME_FIELDS = tuple(_NAMES["name"])
COLOR_FIELDS = tuple(_NAMES["color"])
NAMES_BESIDE: dict[str, str] = _NAMES["names_beside"]
"""Where the names of a field of numbers stand, if it is not one of the fields above."""
COLORS_BESIDE: dict[str, str] = _NAMES["colors_beside"]
"""Where the colours of a field stand that has its own."""
FEW = 5
"""Features from which on a field that tells each from each is taken for their number."""


@dataclass(frozen=True)
class Legend:
    """Classes of a layer; ``values`` has one entry per feature, 0 where it has no class."""

    values: np.ndarray
    classes: tuple[ClassInfo, ...]
    warnings: tuple[str, ...]
    field: str
    numbered: bool
    """Whether the field holds numbers, rather than names that were given numbers here."""


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
    field = _named_field(layer, fields, class_field) if class_field else None
    warnings = []
    if field is None:
        field, note = _guess_field(layer, fields, known)
        warnings += note
    column = fields[field]
    texts = [_text(value) for value in column]
    empty = sum(text is None for text in texts)
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
        beside = NAMES_BESIDE.get(field.lower())
        companion = _companion(fields, field, (beside,) if beside else NAME_FIELDS)
        names = _most_common(values, fields[companion]) if companion else {}
        found = {int(v): names.get(int(v)) or str(v) for v in np.unique(values[values > 0])}
        check_names(found, known, layer)
    elif column.dtype.kind == "f":
        raise InputError(
            f"The field '{field}' of '{layer}' holds fractions, which are no classes.",
            hint="Choose a field of whole numbers or of text.",
        )
    else:
        spelled, merged = _one_spelling(column)
        if merged:
            warnings.append(
                f"In the field '{field}' of '{layer}' names that differ in capitals, blanks or "
                f"Unicode forms only were taken as one class: {'; '.join(merged)}."
            )
        values, found, extra = _from_text(spelled, known, f"the field '{field}' of '{layer}'")
        check_names(found, (), layer)
        if extra:
            warnings.append(f"'{layer}' has classes that are not known so far: {', '.join(extra)}.")
    own = COLORS_BESIDE.get(field.lower(), COLOR_FIELDS[0])
    companion = _companion(fields, field, (own, *COLOR_FIELDS))
    colors = _most_common(values, fields[companion]) if companion else {}
    entries = {v: (name, hex_color(colors.get(v))) for v, name in found.items()}
    return Legend(values, with_colors(entries, known), tuple(warnings), field, numbers is not None)


def _named_field(layer: str, fields: dict[str, np.ndarray], wanted: str) -> str:
    lower = {name.lower(): name for name in fields}
    found = wanted if wanted in fields else lower.get(wanted.lower())
    if found is None:
        listing = ", ".join(fields) or "none"
        raise InputError(f"'{layer}' has no field '{wanted}'.", hint=f"Its fields are: {listing}.")
    return found


def _guess_field(
    layer: str, fields: dict[str, np.ndarray], known: Sequence[ClassInfo]
) -> tuple[str, list[str]]:
    """Choose a field by its name and its values; return it and what to say of the choice."""
    lower = {name.lower(): name for name in fields}
    likely = [lower[name] for name in CLASS_FIELDS if name in lower]
    if len(fields) == 1:
        likely = list(fields)
    if not likely:
        raise InputError(
            f"It is not clear which field of '{layer}' holds the class.",
            hint=f"Name it; the fields are: {', '.join(fields) or 'none'}.",
        )
    keys = {name: _keys(column) for name, column in fields.items()}
    names = values_of_names(known)
    numbers = {str(info.value) for info in known}
    unique, one_class = [], []
    for field in likely:
        present = [key for key in keys[field] if key]
        classes = set(present)
        all_known = bool(known) and all(key in names or key in numbers for key in classes)
        if fields[field].dtype.kind == "f" and _whole_numbers(list(keys[field])) is None:
            continue
        if len(classes) < 2:
            one_class.append(field)
        elif len(classes) == len(present) >= FEW and not all_known:
            unique.append(field)
        else:
            return field, _told(layer, field, fields, keys)
    if one_class:
        return one_class[0], _told(layer, one_class[0], fields, keys)
    if not unique:
        return likely[0], []
    raise InputError(
        f"It is not clear which field of '{layer}' holds the class: '{unique[0]}' has another "
        f"value in each of its {len(keys[unique[0]])} features.",
        hint=f"Name the field (--class-field); there are: {', '.join(fields)}.",
    )


def _told(
    layer: str, field: str, fields: dict[str, np.ndarray], keys: dict[str, tuple[str | None, ...]]
) -> list[str]:
    """Name a guessed field, unless any other would have given the same classes."""
    others = [n for n in fields if n != field and n.lower() not in COLOR_FIELDS and any(keys[n])]
    parts = {len(set(zip(keys[field], keys[n], strict=True))) for n in (field, *others)}
    parts |= {len(set(keys[n])) for n in others}
    if len(parts) == 1:
        return []
    return [
        f"The classes of '{layer}' are those of its field '{field}', which was guessed "
        f"({len(set(keys[field]) - {None})} classes in {len(keys[field])} features); --class-field "
        f"chooses another: {', '.join(others)}."
    ]


def _keys(column: np.ndarray) -> tuple[str | None, ...]:
    """Return what tells the classes of a column apart, None where it is empty."""
    texts = [_text(value) for value in column]
    numbers = _whole_numbers(texts)
    shown = texts if numbers is None else [None if n is None else str(n) for n in numbers]
    return tuple(text and name_key(text) for text in shown)


def _text(value: object) -> str | None:
    """Return an attribute as text, None if it is empty."""
    if value is None or (isinstance(value, (float, np.floating)) and np.isnan(value)):
        return None
    return clean_name(str(value)) or None


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


def _one_spelling(column: np.ndarray) -> tuple[list[str | None], list[str]]:
    """Write names that differ in case, blanks or Unicode as most of them are; tell which did."""
    spellings: dict[str, Counter[str]] = {}
    texts = [_text(value) and str(value) for value in column]
    for text in filter(None, texts):
        spellings.setdefault(name_key(text), Counter())[text] += 1
    usual = {k: clean_name(max(sorted(s), key=s.__getitem__)) for k, s in spellings.items()}
    merged = [
        " = ".join(f"'{text}'" for text in sorted(found))
        for found in spellings.values()
        if len(found) > 1
    ]
    return [text and usual[name_key(text)] for text in texts], merged


def _from_text(
    texts: Sequence[str | None], known: Sequence[ClassInfo], source: str
) -> tuple[np.ndarray, dict[int, str], list[str]]:
    """Give numbers to names: as the known classes do, new ones behind them in sorted order."""
    values = values_of_names(known)
    names = sorted({text for text in texts if text})
    new = [name for name in names if name_key(name) not in values]
    start = max((info.value for info in known), default=0)
    lookup = {name: start + i for i, name in enumerate(new, 1)}
    if start + len(new) > LARGEST_VALUE:
        raise InputError(
            f"{source[0].upper()}{source[1:]} has {len(new)} classes; {LARGEST_VALUE - start} are "
            "the most.",
            hint="Choose another field.",
        )
    for name in set(names) - set(new):
        meant = sorted(values[name_key(name)])
        if len(meant) > 1:
            raise InputError(
                f"'{name}' in {source} may be any of the classes {', '.join(map(str, meant))}, "
                "which are all called so.",
                hint="Choose a field with the numbers of the classes.",
            )
        lookup[name] = meant[0]
    found = {lookup[name]: name for name in new}
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


def hex_color(text: str | None) -> str | None:
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
