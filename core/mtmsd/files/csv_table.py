"""Small tables that a user writes: CSV with named columns."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from mtmsd.errors import InputError


def read_csv_table(
    path: Path, needed: Sequence[str], *, what: str, header: str
) -> list[dict[str, str]]:
    """Read the lines of a table; names of columns are lower case, values without blanks around.

    Parameters
    ----------
    needed : sequence of str
        Columns that it must have; others may be there.
    what : str
        What is told of it, before its path.
    header : str
        The usual first line.

    Raises
    ------
    InputError
        If it cannot be read, or lacks a column.
    """
    hint = f"Give a CSV file in UTF-8 whose first line is: {header}"
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True)
            names = [name.strip().casefold() for name in reader.fieldnames or ()]
            lines = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{what} {path} cannot be read ({error}).", hint=hint) from error
    for column in needed:
        if column not in names:
            raise InputError(
                f"{what} {path} has no column '{column}'; it has {', '.join(names) or 'none'}.",
                hint=hint,
            )
    return [
        {str(name).strip().casefold(): str(text or "").strip() for name, text in line.items()}
        for line in lines
    ]
