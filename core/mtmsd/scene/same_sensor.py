"""Several scenes of one sensor, opened with the bands that they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np

from mtmsd.errors import InputError
from mtmsd.scene.choice import listing
from mtmsd.scene.raster import Scene
from mtmsd.scene.resample import check_unit, match_bands, spacing
from mtmsd.scene.scene_set import SceneSet

NEAR = 0.25
"""Bands of one sensor lie within this share of their spacing; those of another one often do not."""
MOST = 0.9
"""So many of the wavelengths that two scenes cover must be near each other."""
FEWEST = 2


def open_together(scenes: Sequence[Scene]) -> SceneSet:
    """Put scenes together with the bands that all of them have and use.

    The first one's bands are matched by wavelength, or by number where wavelengths are missing;
    scenes whose bands lie elsewhere by more than rounding are resampled to them.

    Parameters
    ----------
    scenes : sequence of Scene
        Closed by the set, or here if they do not fit together.

    Raises
    ------
    InputError
        If they are of different sensors, of different units, or have no bands in common.
    """
    with ExitStack() as opened:
        for scene in scenes:
            opened.enter_context(scene)
        first, others = scenes[0], scenes[1:]
        known = all(_wavelengths_known(scene) for scene in scenes)
        kept, notes = np.ones(len(first.used), bool), []
        for other in others:
            there = _near(first, other) if known else _same_numbers(first, other)
            kept &= there
            if not there.all():
                lost = listing([b for b, is_there in zip(first.used, there) if not is_there])
                notes.append(
                    f"Bands that '{first.name}' uses and '{other.name}' does not have or leaves "
                    f"out are left out of both: {lost}."
                )
        bands = [band for band, keep in zip(first.used, kept) if keep]
        if len(bands) < FEWEST:
            raise InputError(
                f"The {len(scenes)} scenes have {len(bands)} bands in common that all of them use.",
                hint="Leave out the scene that lacks most, or exclude fewer bands.",
            )
        wavelengths = [float(w) if known else None for w in first.wavelengths[kept]]
        matched = [first.with_bands(bands)]
        for other in others:
            own = match_bands(other, bands, wavelengths, count=len(first.bands))
            check_unit(own, matched[0].mean_spectrum(), f"those of '{first.name}'")
            matched.append(own)
        opened.pop_all()
    together = SceneSet(matched)
    how = "by wavelength" if known else "by number, for wavelengths are missing"
    notes.insert(0, f"{len(bands)} bands of {len(scenes)} scenes are matched {how}.")
    together.warnings = (*together.warnings, *notes)
    return together


def _wavelengths_known(scene: Scene) -> bool:
    return not np.isnan(scene.wavelengths).any()


def _near(first: Scene, other: Scene) -> np.ndarray:
    """Which of the first one's bands the other one uses, too; bool (B,)."""
    target, space = first.wavelengths, spacing(first.wavelengths)
    every = np.array([b.wavelength for b in other.bands if b.wavelength is not None])
    covered = (target >= every.min() - space / 2) & (target <= every.max() + space / 2)
    if not covered.any():
        raise InputError(
            f"'{first.name}' ({_span(target)}) and '{other.name}' ({_span(every)}) have no "
            "wavelengths in common.",
            hint="Give scenes of one sensor.",
        )
    apart = _distance(every, target)
    near = (apart <= NEAR * space)[covered]
    if near.mean() < MOST:
        raise InputError(
            f"'{first.name}' and '{other.name}' are of different sensors: {int((~near).sum())} of "
            f"{len(near)} bands lie at other wavelengths, up to {apart[covered].max():.0f} nm off.",
            hint="Give scenes of one sensor.",
        )
    return _distance(other.wavelengths, target) <= NEAR * space


def _distance(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Nanometres from each target to the nearest source, float64 (T,)."""
    return np.abs(source[None] - target[:, None]).min(axis=1)


def _same_numbers(first: Scene, other: Scene) -> np.ndarray:
    if len(first.bands) != len(other.bands):
        raise InputError(
            f"'{first.name}' has {len(first.bands)} bands and '{other.name}' {len(other.bands)}; "
            "without wavelengths in both they cannot be matched.",
            hint="Give scenes of one sensor, or tell their wavelengths.",
        )
    return np.isin(first.used, other.used)


def _span(wavelengths: np.ndarray) -> str:
    return f"{wavelengths.min():.0f}–{wavelengths.max():.0f} nm"
