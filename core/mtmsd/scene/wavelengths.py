"""Band metadata as files give it: wavelengths and their widths in nanometres, bad-band lists."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rasterio.io import DatasetReader

from mtmsd.errors import InputError

UNITS = {
    "nm": 1.0, "nanometer": 1.0, "nanometers": 1.0, "nanometre": 1.0, "nanometres": 1.0,
    "um": 1e3, "µm": 1e3, "μm": 1e3, "micron": 1e3, "microns": 1e3, "micrometer": 1e3,
    "micrometers": 1e3, "micrometre": 1e3, "micrometres": 1e3,
    "mm": 1e6, "millimeter": 1e6, "millimeters": 1e6, "m": 1e9, "meter": 1e9, "meters": 1e9,
    "a": 0.1, "å": 0.1, "angstrom": 0.1, "angstroms": 0.1,
}  # fmt: skip
"""Nanometres in one unit of length."""
WAVENUMBER_UNITS = ("cm-1", "1/cm", "cm^-1", "wavenumber")
WATER_VAPOUR = "1340-1460nm,1790-1960nm"
"""Ranges in which water vapour leaves no signal; the word ``water`` stands for them."""

_NUMBER = r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"
_WITH_UNIT = re.compile(rf"({_NUMBER})\s*(nm|[uµμ]m|nano\w+|micro\w+)\b", re.IGNORECASE)
_IN_BRACKETS = re.compile(rf"\(\s*({_NUMBER})\s*\)\s*$")
_BARE = re.compile(r"^\s*(\d+\.\d+)\s*$")
_CENTRE_KEYS = (
    "wavelength", "wavelengths", "center_wavelength", "centre_wavelength", "central_wavelength",
    "wavelength_center", "centerwavelength", "wavelengthcenter", "netcdf_dim_wavelength",
    "netcdf_dim_wavelengths", "netcdf_dim_wl", "netcdf_dim_lambda",
)  # fmt: skip
_UNIT_KEYS = ("wavelength_units", "wavelength_unit", "wavelength#units", "wavelengths#units")
_WIDTH_KEYS = ("fwhm", "bandwidth", "full_width_half_maximum", "wavelength_fwhm")


@dataclass(frozen=True)
class BandMetadata:
    """What a file says about its bands, one entry each.

    ``wavelengths`` and ``fwhm`` are in nanometres, None where unknown; ``good`` is False where the
    file's own bad-band list leaves a band out; ``note`` says what had to be guessed.
    """

    wavelengths: tuple[float | None, ...]
    fwhm: tuple[float | None, ...]
    good: tuple[bool, ...]
    note: str = ""

    @classmethod
    def unknown(cls, count: int) -> BandMetadata:
        """Metadata of a file that says nothing."""
        return cls((None,) * count, (None,) * count, (True,) * count)


def read_band_metadata(dataset: DatasetReader) -> BandMetadata:
    """Read wavelengths, widths and the bad-band list from wherever the file keeps them.

    In this order: band tags, the ENVI header, lists among the dataset's tags, numbers in the band
    descriptions, the ``IMAGERY`` domain (rounded to a nanometre by GDAL, hence last).
    """
    count = dataset.count
    tags = [_lower(dataset.tags(i)) for i in dataset.indexes]
    header = _lower(dataset.tags(ns="ENVI"))
    general = _lower(dataset.tags())
    units = _first(tags[0], _UNIT_KEYS) or _first(header, _UNIT_KEYS) or _first(general, _UNIT_KEYS)
    widths = (
        _per_band([_first(t, _WIDTH_KEYS) for t in tags])
        or _listed(header, _WIDTH_KEYS, count)
        or _listed(general, _WIDTH_KEYS, count)
    )
    good = (
        _per_band([t.get("bbl") for t in tags])
        or _listed(header, ("bbl",), count)
        or _listed(general, ("bbl",), count)
    )
    centres = (
        _per_band([_first(t, _CENTRE_KEYS) for t in tags])
        or _listed(header, _CENTRE_KEYS, count)
        or _listed(general, _CENTRE_KEYS, count)
    )
    if not centres:
        centres, described = _from_descriptions(dataset.descriptions)
        units = described or units
    if not centres:
        imagery = [_lower(dataset.tags(i, ns="IMAGERY")) for i in dataset.indexes]
        centres = _per_band([t.get("central_wavelength_um") for t in imagery])
        widths = _per_band([t.get("fwhm_um") for t in imagery]) or widths
        units = "um"
    flags = tuple(g != 0 for g in good) if good else (True,) * count
    if not centres or (units or "").strip().lower() == "index":  # ENVI's word for band numbers
        return replace(BandMetadata.unknown(count), good=flags)
    return replace(in_nanometres(centres, widths, units), good=flags)


def band_lists(header: Mapping[str, str], count: int) -> BandMetadata | None:
    """Read wavelengths, widths and bad bands from an ENVI header; None if it has no wavelengths."""
    centres = _listed(header, _CENTRE_KEYS, count)
    if not centres:
        return None
    good = _listed(header, ("bbl",), count)
    flags = tuple(g != 0 for g in good) if good else (True,) * count
    widths = _listed(header, _WIDTH_KEYS, count)
    return replace(in_nanometres(centres, widths, _first(header, _UNIT_KEYS)), good=flags)


def in_nanometres(
    centres: Sequence[float | None], widths: Sequence[float | None] | None, units: str | None
) -> BandMetadata:
    """Convert wavelengths and widths to nanometres; units that are not known are guessed.

    The guess: values that are all below 100 are micrometres, others nanometres.
    """
    count = len(centres)
    widths = widths or [None] * count
    centres = [c if c is not None and np.isfinite(c) and c > 0 else None for c in centres]
    known = [c for c in centres if c is not None]
    unit = (units or "").strip().lower()
    if unit in WAVENUMBER_UNITS:
        nanometres = [1e7 / c if c else None for c in centres]
        spans = [
            1e7 * w / c**2 if c and w is not None else None
            for c, w in zip(centres, widths, strict=True)
        ]
        return BandMetadata(tuple(nanometres), tuple(spans), (True,) * count)
    note = ""
    factor = UNITS.get(unit)
    if factor is None:
        factor = 1e3 if known and max(known) < 100 else 1.0
        name = "micrometres" if factor == 1e3 else "nanometres"
        note = f"The file does not say the unit of its wavelengths; taken as {name}."
    present = [w for w in widths if w is not None]
    # Some writers give widths in nanometres beside wavelengths in micrometres.
    span = 1.0 if factor == 1e3 and present and float(np.median(present)) > 1 else factor
    return BandMetadata(
        tuple(None if c is None else round(c * factor, 6) for c in centres),
        tuple(None if w is None else round(w * span, 6) for w in widths),
        (True,) * count,
        note,
    )


def parse_exclusion(
    text: str, wavelengths: Sequence[float | None], name: str
) -> tuple[set[int], list[str]]:
    """Read a user's list of bands to leave out.

    Parameters
    ----------
    text : str
        Bands and ranges such as ``"1-5,17"``, wavelength ranges such as ``"1340-1460nm"`` or
        ``"1.34-1.46um"``, and the word ``water``, separated by commas.
    wavelengths : sequence
        In nanometres, one for each band of the file; None where unknown.
    name : str
        The file's name, for messages.

    Returns
    -------
    set of int, list of str
        Band numbers from 1; sentences on what the list did not reach.

    Raises
    ------
    InputError
        If an item cannot be read, or names a band or unit that the file does not have.
    """
    bands: set[int] = set()
    warnings = []
    text = re.sub(r"\bwater\b", WATER_VAPOUR, text, flags=re.IGNORECASE)
    for item in filter(None, (part.strip() for part in re.split("[,;]", text))):
        match = re.fullmatch(
            r"(\d+(?:\.\d+)?)(?:\s*(?:-|–|\.\.)\s*(\d+(?:\.\d+)?))?\s*([^\W\d]*)", item
        )
        if not match or (not match[3] and "." in item.replace("..", "")):
            raise InputError(
                f"'{item}' is not a band, a range of bands or a range of wavelengths.",
                hint="Write, for example, 1-5,130-135 or 1340-1460nm.",
            )
        low, high = sorted((float(match[1]), float(match[2] or match[1])))
        if match[3]:
            found = _within(low, high, match[3].lower(), wavelengths, name)
            if not found:
                warnings.append(f"No band of '{name}' lies in {item}.")
            bands |= found
        elif low < 1 or high > len(wavelengths):
            raise InputError(
                f"Band {int(high if low >= 1 else low)} cannot be left out: '{name}' has the bands "
                f"1 to {len(wavelengths)}."
            )
        else:
            bands |= set(range(int(low), int(high) + 1))
    return bands, warnings


def _within(
    low: float, high: float, unit: str, wavelengths: Sequence[float | None], name: str
) -> set[int]:
    if unit not in UNITS:
        raise InputError(
            f"'{unit}' is not a unit of wavelength.", hint="Write nm or um behind the number."
        )
    if all(w is None for w in wavelengths):
        raise InputError(
            f"'{name}' has no wavelengths, so bands cannot be left out by wavelength.",
            hint="Give band numbers, such as 104-116.",
        )
    low, high = low * UNITS[unit], high * UNITS[unit]
    return {i for i, w in enumerate(wavelengths, 1) if w is not None and low <= w <= high}


def _from_descriptions(
    descriptions: Sequence[str | None],
) -> tuple[list[float | None] | None, str | None]:
    """Find wavelengths in band names; a bare number counts only if every band has one."""
    texts = [d or "" for d in descriptions]
    matches = [_WITH_UNIT.search(t) for t in texts]
    if sum(m is not None for m in matches) * 2 > len(texts):
        unit = next(m[2] for m in matches if m)
        unit = {"n": "nm", "m": "um", "u": "um", "µ": "um", "μ": "um"}[unit[0].lower()]
        return [float(m[1]) if m else None for m in matches], unit
    for pattern in (_IN_BRACKETS, _BARE):
        found = [pattern.search(t) for t in texts]
        values = [float(m[1]) for m in found if m]
        if len(values) == len(texts) and min(values) > 0 and len(set(values)) == len(values):
            return list(values), None
    return None, None


def _lower(tags: Mapping[str, str]) -> dict[str, str]:
    return {key.lower().replace(" ", "_"): value for key, value in tags.items()}


def _first(tags: Mapping[str, str], keys: Sequence[str]) -> str | None:
    return next((tags[key] for key in keys if key in tags), None)


def _number(text: str | None) -> float | None:
    """Read a number; a text that starts with one (``478.3 nm``) counts too."""
    match = re.match(rf"\s*({_NUMBER})", text or "")
    return float(match[1]) if match else None


def _per_band(texts: Sequence[str | None]) -> list[float | None] | None:
    """Numbers of the bands, or None if most bands have none."""
    numbers = [_number(text) for text in texts]
    return numbers if sum(n is not None for n in numbers) * 2 > len(numbers) else None


def _listed(tags: Mapping[str, str], keys: Sequence[str], count: int) -> list[float | None] | None:
    """Numbers from a list such as ``{ 1.0, 2.0 }``, or None if it does not fit the bands."""
    text = _first(tags, keys)
    if not text or count < 2:
        return None
    numbers = [_number(part) for part in text.strip().strip("{}[]").split(",")]
    return numbers if len(numbers) == count and None not in numbers else None
