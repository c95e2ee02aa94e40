"""Classes of a reference that are called otherwise than the map's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mtmsd.classes import ClassInfo
from mtmsd.errors import InputError
from mtmsd.labels.labels import Labels

WRONG = "-"
"""In the place of the map's class: the class is none of the map's."""


def matched(
    reference: Labels, match: Mapping[str, str], known: Sequence[ClassInfo], name: str
) -> Labels:
    """Give the reference the map's classes.

    Parameters
    ----------
    reference : Labels
    match : mapping
        From a class of the reference to one of the map, each by its name or number; to an empty
        text leaves its pixels out, to ``-`` has them count as wrong. Classes that are not named
        go by their names, or by their numbers where the reference has numbers.
    known : sequence of ClassInfo
        The map's classes.
    name : str
        The reference's file, for the sentences.

    Raises
    ------
    InputError
        If the map has no such class, or no reference pixel is left.
    """
    own = _by_text(reference.classes)
    targets = _by_text(known)
    becomes: dict[int, ClassInfo | None] = {}
    lacking: list[str] = []
    for source, target in match.items():
        if source not in own:
            lacking.append(source)
            continue
        if target and target not in targets and target != WRONG:
            raise InputError(
                f"The map has no class '{target}' for '{source}' of '{name}'; it has "
                f"{_names(known)}.",
            )
        becomes[own[source].value] = _free(own[source], known, reference, becomes)
        if target in ("", *targets):
            becomes[own[source].value] = targets.get(target)
    if not reference.numbered:  # the numbers were given while reading, without the map
        for info in (c for c in reference.classes if c.value not in becomes):
            free = _free(info, known, reference, becomes)
            becomes[info.value] = targets.get(info.name, free)
    values, keep = reference.values.copy(), np.ones(len(reference), bool)
    for value, chosen in becomes.items():
        here = reference.values == value
        if chosen is None:
            keep &= ~here
        else:
            values[here] = chosen.value
    if not keep.any():
        raise InputError(f"All classes of '{name}' are left out; match one of them to the map's.")
    left = [c for c in reference.classes if c.value not in becomes]
    new = {c.value: c for c in (*left, *filter(None, becomes.values()), *known)}
    warnings = reference.warnings
    if lacking:
        text = f"'{name}' has no polygons of these classes on the map, so their match has no effect"
        warnings = (*warnings, f"{text}: {', '.join(lacking)}.")
    gone = [c.name for c in reference.classes if c.value in becomes and not becomes[c.value]]
    if gone:
        count = int((~keep).sum())
        text = f"{count:,} pixels of '{name}' were left out as asked: {', '.join(gone)}."
        warnings = (*warnings, text)
    kept = replace(reference, values=values, numbered=True, warnings=warnings).subset(keep)
    return replace(kept, classes=tuple(sorted(new.values(), key=lambda c: c.value)))


def _free(
    info: ClassInfo,
    known: Sequence[ClassInfo],
    reference: Labels,
    becomes: Mapping[int, ClassInfo | None],
) -> ClassInfo:
    """Give a class that is none of the map's a number that no other has."""
    given = [c for c in becomes.values() if c is not None]
    return replace(info, value=max(c.value for c in (*known, *reference.classes, *given)) + 1)


def _by_text(classes: Sequence[ClassInfo]) -> dict[str, ClassInfo]:
    """Return the classes by name, and by number where no name is that number."""
    return {str(c.value): c for c in classes} | {c.name: c for c in classes}


def _names(classes: Sequence[ClassInfo]) -> str:
    return ", ".join(f"'{c.name}' ({c.value})" for c in classes)
