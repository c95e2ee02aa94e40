"""Text files that list a wavelength a band: ``.wvl``, ``.txt``, ``.csv``."""

from __future__ import annotations

import re
from pathlib import Path

from mtmsd.errors import InputError
from mtmsd.scene.band_lists import NUMBER, number
from mtmsd.scene.formats.envi_header import read_text
from mtmsd.scene.units import LENGTHS, known_unit
from mtmsd.scene.wavelengths import BandMetadata, metadata_of

SUFFIXES = (".wvl", ".wl", ".txt", ".csv")
LARGEST = 2**20
"""Bytes; a longer text is no list of bands."""

_CELL = re.compile(rf"\s*[\"']?{NUMBER}[\"']?\s*(nm|[uµμ]m|nano\w*|micro\w*)?\s*", re.IGNORECASE)

_CENTRE = re.compile(r"wave|centre|center|^wl|lambda")


def find_list(image: Path) -> Path | None:
    """Return the text beside an image that bears its name, with or without ``_wavelengths``."""
    names = (image.with_suffix(""), image, image.with_name(f"{image.stem}_wavelengths"))
    candidates = (Path(f"{name}{suffix}") for name in names for suffix in SUFFIXES)
    return next((c for c in candidates if c != image and c.is_file()), None)


def read_list(path: Path, count: int) -> BandMetadata | None:
    """Read the wavelengths of ``count`` bands from a text beside an image.

    Returns None if it lists no numbers; of another length, they are not used, and that is said.
    """
    if path.stat().st_size > LARGEST:
        return None
    columns, units = _columns(read_text(path))
    if not columns:
        return None
    if len(columns[0]) != count:
        return BandMetadata.unknown(
            count,
            f"'{path.name}' lists {len(columns[0])} wavelengths for {count} bands; they were not "
            "used.",
        )
    note = f"The wavelengths were taken from '{path.name}'."
    return metadata_of(columns[0], columns[1] if len(columns) > 1 else None, units, notes=[note])


def read_user_list(path: Path) -> tuple[list[float], str | None]:
    """Read the list that a user names; return its numbers and the unit that it gives.

    Raises
    ------
    InputError
        If it is not a list of numbers.
    """
    try:
        columns, units = _columns(read_text(path))
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}.") from error
    if not columns:
        raise InputError(
            f"'{path}' is not a list of wavelengths.",
            hint="It holds one number per band, in nanometres or micrometres.",
        )
    return columns[0], units


def _columns(text: str) -> tuple[list[list[float]], str | None]:
    """Return the columns for wavelengths and, if there are, widths; and their unit."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("#", ";", "%", "//"))]
    rows = [_cells(line) for line in lines]
    header: list[str] = []
    if rows and not all(_CELL.fullmatch(cell) for cell in rows[0]):
        header = [cell.strip("\"' ").lower() for cell in rows.pop(0)]
    if not rows or not all(_CELL.fullmatch(cell) for row in rows for cell in row):
        return [], None
    units = next(
        (m[1] for row in rows for cell in row if (m := _CELL.fullmatch(cell)) and m[1]), None
    )
    if len(rows) == 1 or len({len(row) for row in rows}) > 1:  # a list in lines, not a table
        return [[_value(cell) for row in rows for cell in row]], units
    table = [[_value(cell) for cell in column] for column in zip(*rows, strict=True)]
    named = [
        i for i, name in enumerate(header) if re.search(r"wave|centre|center|^wl|lambda", name)
    ]
    first = named[0] if named else int(len(table) > 1 and _counts(table[0]))
    if first < len(header):
        words = re.split(r"[\s()\[\],_]+", header[first])
        units = units or next((word for word in words if known_unit(word) in LENGTHS), None)
    return table[first:], units


def _cells(line: str) -> list[str]:
    """Split a line by what separates its cells; a comma between digits may be a decimal one."""
    for separator in (";", "\t"):
        if separator in line:
            return [c for c in line.strip(separator).split(separator) if c.strip()]
    line = re.sub(r"(?<=\d)\s+(?=(?:nm|[uµμ]m|nano|micro)\w*\b)", "", line.strip("{}[]() ,"))
    if re.fullmatch(r"\d+,\d+", line):
        return [line]
    return [c for c in re.split(r"[,\s]+", line) if c]


def _value(cell: str) -> float:
    value = number(cell)
    return float("nan") if value is None else value


def _counts(column: list[float]) -> bool:
    """Whether a column merely numbers the bands."""
    return len(column) > 1 and all(b - a == 1 for a, b in zip(column, column[1:], strict=False))
