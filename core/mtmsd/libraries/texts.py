"""Spectra as text, one a file: of the USGS (splib07), of ECOSTRESS and ASTER."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mtmsd.errors import InputError
from mtmsd.libraries.library import Library, library_of
from mtmsd.scene.formats.envi_header import read_text

ECOSTRESS = re.compile(r"^\s*[XY] Units\s*:", re.MULTILINE | re.IGNORECASE)
_HEADER = re.compile(r"^\s*([A-Za-z][^:\n]*?)\s*:[ \t]*(.*?)\s*$")
_UNIT_IN_TITLE = re.compile(r"\b(microns?|micrometers?|nanometers?|um|nm)\b", re.IGNORECASE)
WAVELENGTHS = "*[Ww]avelength*"
"""Files of wavelengths that the USGS puts beside its spectra, or a folder higher."""
FULL_USGS = 1.0
SPECTROMETERS = ("ASD", "BECK", "NIC4", "AVIRIS")
"""In the names of the USGS's files, of spectra and of wavelengths."""


def is_ecostress(text: str) -> bool:
    """Whether a text has the header of an ECOSTRESS or ASTER spectrum."""
    return ECOSTRESS.search(text) is not None


def is_usgs(text: str) -> bool:
    """Whether a text is a title and then a number a line."""
    title, *rest = text.strip().splitlines() or [""]
    return len(rest) > 1 and _floats([title]) is None and _floats(rest) is not None


def read_ecostress(path: Path) -> Library:
    """Read a spectrum of the ECOSTRESS or ASTER library; wavelengths may rise or fall.

    Raises
    ------
    InputError
        If its values are no reflectance, or there are none.
    """
    header: dict[str, str] = {}
    pairs: list[tuple[float, float]] = []
    for line in read_text(path).splitlines():
        numbers = _floats(line.split())
        if numbers is not None and len(numbers) >= 2:
            pairs.append((numbers[0], numbers[1]))
        elif not pairs and (match := _HEADER.match(line)):
            header[match[1].lower()] = match[2]
    what = header.get("y units", "")
    if "reflectance" not in what.lower():
        raise InputError(
            f"'{path.name}' holds {what or 'values of unknown units'}, not reflectance.",
            hint="Choose a spectrum of reflectance.",
        )
    if not pairs:
        raise InputError(f"'{path.name}' has no values below its header.", hint="Copy it again.")
    waves, values = np.array(pairs).T
    name = header.get("name") or path.stem
    full = 100.0 if "percent" in what.lower() or "%" in what else 1.0
    unit = header.get("x units", "").partition("(")[2].rstrip(") ") or None
    return library_of(path, [name], waves.tolist(), values[None], unit=unit, full=full)


def read_usgs(path: Path) -> Library:
    """Read a spectrum of the USGS's library; its wavelengths lie in a file of their own.

    Raises
    ------
    InputError
        If no file of wavelengths, or several that differ, have as many channels.
    """
    title, values = _column(path)
    name = title.partition(":")[2].strip() or title.strip() or path.stem
    unit, waves = _usgs_wavelengths(path, len(values))
    return library_of(path, [name], waves, values[None], unit=unit, full=FULL_USGS)


def _usgs_wavelengths(path: Path, channels: int) -> tuple[str | None, list[float]]:
    fitting: dict[Path, tuple[str, np.ndarray]] = {}
    for folder in (path.absolute().parent, path.absolute().parent.parent):
        for file in sorted(folder.glob(WAVELENGTHS)):
            if file.is_file() and is_usgs(read_text(file)):
                title, values = _column(file)
                if len(values) == channels:
                    fitting[file] = (title, values)
        if fitting:
            break
    own = [s for s in SPECTROMETERS if s in path.name]
    named = {f: w for f, w in fitting.items() if any(s in f.name for s in own)} or fitting
    if not named:
        raise InputError(
            f"The spectral library '{path.name}' has no wavelengths: none of the files "
            f"'*Wavelengths*.txt' beside it has {channels} channels.",
            hint="Put the USGS's file of wavelengths of that spectrometer beside it.",
        )
    (title, values), *others = named.values()
    if any(not np.array_equal(values, other) for _, other in others):
        raise InputError(
            f"Several files of wavelengths have the {channels} channels of '{path.name}': "
            f"{', '.join(f.name for f in named)}.",
            hint="Leave the one of its spectrometer beside it.",
        )
    word = _UNIT_IN_TITLE.search(title)
    return (word[1] if word else None), values.tolist()


def _column(path: Path) -> tuple[str, np.ndarray]:
    """Return the title and the numbers of a file that :func:`is_usgs`."""
    title, *rest = read_text(path).strip().splitlines()
    return title, np.array(_floats(rest))


def _floats(words: Sequence[str]) -> list[float] | None:
    """Return the numbers that the words are; None if one is none."""
    try:
        return [float(word) for word in words]
    except ValueError:
        return None
