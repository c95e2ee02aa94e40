"""Several scenes: given one by one, or in a table with a line for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mtmsd.commands.arguments import Source
from mtmsd.errors import InputError
from mtmsd.files.csv_table import read_csv_table


@dataclass(frozen=True)
class SceneRow:
    """A scene; its output and its mask where the table has them."""

    scene: Source
    output: Path | None = None
    mask: Source | None = None


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


def read_manifest(path: Path) -> list[SceneRow]:
    """Read a table of scenes; its columns are ``scene``, ``output`` and ``mask``.

    Paths are relative to the table's folder; outputs are names.

    Raises
    ------
    InputError
        If it cannot be read, lacks the column ``scene`` or a value of it, or has no line.
    """
    lines = read_csv_table(path, ["scene"], what="The table of scenes", header="scene,output")
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
    mask = line.get("mask", "")
    return SceneRow(
        _beside(path, scene),
        Path(output) if output else None,
        _beside(path, mask) if mask else None,
    )


def _beside(table: Path, source: str) -> Source:
    """Return what a table names, relative to its folder where it is there."""
    is_there = (table.parent / source.split("|", 1)[0]).exists()
    return Source(str(table.parent / source) if is_there else source)
