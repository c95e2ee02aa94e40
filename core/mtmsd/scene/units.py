"""Units of wavelength, wavenumber and frequency, and whether numbers can be what they claim."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

LENGTHS = {
    "nm": 1.0, "nanometer": 1.0, "nanometers": 1.0, "nanometre": 1.0, "nanometres": 1.0,
    "nanom": 1.0, "纳米": 1.0,
    "um": 1e3, "µm": 1e3, "μm": 1e3, "micron": 1e3, "microns": 1e3, "micrometer": 1e3,
    "micrometers": 1e3, "micrometre": 1e3, "micrometres": 1e3, "微米": 1e3,
    "mm": 1e6, "millimeter": 1e6, "millimeters": 1e6, "cm": 1e7, "centimeter": 1e7,
    "centimeters": 1e7, "m": 1e9, "meter": 1e9, "meters": 1e9, "metre": 1e9, "metres": 1e9,
    "a": 0.1, "å": 0.1, "angstrom": 0.1, "angstroms": 0.1, "ångström": 0.1, "ångströms": 0.1,
}  # fmt: skip
"""Nanometres in one unit of length."""
WAVENUMBERS = ("cm-1", "1/cm", "cm^-1", "cm⁻¹", "wavenumber", "wavenumbers")
FREQUENCIES = {"hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9, "thz": 1e12}
BAND_NUMBERS = ("index", "indices", "band", "bands", "band number", "channel", "channels")
"""ENVI writes ``Index`` where the list counts bands."""
PLAUSIBLE = (200.0, 20_000.0)
"""Nanometres from the ultraviolet to the thermal infrared."""
WIDTHS = (0.1, 1000.0)
"""Nanometres that a band may be wide."""
GUESSES = ("nanometres", "micrometres", "ångströms", "metres")
"""Tried in this order where the unit is missing, or is not that of the numbers."""

_LIGHT = 299_792_458e9  # nm/s


@dataclass(frozen=True)
class Centres:
    """Wavelengths and widths in nanometres, None where unknown, and what to say of them."""

    wavelengths: tuple[float | None, ...]
    fwhm: tuple[float | None, ...]
    notes: tuple[str, ...] = ()


def known_unit(text: str | None) -> str:
    """Return a unit's name as the tables here have it; the text itself if it is none of them."""
    words = (text or "").strip().strip("{}[]()\"'.").strip().lower()
    for word in (words, *re.split(r"[\s()\[\],]+", words)):
        if word in LENGTHS or word in FREQUENCIES or word in WAVENUMBERS or word in BAND_NUMBERS:
            return word
        if re.fullmatch(r"[^a-z0-9\s/]{1,3}m", word):  # a micro sign in another encoding
            return "µm"
    return words


def in_nanometres(
    centres: Sequence[float | None], widths: Sequence[float | None] | None, units: str | None
) -> Centres:
    """Convert wavelengths and widths to nanometres, in the unit that the numbers have.

    That is the declared one if the wavelengths are then plausible (200 to 20,000 nm), else the
    first of nanometres, micrometres, ångströms and metres in which they are; if there is none,
    they are not used. All but the first case is said.
    """
    unit = known_unit(units)
    count = len(centres)
    unknown = (None,) * count
    positive = [c if c is not None and np.isfinite(c) and c > 0 else None for c in centres]
    known = np.array([c for c in positive if c is not None], float)
    if not known.size:
        return Centres(
            unknown, unknown, ("The file's wavelengths are no positive numbers; not used.",)
        )
    span = f"{known.min():g} to {known.max():g}"
    if _counts_bands(known, unit):
        return Centres(
            unknown, unknown,
            (f"The file lists band numbers ({span}) as wavelengths; it has no wavelengths.",),
        )  # fmt: skip
    if known.size > 3 and known.min() == known.max():
        note = f"The file gives every band the wavelength {known[0]:g}; they were not used."
        return Centres(unknown, unknown, (note,))
    declared = _conversion(unit)
    convert, notes = declared or _length("nm"), []
    if declared is None or not _plausible(declared(known)).all():
        guess = next((g for g in GUESSES if _plausible(_length(g)(known)).all()), None)
        if guess:
            convert = _length(guess)
            notes.append(
                f"The file does not say the unit of its wavelengths; taken as {guess}."
                if declared is None
                else f"The file's wavelengths, {span}, cannot be in '{(units or '').strip()}'; "
                f"taken as {guess}."
            )
        elif declared is None or _plausible(declared(known)).mean() <= 0.5:
            where = f"in '{units.strip()}'" if units and units.strip() else "without a unit"
            return Centres(
                unknown, unknown,
                (f"The file's wavelengths, {span} {where}, are none between 200 and 20,000 nm; "
                 "they were not used.",),
            )  # fmt: skip
    values = [None if c is None else round(float(convert(np.array(c))), 6) for c in positive]
    values = [v if v is not None and _plausible(np.array(v)) else None for v in values]
    notes += _remarks(values)
    spans = _spans(widths or unknown, positive, values, unit, convert)
    return Centres(tuple(values), spans, tuple(notes))


