"""Classes of land cover: value, name, colour."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mtmsd.errors import InputError

LARGEST_VALUE = 65535
"""Class values are kept as uint16; 0 means no class."""
LONGEST_NAME = 1000
"""Characters of a class name."""
JOINERS = {"\u200c", "\u200d", *map(chr, range(0xE0020, 0xE0080))}
"""Invisible, yet part of what is written: of emoji, of Persian, of scripts of India."""
PALETTE = (
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#edc948", "#76b7b2", "#9c755f",
    "#ff9da7", "#bab0ac", "#1f5f8b", "#8cd17d", "#d37295", "#b6992d", "#499894", "#86bcb6",
    "#fabfd2", "#79706e", "#d4a6c8", "#f1ce63",
)  # fmt: skip


@dataclass(frozen=True, order=True)
class ClassInfo:
    """A class: its value in maps, its name, its colour as ``#rrggbb``."""

    value: int
    name: str
    color: str


def clean_name(text: str) -> str:
    """Return a name as it is shown: composed, single blanks, nothing invisible around or in it."""
    shown = "".join(
        " " if char.isspace() else char
        for char in unicodedata.normalize("NFC", text)
        if char.isspace() or char in JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs")
    )
    return " ".join(shown.split()).strip("\u200c\u200d")


def name_key(text: str) -> str:
    """Return what is equal for names that differ in case, blanks or ways to write a character.

    Unicode's compatibility composition (NFKC) and case folding: full-width and composed letters,
    ß and ss, no-break, zero-width and trailing blanks make no difference.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    seen = (c for c in folded if unicodedata.category(c) != "Cf" and not "\ufe00" <= c <= "\ufe0f")
    return clean_name("".join(seen))


def distinct_names(classes: Iterable[ClassInfo]) -> tuple[ClassInfo, ...]:
    """Put the value behind a name that several classes have, so that a name says which it is."""
    listed = tuple(classes)
    keys = [name_key(info.name) for info in listed]
    shared = Counter(keys)
    if len(shared) == len(listed):
        return listed
    return distinct_names(
        replace(info, name=f"{info.name} ({info.value})") if shared[key] > 1 else info
        for info, key in zip(listed, keys, strict=True)
    )


def values_of_names(known: Iterable[ClassInfo]) -> dict[str, set[int]]:
    """Return the values that each :func:`name_key` may stand for, also without the value behind."""
    values: dict[str, set[int]] = {}
    for info in known:
        for name in (info.name, info.name.removesuffix(f" ({info.value})")):
            values.setdefault(name_key(name), set()).add(info.value)
    return values


def check_names(found: Mapping[int, str], known: Sequence[ClassInfo], source: str) -> None:
    """Refuse names that are too long, or that the known classes have under another number.

    Raises
    ------
    InputError
    """
    numbers, values = {info.value: info.name for info in known}, values_of_names(known)
    for value, name in found.items():
        if len(name) > LONGEST_NAME // 2:
            raise InputError(
                f"The class {value} of '{source}' has a name of {len(name)} characters, "
                f"'{name[:40]} …'; {LONGEST_NAME // 2} are the most.",
                hint="Choose another field for the class, or give it a shorter name.",
            )
        others = values.get(name_key(name), {value})
        if value in numbers and value not in others:
            raise InputError(
                f"The class {value} of '{source}' is called '{name}', but in the map '{name}' is "
                f"{min(others)} and {value} is '{numbers[value]}'.",
                hint="Give both the same numbers, or choose the field with the names as the class.",
            )


def with_colors(
    found: dict[int, tuple[str, str | None]], known: Sequence[ClassInfo]
) -> tuple[ClassInfo, ...]:
    """Join found classes (value: name, colour) to known ones; fill in missing colours.

    Classes of one name get their values behind it.
    """
    merged = {info.value: info for info in known}
    taken = {info.color.lower() for info in known} | {c.lower() for _, c in found.values() if c}
    free = [color for color in PALETTE if color not in taken] or list(PALETTE)
    for i, value in enumerate(sorted(set(found) - set(merged))):
        name, color = found[value]
        merged[value] = ClassInfo(value, name, color or free[i % len(free)])
    return distinct_names(merged[value] for value in sorted(merged))
