"""Spectra of ASD's field spectrometers (``.asd``).

Source: ASD File Format, version 8, revision B. The header has 484 bytes; behind it the spectrum,
then, since version 2, flag, times and remarks of the white reference, and its spectrum.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np

from mtmsd.errors import InputError
from mtmsd.libraries.library import Library, library_of

MAGIC = re.compile(rb"ASD|as[2-9]")
HEADER = 484
KINDS = (
    "raw counts", "reflectance", "radiance", "values without units", "irradiance",
    "a quality index", "transmittance", "values of an unknown kind", "absorbance",
)  # fmt: skip
RAW, REFLECTANCE = 0, 1
NUMBERS = {0: "<f4", 1: "<i4", 2: "<f8"}
MOST_REFLECTANCE = 5.0
"""Values called reflectance are ratios already if none is larger; else they are counts."""


def is_asd(start: bytes) -> bool:
    """Whether a file that starts so is an ASD spectrum."""
    return MAGIC.match(start) is not None


def read_asd(path: Path) -> Library:
    """Read the reflectance: as it is stored, or the ratio of the target to its white reference.

    Raises
    ------
    InputError
        If the file is cut, or holds radiance or counts without a reference.
    """
    data = path.read_bytes()
    if len(data) < HEADER:
        raise InputError(f"'{path.name}' is cut: an ASD file has a header of {HEADER} bytes.")
    kind, form = data[186], data[199]
    first, step = struct.unpack_from("<ff", data, 191)
    (channels,) = struct.unpack_from("<H", data, 204)
    if form not in NUMBERS or not channels or not step > 0:
        raise InputError(
            f"The header of '{path.name}' makes no sense: {channels} channels from {first:g} nm "
            f"in steps of {step:g}.",
            hint="Copy it again from the instrument.",
        )
    spectrum, end = _numbers(path, data, HEADER, channels, form)
    largest = float(np.nanmax(np.abs(spectrum)))
    reference = _reference(path, data, end, channels, form)
    notes = []
    if kind == REFLECTANCE and largest <= MOST_REFLECTANCE:
        values = spectrum
    elif kind in (RAW, REFLECTANCE) and reference is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.where(reference > 0, spectrum / reference, np.nan)
        notes.append(f"'{path.name}': reflectance is the ratio to its white reference.")
    else:
        what = KINDS[kind] if kind < len(KINDS) else KINDS[7]
        raise InputError(
            f"'{path.name}' holds {what}"
            + (" without a white reference" if kind in (RAW, REFLECTANCE) else "")
            + ", not reflectance.",
            hint="Save it as reflectance with ASD's software.",
        )
    waves = first + step * np.arange(channels)
    return library_of(
        path, [path.stem], waves.tolist(), values[None], unit="nm", full=1.0, notes=notes
    )


def _reference(path: Path, data: bytes, at: int, channels: int, form: int) -> np.ndarray | None:
    """Return the white reference; None if the file has none."""
    if data[:3] == b"ASD" or len(data) < at + 20:
        return None
    flag, length = struct.unpack_from("<h", data, at)[0], struct.unpack_from("<H", data, at + 18)[0]
    if not flag:
        return None
    return _numbers(path, data, at + 20 + length, channels, form)[0]


def _numbers(path: Path, data: bytes, at: int, channels: int, form: int) -> tuple[np.ndarray, int]:
    dtype = np.dtype(NUMBERS[form])
    end = at + channels * dtype.itemsize
    if len(data) < end:
        raise InputError(
            f"'{path.name}' is cut: its {channels} channels end at byte {end:,}, and it has "
            f"{len(data):,}.",
            hint="Copy it again from the instrument.",
        )
    return np.frombuffer(data, dtype, channels, at).astype(np.float64), end
