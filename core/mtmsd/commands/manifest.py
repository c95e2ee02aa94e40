"""Several scenes: given one by one, or in a table with a line for each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mtmsd.commands.arguments import Source
from mtmsd.errors import InputError
from mtmsd.files.csv_table import read_csv_table


@dataclass(frozen=True)
class SceneRow:
    """A scene; its labels, its output and its mask where the table has them."""

    scene: Source
    output: Path | None = None
    mask: Source | None = None
    labels: Source | None = None


def is_manifest(source: str) -> bool:
    """Whether this is a table of scenes rather than a scene."""
    return Path(source).suffix.lower() == ".csv"


def listed_scenes(first: Source, more: Sequence[Source] = ()) -> list[SceneRow]:
    """Return the scenes that are given, a table's in its place.

    Raises
    ------
    InputError
        If a table cannot be read, lacks the column ``scene``, or has no line.
    """
    rows: list[SceneRow] = []
    for source in (first, *more):
        rows += read_manifest(Path(source)) if is_manifest(source) else [SceneRow(source)]
    return rows


def labelled_scenes(
    scene: Source, labels: Source | None = None, more: Sequence[Source] = ()
) -> list[SceneRow]:
    """Return scenes with their labels, which are given in turn, or in tables of both.

    Raises
    ------
    InputError
        If one has no labels, or as :func:`listed_scenes` does.
    """
    given = iter([scene, *([labels] if labels else []), *more])
    rows: list[SceneRow] = []
    for source in given:
        if is_manifest(source):
            rows += read_manifest(Path(source), "labels")
        else:
            rows.append(SceneRow(source, labels=next(given, None)))
    for row in rows:
        if not row.labels:
            raise InputError(
                f"The scene {row.scene} has no labels.",
                hint="Give a scene and its labels in turn, or a table with the columns "
                "scene,labels.",
            )
    return rows


def scenes_alone(
    scene: Source, labels: Source | None = None, more: Sequence[Source] = ()
) -> list[Source]:
    """Return what :func:`labelled_scenes` takes without labels; tables stay what they are."""
    given = iter([scene, *([labels] if labels else []), *more])
    return [source for source in given if is_manifest(source) or next(given, "") is not None]


def refuse_twins(rows: Sequence[SceneRow]) -> None:
    """Refuse scenes of which one is given twice; raises InputError."""
    seen: set[str] = set()
    for row in rows:
        place = os.path.realpath(row.scene)
        if place in seen:
            raise InputError(f"The scene {row.scene} is given twice.", hint="Give it once.")
        seen.add(place)


def files_of(rows: Sequence[SceneRow]) -> list[Source]:
    """Return all files that rows name."""
    return [path for row in rows for path in (row.scene, row.labels, row.mask) if path]


def read_manifest(path: Path, *needed: str) -> list[SceneRow]:
    """Read a table of scenes; its columns are ``scene``, ``labels``, ``output`` and ``mask``.

    Paths are relative to the table's folder; outputs are names.

    Raises
    ------
    InputError
        If it cannot be read, lacks the column ``scene``, a value of it, or a ``needed`` column,
        or has no line.
    """
    header = ",".join(["scene", *needed] if needed else ["scene", "output"])
    lines = read_csv_table(path, ["scene", *needed], what="The table of scenes", header=header)
    if not lines:
        raise InputError(
            f"The table of scenes {path} has no scene.", hint="Add a line for each scene."
        )
    return [_row(path, number, line) for number, line in enumerate(lines, 2)]


def _row(path: Path, number: int, line: dict[str, str]) -> SceneRow:
    scene, output = line["scene"], line.get("output", "")
    if not scene:
        raise InputError(
            f"Line {number} of {path} has no scene.", hint="Fill it in, or remove the line."
        )
    mask, labels = line.get("mask", ""), line.get("labels", "")
    return SceneRow(
        _beside(path, scene),
        Path(output) if output else None,
        _beside(path, mask) if mask else None,
        _beside(path, labels) if labels else None,
    )


def _beside(table: Path, source: str) -> Source:
    """Return what a table names, relative to its folder where it is there."""
    is_there = (table.parent / source.split("|", 1)[0]).exists()
    return Source(str(table.parent / source) if is_there else source)
