"""ENVI spectral libraries: numbers in ``.sli``, a line a spectrum, described in ``.hdr``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtmsd.errors import InputError
from mtmsd.libraries.library import Library, library_of
from mtmsd.scene.band_lists import number, split_list
from mtmsd.scene.formats.envi import NUMBER_FORMATS
from mtmsd.scene.formats.envi_header import find_envi_header, read_envi_header
from mtmsd.scene.wavelengths import CENTRE_KEYS, UNIT_KEYS

ENDINGS = (".sli", ".slb", "")
"""Of the numbers beside a header that was chosen instead of them."""


def read_envi_library(path: Path) -> Library:
    """Read an ENVI library by its numbers' file or its header.

    Raises
    ------
    InputError
        If one of the two is missing, cut, of complex numbers, or no spectral library.
    """
    header, data = _both(path)
    fields = read_envi_header(header)
    kind = fields.get("file_type", "")
    if "spectral library" not in kind.lower():
        raise InputError(
            f"'{header.name}' describes {kind or 'no ENVI file'}, not an ENVI spectral library.",
            hint="Choose a library (.sli); an image is opened as a scene.",
        )
    try:
        channels, lines = int(fields["samples"]), int(fields["lines"])
        offset = int(fields.get("header_offset", "0"))
        order = {"0": "<", "1": ">"}[fields.get("byte_order", "0")]
        dtype = np.dtype(order + NUMBER_FORMATS[fields["data_type"]])
        if min(channels, lines) < 1 or offset < 0:
            raise ValueError
    except (KeyError, ValueError) as error:
        raise InputError(
            f"The header '{header.name}' does not describe plain numbers: samples, lines, data "
            "type and byte order are needed, and complex numbers are not read.",
            hint="Write the library again with ENVI.",
        ) from error
    stored = data.stat().st_size - offset
    if stored < channels * lines * dtype.itemsize:
        raise InputError(
            f"'{data.name}' is cut: its header promises {lines} spectra of {channels} channels "
            f"({channels * lines * dtype.itemsize:,} bytes), and there are {max(stored, 0):,}.",
            hint="Copy it again.",
        )
    raw = np.fromfile(data, dtype, channels * lines, offset=offset).reshape(lines, channels)
    values = raw.astype(np.float64)
    ignored = number(fields.get("data_ignore_value"))
    if ignored is not None:
        values[values == ignored] = np.nan
    names, notes = _names(fields, lines, data.name)
    centres = next((fields[key] for key in CENTRE_KEYS if key in fields), "")
    waves = [number(text) for text in split_list(centres, channels)]
    if len(waves) != channels:
        raise InputError(
            f"The spectral library '{data.name}' has no wavelengths: its header lists "
            f"{len(waves)} for {channels} channels.",
            hint="Without them its spectra cannot be brought to the bands of a scene.",
        )
    unit = next((fields[key] for key in UNIT_KEYS if key in fields), None)
    full = number(fields.get("reflectance_scale_factor"))
    return library_of(
        data, names, waves, values, unit=unit, full=full if full and full > 0 else None,
        notes=notes,
    )  # fmt: skip


def _both(path: Path) -> tuple[Path, Path]:
    """Return header and numbers, whichever of them was chosen."""
    if path.suffix.lower() == ".hdr":
        stem = path.with_suffix("")
        beside = [stem.with_name(stem.name + e) for x in ENDINGS for e in (x, x.upper())]
        data = next((p for p in beside if p.is_file() and p != path), None)
        if data is None:
            raise InputError(
                f"There are no spectra beside the header '{path.name}'.",
                hint=f"'{stem.name}.sli' is looked for.",
            )
        return path, data
    header = find_envi_header(path)
    if header is None:
        raise InputError(
            f"There is no header beside the spectral library '{path.name}'.",
            hint=f"'{path.stem}.hdr' is looked for.",
        )
    return header, path


def _names(fields: dict[str, str], lines: int, file: str) -> tuple[list[str], list[str]]:
    """Return a name a spectrum; numbers where the header lists another number of names."""
    listed = fields.get("spectra_names", "").strip("{} ")
    names = [name.strip() for name in listed.split(",")] if listed else []
    if len(names) == lines:
        return [name or f"spectrum {i}" for i, name in enumerate(names, 1)], []
    numbered = [f"spectrum {i}" for i in range(1, lines + 1)]
    return numbered, [f"'{file}' lists {len(names)} names for {lines} spectra; they are numbered."]
