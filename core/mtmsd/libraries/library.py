"""A spectral library as all readers give it: wavelengths in nanometres, values as in the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mtmsd.errors import InputError
from mtmsd.scene.units import in_nanometres

DELETED = 1e30
"""Values beyond this are channels that were deleted; the USGS writes -1.23e34."""
DEVIATION = "(standard deviation)"
"""Behind a name: how a class spreads, as the plugin exports it; no spectrum of its own."""


@dataclass(frozen=True)
class Spectrum:
    """A spectrum of a library.

    Attributes
    ----------
    name : str
    wavelengths : float64 array (n,)
        Nanometres, rising.
    values : float64 array (n,)
        Finite, in the units of the file.
    """

    name: str
    wavelengths: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Library:
    """Spectra of one file.

    Attributes
    ----------
    name : str
        Of the file.
    spectra : tuple of Spectrum
        At least one, their names all different.
    full : float or None
        The value that stands for a reflectance of 1; None where the file does not say.
    notes : tuple of str
        What was left out or guessed, in sentences.
    """

    name: str
    spectra: tuple[Spectrum, ...]
    full: float | None = None
    notes: tuple[str, ...] = ()


def library_of(
    path: Path,
    names: Sequence[str],
    wavelengths: Sequence[float | None],
    values: np.ndarray,
    *,
    unit: str | None = None,
    full: float | None = None,
    notes: Sequence[str] = (),
) -> Library:
    """Put a library together from spectra that share their wavelengths.

    Parameters
    ----------
    wavelengths : sequence of float or None
        In ``unit``; where that is None, the unit is told by the numbers.
    values : array (spectra, len(wavelengths))
        Not finite, or beyond ``DELETED``, where a channel was deleted.

    Raises
    ------
    InputError
        If there are no wavelengths, or no spectrum has two channels.
    """
    centres = in_nanometres(wavelengths, None, unit)
    known = np.array([w if w is not None else np.nan for w in centres.wavelengths])
    said = [*notes, *(f"'{path.name}': {note}" for note in centres.notes)]
    if np.isfinite(known).sum() < 2:
        why = " ".join(centres.notes) or "It lists none."
        raise InputError(
            f"The spectral library '{path.name}' has no wavelengths. {why}",
            hint="Without them its spectra cannot be brought to the bands of a scene.",
        )
    order = np.argsort(known, kind="stable")
    spectra, empty, deviations = [], [], 0
    for name, row in zip(names, np.asarray(values, np.float64), strict=True):
        if name.endswith(DEVIATION):
            deviations += 1
            continue
        good = order[np.isfinite(known[order]) & (np.abs(row[order]) < DELETED)]
        if len(good) < 2:
            empty.append(name)
        else:
            spectra.append(Spectrum(name, known[good], row[good]))
    if deviations:
        said.append(f"'{path.name}': {deviations} standard deviations are no spectra; left out.")
    if not spectra:
        raise InputError(
            f"No spectrum of '{path.name}' has values in two channels.",
            hint="Check the file, or choose another library.",
        )
    if empty:
        said.append(
            f"'{path.name}': {len(empty)} spectra have values in fewer than two channels and were "
            f"left out, the first is '{empty[0]}'."
        )
    return Library(path.name, tuple(_distinct(spectra)), full, tuple(said))


def _distinct(spectra: Sequence[Spectrum]) -> list[Spectrum]:
    """Number the spectra of one name, so that a name says which it is."""
    seen: dict[str, int] = {}
    taken = {spectrum.name for spectrum in spectra}
    found = []
    for spectrum in spectra:
        name, number = spectrum.name, seen.get(spectrum.name, 0) + 1
        seen[spectrum.name] = number
        while number > 1 and name in taken:
            name, number = f"{spectrum.name} ({number})", number + 1
        taken.add(name)
        found.append(replace(spectrum, name=name))
    return found