def _length(name: str) -> Callable[[np.ndarray], np.ndarray]:
    factor = LENGTHS[name]
    return lambda values: values * factor


def _conversion(unit: str) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return what turns numbers of a unit into nanometres; None if the unit is not known."""
    if unit in LENGTHS:
        return _length(unit)
    if unit in WAVENUMBERS:
        return lambda values: 1e7 / values
    if unit in FREQUENCIES:
        factor = FREQUENCIES[unit]
        return lambda values: _LIGHT / (values * factor)
    return None


def _plausible(nanometres: np.ndarray) -> np.ndarray:
    return (nanometres >= PLAUSIBLE[0]) & (nanometres <= PLAUSIBLE[1])


def _counts_bands(values: np.ndarray, unit: str) -> bool:
    """Whether the numbers count: from 0 or 1 whatever the unit, from anywhere if it says so."""
    steady = values.size > 2 and bool((np.diff(values) == 1).all())
    return steady and (values[0] in (0, 1) or unit in BAND_NUMBERS)


def _remarks(values: Sequence[float | None]) -> list[str]:
    """Say what is odd about wavelengths that are used."""
    notes = []
    lacking = [i for i, v in enumerate(values, 1) if v is None]
    if lacking:
        notes.append(
            f"{len(lacking)} of {len(values)} bands have no wavelength between 200 and 20,000 nm "
            f"(the first is band {lacking[0]})."
        )
    known = np.array([v for v in values if v is not None])
    back = int((np.diff(known) < 0).sum())
    if back > max(4, 0.05 * known.size) and back < 0.9 * (known.size - 1):
        notes.append("The file's wavelengths are in no order; each band keeps its own.")
    shared = known.size - np.unique(known).size
    if shared:
        notes.append(
            f"{shared} of {len(values)} bands have the wavelength of another band; bands are told "
            "apart by their numbers."
        )
    return notes


def _spans(
    widths: Sequence[float | None],
    centres: Sequence[float | None],
    values: Sequence[float | None],
    unit: str,
    convert: Callable[[np.ndarray], np.ndarray],
) -> tuple[float | None, ...]:
    """Convert widths; some writers give them in nanometres beside micrometres."""
    given = [w if w is not None and np.isfinite(w) and w > 0 else None for w in widths]
    present = [w for w in given if w is not None]
    if not present:
        return (None,) * len(given)
    if unit in WAVENUMBERS or unit in FREQUENCIES:
        return tuple(
            round(v * w / c, 6) if v and w and c else None
            for v, w, c in zip(values, given, centres, strict=True)
        )
    own = float(convert(np.array(1.0)))
    middle = float(np.median(present))
    for factor in (own, 1.0, 1e3):
        if WIDTHS[0] <= middle * factor <= WIDTHS[1]:
            return tuple(None if w is None else round(w * factor, 6) for w in given)
    return (None,) * len(given)
