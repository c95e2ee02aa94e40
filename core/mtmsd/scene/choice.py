"""Which bands of a scene are used, what counts as no data, and what to say of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mtmsd.errors import InputError
from mtmsd.scene.bands import Band, Sample, judge, undeclared_gaps
from mtmsd.scene.exclusion import parse_exclusion
from mtmsd.scene.formats.source import Source
from mtmsd.scene.wavelengths import BandMetadata

NOTABLE_SHARE = 0.005
"""Pixels that lack some bands are spoken of from this share on."""


@dataclass(frozen=True)
class Choice:
    """The bands that are used, and, if these are resampled, how they come of those read."""

    bands: tuple[Band, ...]
    used: tuple[int, ...]
    wavelengths: np.ndarray
    read: tuple[int, ...]
    nodata: tuple[float | None, ...]
    weights: np.ndarray | None = None


def close_gaps(
    source: Source, sample: Sample
) -> tuple[Sample, tuple[float | None, ...], tuple[str, ...]]:
    """Find fill values that the file does not declare, and say which."""
    notes = [
        f"{value:g} fills all bands of {_share(share)} of the pixels and is not declared; taken "
        "as no data."
        for value, share in sample.fills
    ]
    nodata = source.nodata
    for value, share in undeclared_gaps(sample, nodata).items():
        nodata = (value,) * source.count
        sample = replace(sample, ok=sample.ok & (sample.raw != value))
        notes.append(
            f"{value:g} fills {_share(share)} of the values and is not declared; taken as no data."
        )
    dark = (sample.ok & (sample.raw == 0)).all(axis=0).mean()
    if dark >= NOTABLE_SHARE:
        notes.append(
            f"{_share(float(dark))} of the pixels are 0 in all bands; they are taken as data, for "
            "the file declares another value as no data. If they are a border, set 0 as nodata."
        )
    return sample, nodata, tuple(notes)


def left_out(sample: Sample, choice: Choice) -> tuple[str, ...]:
    """Say which bands and pixels are left out because data is missing."""
    notes = []
    for reason, what in (("lacks data", "lack data in parts of the scene; left out to keep these"),
                         ("no data", "have no data in most of the scene; left out"),
                         ("constant", "have the same value everywhere; left out")):  # fmt: skip
        bands = [band.index for band in choice.bands if band.reason.startswith(reason)]
        if bands:
            notes.append(f"{len(bands)} of {len(choice.bands)} bands {what}: {listing(bands)}.")
    lacking = sample.ok[[i - 1 for i in choice.read]]
    partly = lacking.any(axis=0) & ~lacking.all(axis=0)
    if partly.mean() >= NOTABLE_SHARE:
        worst = choice.read[int(lacking[:, partly].mean(axis=1).argmin())]
        notes.append(
            f"{_share(float(partly.mean()))} of the pixels have data in a part of the used bands "
            f"only, and count as no data (most of them lack band {worst})."
        )
    return tuple(notes)


def listing(bands: Sequence[int]) -> str:
    """Write band numbers with runs joined: 1–3, 7."""
    runs: list[list[int]] = []
    for band in bands:
        if runs and band == runs[-1][1] + 1:
            runs[-1][1] = band
        else:
            runs.append([band, band])
    return ", ".join(str(a) if a == b else f"{a}–{b}" for a, b in runs)


def _share(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "under 0.1%"


def choose(
    source: Source, sample: Sample, nodata: tuple[float | None, ...], exclude: str, name: str
) -> tuple[Choice, tuple[str, ...]]:
    """Decide which bands are used; say what the user should know."""
    metadata = source.metadata
    listed, warnings = parse_exclusion(exclude, metadata.wavelengths, name)
    warnings += [*metadata.notes, *source.notes]
    reasons = dict.fromkeys(listed, "left out by the user")
    good = metadata.good
    if not any(good):
        warnings.append(f"The bad-band list of '{name}' names every band; it was not used.")
    else:
        for band in (i for i, flag in enumerate(good, 1) if not flag):
            reasons.setdefault(band, "marked bad in the file (bbl)")
    if source.alpha is not None:
        reasons[source.alpha] = "alpha band"
    candidates = [i for i in range(1, source.count + 1) if i not in reasons]
    found = judge(sample, candidates)
    if sample.whole and not sample.ok.any():
        raise InputError(
            f"'{name}' has no valid pixel: all {source.width}×{source.height} are nodata.",
            hint="Check the nodata value and the extent of the raster.",
        )
    reasons |= found
    used = tuple(i for i in candidates if i not in found)
    if len(used) < 2:
        raise InputError(
            f"'{name}' has {len(used)} of {source.count} bands left to use: {_grouped(reasons)}.",
            hint="Leave out fewer bands, or check the raster.",
        )
    bands = _bands(source.descriptions, metadata, reasons)
    wavelengths = wavelengths_of(bands, used)
    return Choice(bands, used, wavelengths, used, nodata), tuple(warnings)


def _bands(
    descriptions: tuple[str, ...], metadata: BandMetadata, reasons: dict[int, str]
) -> tuple[Band, ...]:
    return tuple(
        Band(
            i, metadata.wavelengths[i - 1], metadata.fwhm[i - 1],
            i not in reasons, reasons.get(i, ""), text,
        )
        for i, text in enumerate(descriptions, 1)
    )  # fmt: skip


def wavelengths_of(bands: Sequence[Band], used: Sequence[int]) -> np.ndarray:
    """Return the wavelengths of the used bands in nanometres; NaN where unknown."""
    return np.array([bands[i - 1].wavelength or np.nan for i in used], np.float64)


def _grouped(reasons: dict[int, str]) -> str:
    """Count the bands for each reason."""
    kinds: dict[str, int] = {}
    for reason in reasons.values():
        kind = reason.split(" (")[0]
        kinds[kind] = kinds.get(kind, 0) + 1
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())
