"""Spectra in tables (CSV, text): a spectrum a column, or a spectrum a row."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np

from mtmsd.errors import InputError
from mtmsd.libraries.library import Library, library_of
from mtmsd.scene.band_lists import NUMBER, unit_behind
from mtmsd.scene.formats.envi_header import read_text

_WAVE = re.compile(
    r"^\W*(wave.?lengths?|wvl|wl|lambda|nm|um|µm|microns?)(?![a-zA-Z])", re.IGNORECASE
)
_WAVE_UNIT = re.compile(r"(?<![a-z])(nm|[uµμ]m|nano\w+|micro\w+)\W*$", re.IGNORECASE)
_TITLE = re.compile(rf"^[^\d+-]{{0,12}}({NUMBER})\s*([^\W\d_]*)\s*$")
"""A column's title that is a wavelength: 450.5, 450.5 nm, X450.5, B_450."""
_EMPTY = ("", "nan", "na", "n/a", "null", "none", "-")
HINT = (
    "Give a column 'wavelength_nm' and a column a spectrum, or a row a spectrum with the "
    "wavelengths in the first line."
)


def read_table(path: Path) -> Library:
    """Read a table of spectra; which way it lies is told by its first line.

    Raises
    ------
    InputError
        If there are no wavelengths, or a value is no number.
    """
    rows = _rows(path)
    if len(rows) < 2:
        raise InputError(f"'{path.name}' is no table of spectra.", hint=HINT)
    head = [cell.strip() for cell in rows[0]]
    if all(_number(cell) is not None for cell in head):  # no titles
        if len(head) < 2:
            raise InputError(_no_waves(path), hint=HINT)
        names = [path.stem] if len(head) == 2 else [f"spectrum {i}" for i in range(1, len(head))]
        return _by_columns(path, ["wavelength", *names], rows, 0, first=1)
    column = next((i for i, cell in enumerate(head) if _WAVE.match(cell)), None)
    numbers = sum(_number(cell) is not None for cell in head)
    own = head[:2] == ["band", "wavelength_nm"]  # as exported; a spectrum may be named by a number
    if column is not None and (own or numbers < 2):
        return _by_columns(path, head, rows[1:], column, first=2)
    return _by_rows(path, head, rows[1:])


def _no_waves(path: Path) -> str:
    return f"The spectral library '{path.name}' has no wavelengths."


def _by_columns(
    path: Path, head: list[str], rows: list[list[str]], column: int, *, first: int
) -> Library:
    chosen = [
        i for i, title in enumerate(head) if i != column and title.casefold() not in ("band", "")
    ]
    if not chosen:
        raise InputError(f"'{path.name}' has no column of a spectrum.", hint=HINT)
    values = np.array([[_cell(path, row, i, line) for i in chosen] for line, row in
                       enumerate(rows, first)])  # fmt: skip
    waves = [_number(row[column]) if len(row) > column else None for row in rows]
    if sum(wave is not None for wave in waves) < 2:
        raise InputError(_no_waves(path), hint=HINT)
    unit = _WAVE_UNIT.search(head[column])
    return library_of(
        path, [head[i] for i in chosen], waves, values.T, unit=unit[1] if unit else None
    )


def _by_rows(path: Path, head: list[str], rows: list[list[str]]) -> Library:
    """Columns that are titled by a wavelength hold values; the first other one names."""
    titles = {i: match for i, title in enumerate(head) if (match := _TITLE.match(title))}
    if len(titles) < 2:
        raise InputError(_no_waves(path), hint=HINT)
    texts = [i for i in range(len(head)) if i not in titles]
    named = next((i for i in texts if head[i].casefold() in ("name", "spectrum", "title")), None)
    named = named if named is not None else next(iter(texts), None)
    names = [
        (row[named].strip() if named is not None and len(row) > named else "") or f"spectrum {n}"
        for n, row in enumerate(rows, 1)
    ]
    values = np.array([[_cell(path, row, i, line) for i in titles] for line, row in
                       enumerate(rows, 2)])  # fmt: skip
    waves = [_number(match[1]) for match in titles.values()]
    unit = unit_behind([match[1] + match[2] for match in titles.values()])
    return library_of(path, names, waves, values, unit=unit)


def _rows(path: Path) -> list[list[str]]:
    """Split the lines, comments and empty ones left out, by what parts the first one best."""
    text = read_text(path)
    lines = [li for li in text.splitlines() if li.strip() and not li.lstrip().startswith("#")]
    for mark in ("\t", ";", ","):
        if lines and all(mark in line for line in lines[:2]):  # a name may have one, too
            return [row for row in csv.reader(lines, delimiter=mark) if any(map(str.strip, row))]
    return [line.split() for line in lines]


def _cell(path: Path, row: list[str], column: int, line: int) -> float:
    text = row[column].strip() if column < len(row) else ""
    if text.casefold() in _EMPTY:
        return np.nan
    value = _number(text)
    if value is None:
        raise InputError(
            f"Line {line} of '{path.name}' has '{text[:40]}' where a value of a spectrum should "
            "be.",
            hint=HINT,
        )
    return value


def _number(text: str) -> float | None:
    """Read a number, with a decimal point or comma."""
    word = text.strip()
    return float(word.replace(",", ".")) if re.fullmatch(NUMBER, word) else None
