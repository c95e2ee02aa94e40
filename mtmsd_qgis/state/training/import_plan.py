"""What comes of the polygons of another layer: which classes, how many, what is doubtful."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from .classes import Label, LandClass, Source, added
from .spectra import SpectraReader, counted


@dataclass(frozen=True)
class PlannedClass:
    """A class of another layer and what it becomes.

    Attributes
    ----------
    name, number : str, int
        As the other layer has them; the number is 0 where it has none.
    polygons, pixels : int
        Of those inside the scene.
    becomes : LandClass
        The class that takes its polygons.
    """

    name: str
    number: int
    polygons: int
    pixels: int
    becomes: LandClass


@dataclass(frozen=True)
class ImportPlan:
    """What would be taken.

    Attributes
    ----------
    classes : list of LandClass
        All classes afterwards.
    planned : list of PlannedClass
    polygons : list of (int, bytes)
        Class number and WKB of each polygon inside the scene.
    outside, left_out, contested : int
        Polygons without a pixel of the scene, features without class or shape, pixels in polygons
        of two classes.
    alike : list of tuple of str
        Names that differ in capitals, blanks or Unicode forms alone.
    """

    classes: list[LandClass]
    planned: list[PlannedClass]
    polygons: list[tuple[int, bytes]]
    outside: int
    left_out: int
    contested: int
    alike: list[tuple[str, ...]]


def plan(
    source: Source, existing: Sequence[LandClass], reader: SpectraReader, *, merge: bool
) -> ImportPlan:
    """Plan an import; in any thread.

    Classes are told apart by their numbers; where the layer has names only, by these.

    Parameters
    ----------
    merge : bool
        Whether names that are alike but for capitals, blanks or Unicode forms are one class.
    """
    alike = _alike(source.labels)
    keys = [_key(label, merge) for label in source.labels]
    first: dict[Hashable, Label] = {}
    for key, label in zip(keys, source.labels):
        first.setdefault(key, label)
    classes, becomes = list(existing), {}
    for key in sorted(first, key=lambda k: (first[k].value, first[k].name)):
        classes, becomes[key] = _place(classes, first[key], merge, set(becomes.values()))
    samples = [reader.covered(label.wkb) for label in source.labels]
    inside = [len(sample.pixels) > 0 for sample in samples]
    counts = counted([(becomes[k].value, s) for k, s, i in zip(keys, samples, inside) if i])
    polygons = Counter(key for key, is_in in zip(keys, inside) if is_in)
    planned = [
        PlannedClass(
            label.name,
            label.value,
            polygons[key],
            counts.pixels.get(becomes[key].value, 0),
            becomes[key],
        )
        for key, label in first.items()
    ]
    return ImportPlan(
        classes,
        sorted(planned, key=lambda row: row.becomes.value),
        [(becomes[k].value, x.wkb) for k, x, i in zip(keys, source.labels, inside) if i],
        int(np.sum(np.logical_not(inside))) if inside else 0,
        source.left_out,
        counts.contested,
        alike,
    )


def name_key(name: str) -> str:
    """Return what is equal for names that differ in capitals, blanks or Unicode forms alone.

    The same as the engine's (``mtmsd.classes.name_key``), which the plugin does not import.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    seen = (c for c in folded if unicodedata.category(c) != "Cf" and not "\ufe00" <= c <= "\ufe0f")
    shown = (
        " " if char.isspace() else char
        for char in unicodedata.normalize("NFC", "".join(seen))
        if char.isspace() or unicodedata.category(char) not in ("Cc", "Cs")
    )
    return " ".join("".join(shown).split())


def _key(label: Label, merge: bool) -> Hashable:
    return label.value or (name_key(label.name) if merge else label.name)


def _alike(labels: Sequence[Label]) -> list[tuple[str, ...]]:
    spellings: dict[str, set[str]] = {}
    for label in labels:
        if not label.value:
            spellings.setdefault(name_key(label.name), set()).add(label.name)
    return [tuple(sorted(names)) for names in spellings.values() if len(names) > 1]


def _place(
    classes: list[LandClass], label: Label, merge: bool, taken: set[LandClass]
) -> tuple[list[LandClass], LandClass]:
    """Return the classes, and the one of them that a class of the layer becomes."""
    for known in classes:
        same = name_key(known.name) == name_key(label.name)
        by_number = label.value == known.value and same
        by_name = not label.value and (same if merge else known.name == label.name)
        if (by_number or by_name) and known not in taken:
            return classes, known
    before = {c.value for c in classes}
    grown = added(classes, label.name, label.color, label.value)
    return grown, next(c for c in grown if c.value not in before)
