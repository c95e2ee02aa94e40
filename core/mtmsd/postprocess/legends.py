"""Which class of one map is which of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtmsd.classes import ClassInfo, name_key, with_colors
from mtmsd.errors import InputError
from mtmsd.files.csv_table import read_csv_table
from mtmsd.scene.class_map import ClassMap

COLUMNS = ("before", "after")


@dataclass(frozen=True)
class MatchedLegends:
    """The classes of two maps as one list.

    Attributes
    ----------
    names, colors : tuple of str
        Of each class of the common list.
    before, after : dict
        From a map's class value to the position in that list.
    notes : tuple of str
        What the user should know.
    """

    names: tuple[str, ...]
    colors: tuple[str, ...]
    before: Mapping[int, int]
    after: Mapping[int, int]
    notes: tuple[str, ...] = ()

    @staticmethod
    def positions(legend: Mapping[int, int], values: NDArray) -> NDArray[np.int64]:
        """Return the position of each value of a map; 0 where it has none."""
        table = np.zeros(max(int(values.max(initial=0)), *legend, 0) + 1, np.int64)
        for value, place in legend.items():
            table[value] = place
        return table[values]


def match_legends(before: ClassMap, after: ClassMap, table: Path | None) -> MatchedLegends:
    """Join the classes of two maps: those of a table's row, and those of one name.

    Parameters
    ----------
    table : Path, optional
        CSV with the columns ``before`` and ``after``, a class's name or number in each; classes
        that stand in a row together are one class, also several with one.

    Raises
    ------
    InputError
        If the table cannot be read, lacks a column, or names a class that its map has not.
    """
    legends = [_classes(before), _classes(after)]
    groups = [{(0, info.value)} for info in legends[0]] + [{(1, info.value)} for info in legends[1]]
    named = set()
    for first, second in _rows(table, legends, (before.name, after.name)) if table else ():
        _join(groups, (0, first), (1, second))
        named |= {(0, first), (1, second)}
    for one in legends[0]:
        for other in legends[1]:
            unnamed = not named & {(0, one.value), (1, other.value)}
            if unnamed and name_key(one.name) == name_key(other.name):
                _join(groups, (0, one.value), (1, other.value))
    infos = {(side, info.value): info for side in (0, 1) for info in legends[side]}
    groups.sort(key=min)
    chosen = [[infos[key] for key in sorted(group, reverse=True)] for group in groups]
    places = {key: place for place, group in enumerate(groups) for key in group}
    return MatchedLegends(
        tuple(" + ".join(dict.fromkeys(i.name for i in _of_after(g, c)))
              for g, c in zip(groups, chosen, strict=True)),
        tuple(infos[max(group)].color for group in groups),
        {value: place for (side, value), place in places.items() if side == 0},
        {value: place for (side, value), place in places.items() if side == 1},
        _notes(groups, infos, (before.name, after.name)),
    )  # fmt: skip


def _of_after(group: set[tuple[int, int]], infos: Sequence[ClassInfo]) -> list[ClassInfo]:
    """Return the classes that name a group: the later map's, or else the earlier's."""
    later = sum(side for side, _ in group)
    return list(infos[: later or len(infos)])[::-1]


def _classes(one: ClassMap) -> list[ClassInfo]:
    """Return all classes of a map but the unknown one; values without a name are named so."""
    known = [info for info in one.classes if info.value != one.unknown]
    nameless = one.present - {info.value for info in one.classes}
    return list(with_colors({value: (str(value), None) for value in nameless}, known))


def _join(
    groups: list[set[tuple[int, int]]], first: tuple[int, int], other: tuple[int, int]
) -> None:
    one, two = (next(group for group in groups if key in group) for key in (first, other))
    if one is not two:
        groups.remove(two)
        one |= two


def _notes(
    groups: Sequence[set[tuple[int, int]]],
    infos: Mapping[tuple[int, int], ClassInfo],
    names: tuple[str, str],
) -> tuple[str, ...]:
    """Say which classes only one of the maps has."""
    notes = []
    for side, name in enumerate(names):
        alone = [infos[min(g)].name for g in groups if {key[0] for key in g} == {side}]
        if alone:
            listed = ", ".join(f"'{text}'" for text in alone)
            notes.append(
                f"Only '{name}' has the class{'es' if len(alone) > 1 else ''} {listed}; where a "
                "class has another name in the other map, give a table (--legend)."
            )
    return tuple(notes)


def _rows(
    table: Path, legends: Sequence[Sequence[ClassInfo]], names: tuple[str, str]
) -> list[tuple[int, int]]:
    """Return the pairs of class values in the rows of a table."""
    rows = read_csv_table(table, COLUMNS, what="The table", header=",".join(COLUMNS))
    pairs = []
    for number, row in enumerate(rows, 2):
        pair = [
            _value(row[column], legend, f"line {number} of {table}", name)
            for column, legend, name in zip(COLUMNS, legends, names, strict=True)
        ]
        pairs.append((pair[0], pair[1]))
    return pairs


def _value(text: str, legend: Sequence[ClassInfo], place: str, name: str) -> int:
    for info in legend:
        if name_key(info.name) == name_key(text):
            return info.value
    for info in legend:
        if str(info.value) == text:
            return info.value
    listed = ", ".join(f"{info.name} ({info.value})" for info in legend)
    raise InputError(
        f"'{name}' has no class '{text}', which is in {place}.", hint=f"It has: {listed}."
    )
