"""Which reader a spectral library needs is told by its content, not by its name alone."""

from __future__ import annotations

from pathlib import Path

from mtmsd.errors import InputError
from mtmsd.libraries.asd import is_asd, read_asd
from mtmsd.libraries.envi import read_envi_library
from mtmsd.libraries.library import Library
from mtmsd.libraries.table import read_table
from mtmsd.libraries.texts import is_ecostress, is_usgs, read_ecostress, read_usgs
from mtmsd.scene.formats.envi_header import find_envi_header, read_envi_header, read_text

LARGEST_TEXT = 200 * 2**20
"""Bytes; a longer text is no table of spectra."""


def read_library(path: str | Path) -> Library:
    """Read a spectral library: ENVI, CSV, USGS or ECOSTRESS text, ASD.

    Raises
    ------
    InputError
        If it is none of these, is damaged, or has no wavelengths.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"There is no spectral library '{file}'.", hint="Check the path.")
    try:
        return _read(file)
    except OSError as error:
        raise InputError(
            f"The spectral library '{file.name}' cannot be read: {error.strerror or error}."
        ) from error


def _read(file: Path) -> Library:
    with file.open("rb") as stream:
        start = stream.read(4096)
    if is_asd(start) and file.suffix.lower() != ".csv":
        return read_asd(file)
    if file.suffix.lower() in (".sli", ".slb", ".hdr"):
        return read_envi_library(file)
    header = find_envi_header(file)
    if header and "library" in read_envi_header(header).get("file_type", "").lower():
        return read_envi_library(file)
    if file.stat().st_size > LARGEST_TEXT or _is_binary(start):
        raise InputError(
            f"'{file.name}' is no spectral library that is read here.",
            hint="ENVI (.sli), CSV, text of the USGS or of ECOSTRESS, and ASD (.asd) are.",
        )
    text = read_text(file)
    if is_ecostress(text):
        return read_ecostress(file)
    if is_usgs(text):
        return read_usgs(file)
    return read_table(file)


def _is_binary(start: bytes) -> bool:
    """Whether bytes are no text: control characters, and no UTF-16."""
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return False
    return b"\0" in start or sum(b < 9 or 13 < b < 32 for b in start) > 0.01 * len(start)
