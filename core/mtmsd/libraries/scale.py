"""Reflectance as 0 to 1, in percent, or times 10,000: told by the file, or by its numbers."""

from __future__ import annotations

import numpy as np

from mtmsd.errors import InputError
from mtmsd.libraries.library import Library, Spectrum
from mtmsd.scene.raster import Scene

WORDS = {1.0: "0 to 1", 100.0: "percent", 10_000.0: "reflectance × 10,000"}
MOST = {1.0: 2.0, 100.0: 200.0, 10_000.0: 20_000.0}
"""The largest value that each scale may have; snow and noise go beyond 1."""
NEAR = 30.0
"""Numbers of one scale differ by less than this factor."""
SAME_NM = 0.01
"""Wavelengths nearer than this are one."""
HINT = "Say by which number the library's values are to be multiplied (--library-factor)."


def factor_to_scene(library: Library, scene: Scene, given: float | None) -> tuple[float, str]:
    """Return what makes the library's values the scene's, and a sentence about it (or none).

    Parameters
    ----------
    given : float, optional
        The factor, where the user has said it.

    Raises
    ------
    InputError
        If the values of library or scene can be no reflectance, or ``given`` is no factor.
    """
    if given is not None:
        if not (np.isfinite(given) and given > 0):
            raise InputError(f"The factor of the library cannot be {given:g}; it is above 0.")
        if given == 1:  # nothing was changed
            return 1.0, ""
        return given, f"The values of '{library.name}' were multiplied by {given:g}."
    brightest = max(float(spectrum.values.max()) for spectrum in library.spectra)
    mean = scene.mean_spectrum()
    if library.full is None and all(is_of_bands(s, scene) for s in library.spectra):
        own = np.median([np.median(np.abs(s.values)) for s in library.spectra])
        if 1 / NEAR < own / max(float(np.median(np.abs(mean))), 1e-30) < NEAR:
            return 1.0, (
                f"'{library.name}' has the bands of '{scene.name}' and values like them: they "
                "were taken as they are."
            )
    here = _scale_of_scene(scene, mean)
    full = library.full or _scale(brightest)
    if full is None:
        raise InputError(
            f"The values of '{library.name}' go up to {brightest:g}: neither reflectance from 0 "
            "to 1, nor percent, nor times 10,000.",
            hint=HINT,
        )
    said = "as it says" if library.full else f"for its values go up to {brightest:.4g}"
    return here / full, (
        f"'{library.name}' was taken as {_word(full)}, {said}, and '{scene.name}' as "
        f"{_word(here)}, for its mean goes up to {np.nanmax(mean):.4g}; the library was "
        f"multiplied by {here / full:g}."
    )


def negative_sentence(library: Library) -> str:
    """Return what to say of negative values; empty if there are none."""
    below = [s for s in library.spectra if (s.values < 0).any()]
    if not below:
        return ""
    lowest = min(below, key=lambda spectrum: float(spectrum.values.min()))
    return (
        f"{len(below)} of {len(library.spectra)} spectra of '{library.name}' have negative values, "
        f"down to {lowest.values.min():.4g} in '{lowest.name}'; they were kept."
    )


def is_of_bands(spectrum: Spectrum, scene: Scene) -> bool:
    """Whether all channels of a spectrum are bands of the scene: it was measured by its sensor."""
    own = np.array([b.wavelength for b in scene.bands if b.wavelength is not None])
    if not len(own):
        return False
    return bool((np.abs(spectrum.wavelengths[:, None] - own).min(axis=1) < SAME_NM).all())


def _scale_of_scene(scene: Scene, mean: np.ndarray) -> float:
    highest = float(np.nanmax(mean))
    found = _scale(highest)
    if found is None:
        raise InputError(
            f"The mean of '{scene.name}' goes up to {highest:g}, so its values are no reflectance "
            "that a library could be brought to.",
            hint=HINT,
        )
    return found


def _scale(highest: float) -> float | None:
    return next((full for full, most in MOST.items() if highest <= most), None)


def _word(full: float) -> str:
    return WORDS.get(full, f"reflectance × {full:g}")
