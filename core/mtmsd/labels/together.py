"""Labels of several scenes as those of one: classes matched by value and by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mtmsd.classes import LARGEST_VALUE, ClassInfo, name_key, with_colors
from mtmsd.errors import InputError
from mtmsd.labels.labels import Labels
from mtmsd.labels.read import check_classes, read_labels
from mtmsd.scene.scene_set import SceneSet

HINT = "Give a class one number and one name in all files, or choose the field with its name."


def read_labels_together(
    paths: Sequence[str | Path],
    scenes: SceneSet,
    *,
    class_field: str | None = None,
    minimum: int = 3,
    fewest_classes: int = 2,
) -> Labels:
    """Read the labels of each scene onto the set's grid; see :func:`mtmsd.labels.read.read_labels`.

    Numbers that files give to classes hold; classes that have names alone are matched by these.
    Pixels and classes are asked for in all files together.

    Raises
    ------
    InputError
        Also where two files disagree on a class.
    """
    each = [
        read_labels(path, place.scene, class_field=class_field, minimum=0)
        for path, place in zip(paths, scenes.placed, strict=True)
    ]
    names = [Path(str(path).split("|", 1)[0]).name for path in paths]
    classes, values = match_classes(names, each)
    tops = [place.top for place in scenes.placed]
    before = np.cumsum([0, *(int(labels.groups.max()) + 1 for labels in each)])
    together = Labels(
        np.concatenate([labels.rows + top for labels, top in zip(each, tops)]).astype(np.int32),
        np.concatenate([labels.cols for labels in each]),
        np.concatenate([_mapped(*pair) for pair in zip(each, values)]),
        np.concatenate([part.groups + n for part, n in zip(each, before)]).astype(np.int32),
        classes,
        tuple(warning for labels in each for warning in labels.warnings),
        each[0].field,
        any(labels.numbered for labels in each),
    )
    check_classes(together, minimum, fewest_classes, ", ".join(names))
    return together


def match_classes(
    files: Sequence[str], each: Sequence[Labels]
) -> tuple[tuple[ClassInfo, ...], list[dict[int, int]]]:
    """Return the classes of all files, and the value among them of each file's values.

    Raises
    ------
    InputError
        If a number or a name stands for two classes.
    """
    known: dict[int, tuple[str, str | None]] = {}
    source: dict[int, str] = {}
    for file, labels in zip(files, each, strict=True):
        for info in labels.classes if labels.numbered else ():
            _check(info, file, known, source)
            if info.value not in known or not _named(info.value, known[info.value][0]):
                color = known.get(info.value, (None, info.color))[1]
                known[info.value] = (info.name, color)
                source[info.value] = file
    values: list[dict[int, int]] = []
    for labels in each:
        own = {info.value: info.value for info in labels.classes}
        if not labels.numbered:
            for info in labels.classes:
                own[info.value] = _value_of(info.name, known)
                known.setdefault(own[info.value], (info.name, info.color))
        values.append(own)
    return with_colors(_own_colors(known), ()), values


def _check(
    info: ClassInfo, file: str, known: dict[int, tuple[str, str | None]], source: dict[int, str]
) -> None:
    """Refuse a numbered class that an earlier file knows by another name or number."""
    if not _named(info.value, info.name):
        return
    there = known.get(info.value, (str(info.value), None))[0]
    if _named(info.value, there) and name_key(there) != name_key(info.name):
        raise InputError(
            f"The class {info.value} is '{there}' in '{source[info.value]}' and '{info.name}' in "
            f"'{file}'.",
            hint=HINT,
        )
    for value, (name, _) in known.items():
        if value != info.value and source[value] != file and name_key(name) == name_key(info.name):
            raise InputError(
                f"The class '{name}' is {value} in '{source[value]}' and {info.value} in '{file}'.",
                hint=HINT,
            )


def _named(value: int, name: str) -> bool:
    return name != str(value)


def _value_of(name: str, known: dict[int, tuple[str, str | None]]) -> int:
    """Return the value of a class of that name, or the lowest free one."""
    for value, (other, _) in known.items():
        if name_key(other) == name_key(name):
            return value
    return next(value for value in range(1, LARGEST_VALUE + 1) if value not in known)


def _own_colors(
    known: dict[int, tuple[str, str | None]],
) -> dict[int, tuple[str, str | None]]:
    """Leave a colour that several classes have to the first of them."""
    taken: set[str | None] = set()
    found = {}
    for value, (name, color) in sorted(known.items()):
        found[value] = (name, None if color in taken else color)
        taken.add(color)
    return found


def _mapped(labels: Labels, values: dict[int, int]) -> np.ndarray:
    present, index = np.unique(labels.values, return_inverse=True)
    return np.array([values[int(v)] for v in present], np.uint16)[index]
