"""Several scenes: given one by one, or in a table with a line for each."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mtmsd.commands.arguments import Source
from mtmsd.errors import InputError

COLUMNS = ("scene", "labels", "output")


@dataclass(frozen=True)
class SceneRow:
    """A scene, and where the table has them its labels and its output."""

    scene: Source
    labels: Source | None = None
    output: Path | None = None


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


def read_manifest(path: Path, needed: Sequence[str] = ("scene",)) -> list[SceneRow]:
    """Read a table of scenes; its columns are ``scene``, ``labels`` and ``output``.

    Paths are relative to the table's folder; outputs are names.

    Raises
    ------
    InputError
        If it cannot be read, lacks a needed column or a value of it, or has no line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True)
            columns = [name.strip().casefold() for name in reader.fieldnames or ()]
            lines = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"The table of scenes {path} cannot be read ({error}).",
            hint="Give a CSV file in UTF-8 whose first line is: scene,labels,output",
        ) from error
    for column in needed:
        if column not in columns:
            raise InputError(
                f"The table of scenes {path} has no column '{column}'; it has "
                f"{', '.join(columns) or 'none'}.",
                hint="Its first line is: scene,labels,output",
            )
    if not lines:
        raise InputError(
            f"The table of scenes {path} has no scene.", hint="Add a line for each scene."
        )
    return [_row(path, number, line, needed) for number, line in enumerate(lines, 2)]


def _row(path: Path, number: int, line: dict[str, str | None], needed: Sequence[str]) -> SceneRow:
    values = {str(k).strip().casefold(): str(v or "").strip() for k, v in line.items()}
    for column in needed:
        if not values[column]:
            raise InputError(
                f"Line {number} of {path} has no {column}.", hint="Fill it in, or remove the line."
            )

    def beside(text: str) -> Source:
        file = path.parent / text.split("|", 1)[0]
        return Source(str(path.parent / text) if file.exists() else text)

    labels, output = values.get("labels", ""), values.get("output", "")
    return SceneRow(
        beside(values["scene"]),
        beside(labels) if labels else None,
        Path(output) if output else None,
    )
