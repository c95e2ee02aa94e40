"""A library's spectra at a scene's bands, in the scene's units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtmsd.errors import InputError
from mtmsd.libraries.library import Library
from mtmsd.libraries.scale import factor_to_scene, is_of_bands, negative_sentence
from mtmsd.scene.raster import Scene
from mtmsd.scene.resample import band_weights

BEYOND = 10.0
"""Nanometres by which the centre of a band may lie beyond the ends of a spectrum."""


@dataclass(frozen=True)
class SceneSpectra:
    """Spectra at a scene's used bands.

    Attributes
    ----------
    names : tuple of str
    values : float32 array (n, B)
        In the scene's units; NaN at bands that a spectrum does not cover.
    notes : tuple of str
        Scale, gaps and what was left out, in sentences.
    """

    names: tuple[str, ...]
    values: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def covered(self) -> np.ndarray:
        """Where all spectra have values, bool (B,)."""
        return np.isfinite(self.values).all(axis=0)


def match_library(
    library: Library, scene: Scene, factor: float | None = None, *, scaled: bool = True
) -> SceneSpectra:
    """Resample a library's spectra to a scene's used bands, by wavelength and width (FWHM).

    Parameters
    ----------
    factor : float, optional
        By which its values are multiplied; told by the numbers if not given.
    scaled : bool
        Whether the values have to be in the scene's units; an angle does not ask for it.

    Raises
    ------
    InputError
        If the scene has no wavelengths, no spectrum covers two of its bands, or the scale of one
        of the two cannot be told.
    """
    target = scene.wavelengths
    if np.isnan(target).any():
        raise InputError(
            f"'{scene.name}' has bands without a wavelength, so the spectra of '{library.name}' "
            "cannot be brought to them.",
            hint="Give the scene wavelengths, as band metadata or in an ENVI header.",
        )
    values = np.full((len(library.spectra), len(target)), np.nan, np.float32)
    weights: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
    widths = _widths(scene)
    for row, spectrum in zip(values, library.spectra, strict=True):
        key = spectrum.wavelengths.tobytes()
        if key not in weights:
            own = is_of_bands(spectrum, scene)  # as wide as the scene's bands already
            weights[key] = band_weights(
                spectrum.wavelengths, target, np.zeros_like(widths) if own else widths
            )
        matrix, reached = weights[key]
        first, last = spectrum.wavelengths[[0, -1]]
        reached = reached & (target >= first - BEYOND) & (target <= last + BEYOND)
        row[reached] = matrix[reached] @ spectrum.values
    some = np.isfinite(values).sum(axis=1) >= 2
    if not some.any():
        raise InputError(
            f"'{library.name}' ({_span(library)}) and '{scene.name}' ({target.min():.0f}–"
            f"{target.max():.0f} nm) have no part of the spectrum in common.",
            hint="Choose a library of the scene's range.",
        )
    notes = list(library.notes)
    if scaled:
        multiply, sentence = factor_to_scene(library, scene, factor)
        values *= np.float32(multiply)
        notes += filter(None, [sentence])
    names = [spectrum.name for spectrum in library.spectra]
    if not some.all():
        out = [name for name, ok in zip(names, some, strict=True) if not ok]
        notes.append(
            f"{len(out)} spectra of '{library.name}' cover none of the bands of '{scene.name}' "
            f"and were left out, the first is '{out[0]}'."
        )
    kept = tuple(name for name, ok in zip(names, some, strict=True) if ok)
    found = SceneSpectra(kept, values[some])
    said = (negative_sentence(library), gap_sentence(found, library.name, scene))
    return SceneSpectra(kept, found.values, (*notes, *filter(None, said)))


def gap_sentence(spectra: SceneSpectra, name: str, scene: Scene) -> str:
    """Say which bands of the scene a library does not cover; empty if it covers all."""
    gaps = np.flatnonzero(~spectra.covered)
    if not len(gaps):
        return ""
    return (
        f"'{name}' does not cover {len(gaps)} of the {len(spectra.covered)} bands of "
        f"'{scene.name}': {band_ranges(gaps, scene.wavelengths)}."
    )


def band_ranges(index: np.ndarray, wavelengths: np.ndarray) -> str:
    """Write bands as ranges of wavelengths, ``418-462nm, 2400nm``, as ``--exclude`` reads them."""
    runs = np.split(index, np.flatnonzero(np.diff(index) > 1) + 1)
    spans = [(np.floor(wavelengths[r].min()), np.ceil(wavelengths[r].max())) for r in runs]
    return ", ".join(f"{low:.0f}-{high:.0f}nm" for low, high in spans)


def _widths(scene: Scene) -> np.ndarray:
    """Return the FWHM of the used bands; NaN where it is not known, or the band was made."""
    bands = [scene.bands[i - 1] for i in scene.used]
    return np.array(
        [
            b.fwhm if b.fwhm and b.wavelength == wave else np.nan
            for b, wave in zip(bands, scene.wavelengths, strict=True)
        ],
        np.float64,
    )


def _span(library: Library) -> str:
    ends = [(s.wavelengths[0], s.wavelengths[-1]) for s in library.spectra]
    return f"{min(a for a, _ in ends):.0f}–{max(b for _, b in ends):.0f} nm"
