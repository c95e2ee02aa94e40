"""Band metadata as files give it, checked: wavelengths and widths in nanometres, bad bands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rasterio.io import DatasetReader

from mtmsd.scene.band_lists import NUMBER, flag, number, split_list, unit_behind
from mtmsd.scene.units import PLAUSIBLE, Centres, in_nanometres

CENTRE_KEYS = (
    "wavelength", "wavelengths", "center_wavelength", "centre_wavelength", "central_wavelength",
    "wavelength_center", "centerwavelength", "wavelengthcenter", "center_wavelengths",
    "netcdf_dim_wavelength", "netcdf_dim_wavelengths", "netcdf_dim_wl", "netcdf_dim_lambda",
    "netcdf_dim_wavelength_3d", "netcdf_dim_wvl", "netcdf_dim_wave",
)  # fmt: skip
UNIT_KEYS = (
    "wavelength_units", "wavelength_unit", "wavelengths_units", "wavelengths_unit",
    "wavelength#units", "wavelengths#units",
)  # fmt: skip
WIDTH_KEYS = ("fwhm", "bandwidth", "full_width_half_maximum", "wavelength_fwhm", "fwhms")
GOOD_KEYS = (
    "bbl", "bad_band_multiplier", "bad_band_list", "good_wavelengths", "good_wavelength",
    "good_bands", "good_band",
)  # fmt: skip
"""Lists in which 0 is a bad band."""

_WITH_UNIT = re.compile(rf"({NUMBER})\s*(nm|[uµμ]m|nano\w+|micro\w+)(?![a-zA-Z])", re.IGNORECASE)
_IN_NAMES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\(\s*({NUMBER})\s*\)\s*$",
        r"(?<![\d.,])(\d+(?:[.,]\d+)?)\s*$",
        r"^\s*(\d+(?:[.,]\d+)?)(?![\d.,])",
    )
)
_SPAN = 50.0
"""Nanometres that numbers in band names must span to be taken for wavelengths."""


@dataclass(frozen=True)
class BandMetadata:
    """What a file says about its bands, one entry each.

    ``wavelengths`` and ``fwhm`` are in nanometres, None where unknown; ``good`` is False where the
    file's own bad-band list leaves a band out; ``notes`` say what was guessed or not used.
    """

    wavelengths: tuple[float | None, ...]
    fwhm: tuple[float | None, ...]
    good: tuple[bool, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def unknown(cls, count: int, *notes: str) -> BandMetadata:
        """Metadata of a file that says nothing."""
        return cls((None,) * count, (None,) * count, (True,) * count, notes)


def read_band_metadata(dataset: DatasetReader) -> BandMetadata:
    """Read wavelengths, widths and the bad-band list from wherever the file keeps them.

    In this order: the ENVI header (GDAL's band tags repeat it without looking at its length),
    band tags, lists among the dataset's tags, numbers in the band descriptions, the ``IMAGERY``
    domain (rounded to a nanometre by GDAL, hence last).
    """
    try:
        return _read(dataset)
    except UnicodeDecodeError:
        note = "The file's texts are not in UTF-8, so its band names and wavelengths were not used."
        return BandMetadata.unknown(dataset.count, note)


def _read(dataset: DatasetReader) -> BandMetadata:
    count = dataset.count
    header = plain_keys(dataset.tags(ns="ENVI"))
    if _first(header, CENTRE_KEYS):
        return band_lists(header, count)
    tags = [plain_keys(dataset.tags(i)) for i in dataset.indexes]
    general = plain_keys(dataset.tags())
    lists = _Lists(count)
    good = lists.flags(header, [_first(t, GOOD_KEYS) for t in tags], general)
    units = next(filter(None, (_first(t, UNIT_KEYS) for t in (*tags, header, general))), None)
    centres = lists.numbers("wavelengths", CENTRE_KEYS, tags, general)
    units = units or lists.unit
    widths = lists.numbers("band widths", WIDTH_KEYS, tags, header, general)
    if not centres:
        centres, units = _from_descriptions(dataset.descriptions, units, lists.notes)
    if not centres:
        imagery = [plain_keys(dataset.tags(i, ns="IMAGERY")) for i in dataset.indexes]
        centres = lists.per_band([t.get("central_wavelength_um") for t in imagery])
        widths = lists.per_band([t.get("fwhm_um") for t in imagery]) or widths
        units = "um"
    return _complete(centres, widths, units, good, lists)


def band_lists(header: Mapping[str, str], count: int) -> BandMetadata:
    """Read wavelengths, widths and bad bands from the lists of an ENVI header."""
    lists = _Lists(count)
    good = lists.flags(header)
    centres = lists.numbers("wavelengths", CENTRE_KEYS, (), header)
    unit = lists.unit
    widths = lists.numbers("band widths", WIDTH_KEYS, (), header)
    return _complete(centres, widths, _first(header, UNIT_KEYS) or unit, good, lists)


def _first(tags: Mapping[str, str], keys: Sequence[str]) -> str | None:
    return next((tags[key] for key in keys if key in tags), None)


def plain_keys(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags under names in lower case, with underscores."""
    return {key.lower().replace(" ", "_"): value for key, value in tags.items()}


def metadata_of(
    centres: Sequence[float | None],
    widths: Sequence[float | None] | None,
    units: str | None,
    good: Sequence[bool] | None = None,
    notes: Sequence[str] = (),
) -> BandMetadata:
    """Check and convert lists that have an entry a band."""
    checked: Centres = in_nanometres(centres, widths, units)
    flags = tuple(good) if good is not None else (True,) * len(centres)
    return BandMetadata(
        checked.wavelengths, checked.fwhm, flags, (*dict.fromkeys((*notes, *checked.notes)),)
    )


class _Lists:
    """Reads lists with an entry for each of ``count`` bands; keeps what there is to say."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.notes: list[str] = []
        self.unit: str | None = None

    def numbers(
        self,
        what: str,
        keys: Sequence[str],
        tags: Sequence[Mapping[str, str]],
        *whole: Mapping[str, str],
    ) -> list[float | None] | None:
        """Read band tags, else the first list that fits; say which lists do not fit."""
        values = self.per_band([_first(t, keys) for t in tags])
        for text in filter(None, (_first(t, keys) for t in whole if not values)):
            parts = split_list(text, self.count)
            if len(parts) != self.count:
                self._unfit(what, len(parts))
            else:
                self.unit = unit_behind(parts)
                values = [number(part) for part in parts]
                break
        return values if values and any(v is not None for v in values) else None

    def per_band(self, texts: Sequence[str | None]) -> list[float | None] | None:
        """Read a number a band; None if no band has one."""
        values = [number(text) for text in texts]
        if all(v is None for v in values):
            return None
        self.unit = unit_behind(texts)
        return values

    def flags(
        self,
        header: Mapping[str, str],
        tags: Sequence[str | None] = (),
        general: Mapping[str, str] | None = None,
    ) -> list[bool] | None:
        """Read the bad-band list; a band whose tag is missing is good."""
        texts: list[str] = []
        for text in filter(None, (_first(t, GOOD_KEYS) for t in (header, general or {}))):
            texts = split_list(text, self.count)
            if len(texts) != self.count:
                self._unfit("good and bad bands (bbl)", len(texts))
                texts = []
        if any(tags) and not texts:
            texts = [text or "1" for text in tags]
        read = [flag(text) for text in texts]
        if None in read:
            odd = texts[read.index(None)]
            self.notes.append(
                f"The file's bad-band list (bbl) has the entry '{odd}', which is neither 1 nor 0; "
                "the list was not used."
            )
            return None
        return [f is not False for f in read] or None

    def _unfit(self, what: str, length: int) -> None:
        self.notes.append(
            f"The file lists {length} {what} for {self.count} bands; that list was not used."
        )


def _complete(
    centres: Sequence[float | None] | None,
    widths: Sequence[float | None] | None,
    units: str | None,
    good: Sequence[bool] | None,
    lists: _Lists,
) -> BandMetadata:
    if centres:
        return metadata_of(centres, widths, units, good, lists.notes)
    flags = tuple(good or (True,) * lists.count)
    unknown = (None,) * lists.count
    return BandMetadata(unknown, unknown, flags, tuple(lists.notes))


def _from_descriptions(
    descriptions: Sequence[str | None], units: str | None, notes: list[str]
) -> tuple[list[float | None] | None, str | None]:
    """Find wavelengths in band names; a bare number counts only if every band has one."""
    texts = [d or "" for d in descriptions]
    matches = [_WITH_UNIT.search(t) for t in texts]
    if sum(m is not None for m in matches) * 2 > len(texts):
        unit = next(m[2] for m in matches if m)
        unit = {"n": "nm", "m": "um", "u": "um", "µ": "um", "μ": "um"}[unit[0].lower()]
        return [number(m[1]) if m else None for m in matches], unit
    for pattern in _IN_NAMES:
        found = [pattern.search(t) for t in texts]
        if all(found) and _are_wavelengths([m[1].replace(",", ".") for m in found if m], units):
            notes.append(
                f"The wavelengths were taken from the band names ('{texts[0]}' to '{texts[-1]}')."
            )
            return [number(m[1]) for m in found if m], units
    return None, units


def _are_wavelengths(numbers: Sequence[str], units: str | None) -> bool:
    """Whether the numbers of band names can be wavelengths and do not merely count or date."""
    values = [float(n) for n in numbers]
    if len(set(values)) < len(values) or min(values) <= 0:
        return False
    if all("." in n for n in numbers) and max(values) < 100:
        values = [1000 * v for v in values]
    steps = {b - a for a, b in zip(values, values[1:], strict=False)}
    in_range = PLAUSIBLE[0] <= min(values) and max(values) <= PLAUSIBLE[1]
    return in_range and max(values) - min(values) >= _SPAN and steps != {1.0}
