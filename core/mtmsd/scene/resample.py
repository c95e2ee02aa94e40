"""Bands of another scene for a model: the same ones, or resampled by wavelength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtmsd.errors import InputError
from mtmsd.scene.mask import MaskChoice
from mtmsd.scene.raster import Scene

SAME = 0.1
"""Bands are the same if their wavelengths differ by less than this share of their spacing."""
REACH = 2.0
"""A wavelength is reached if bands lie on both sides of it within so many spacings, in nm…"""
SHORTEST_REACH = 25.0
"""… or within so many nanometres, whichever is more."""
FINE = 4
"""So many bands within one spacing are averaged rather than interpolated."""
SCALE_LIMIT = 30.0
"""Spectra that are so many times brighter or darker have another unit, not another light."""
EQUAL = 1e-6
"""Nanometres; bands closer than this have one wavelength."""
NO_DATA = ("no data", "alpha")


def open_matched(
    path: str | Path,
    model: Mapping[str, Any],
    mean: np.ndarray,
    masks: Sequence[MaskChoice] = (),
) -> Scene:
    """Open a scene with the bands that a model has learnt.

    ``model`` is its metadata: ``bands``, ``wavelengths`` and the fingerprint of its scene; ``mean``
    its mean spectrum. Raises as :meth:`Scene.open` and :func:`match_bands` do.
    """
    scene = Scene.open(path, masks=masks)
    try:
        return match_bands(
            scene,
            model["bands"],
            model["wavelengths"],
            count=model["scene"]["fingerprint"]["bands"],
            mean=mean,
        )
    except BaseException:
        scene.close()
        raise


def match_bands(
    scene: Scene,
    bands: Sequence[int],
    wavelengths: Sequence[float | None],
    *,
    count: int | None = None,
    mean: np.ndarray | None = None,
) -> Scene:
    """Return ``scene`` with the bands that a model was made for.

    Parameters
    ----------
    scene : Scene
        Stays the owner of the open file.
    bands : sequence of int
        The model's bands, as numbers from 1 in the file that it was made with.
    wavelengths : sequence of float or None
        Their wavelengths in nanometres.
    count : int, optional
        How many bands that file had in all; lets scenes without wavelengths be matched.
    mean : array (len(bands),), optional
        The model's mean spectrum; scenes of quite another unit are refused.

    Returns
    -------
    Scene
        Whose ``read`` gives ``len(bands)`` bands; with a warning if they are resampled.

    Raises
    ------
    InputError
        If the scene lacks a part of the spectrum, or has no wavelengths and other bands.
    """
    own = [band.wavelength for band in scene.bands]
    if all(w is not None for w in wavelengths) and sum(w is not None for w in own) > 1:
        matched = _by_wavelength(scene, bands, np.array(wavelengths, np.float64))
    else:
        matched = _by_number(scene, bands, count)
    if mean is not None:
        those = "those that the model was made with"
        check_unit(matched, np.asarray(mean, np.float64), those)
    return matched


def band_weights(
    source: np.ndarray, target: np.ndarray, widths: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return how bands at ``target`` wavelengths come of bands at ``source`` wavelengths.

    Where the source samples finer than the target, its bands are averaged under a Gaussian as
    wide as the target's band, or spacing; else the two neighbours are interpolated.

    Parameters
    ----------
    source, target : float64 arrays (S,) and (T,)
        Nanometres.
    widths : float64 array (T,), optional
        Full width at half maximum of the target's bands; NaN, like all if not given, where the
        spacing stands for it.

    Returns
    -------
    weights : float64 array (T, S)
        Rows sum to 1.
    reached : bool array (T,)
        False where no source band is near enough; those rows are not to be used.
    """
    weights = np.zeros((len(target), len(source)))
    reached = np.zeros(len(target), bool)
    spaces = spacing(target)
    if widths is not None:
        spaces = np.where(np.isfinite(widths), widths, spaces)
    for i, (wavelength, space) in enumerate(zip(target, spaces, strict=True)):
        distance = source - wavelength
        wide = min(space, distance.max(), -distance.min())  # as far on one side as on the other
        near = np.abs(distance) <= wide
        if near.sum() >= FINE:
            weights[i, near] = np.exp(-4 * np.log(2) * (distance[near] / space) ** 2)
            weights[i] /= weights[i].sum()
            reached[i] = True
        else:
            reached[i] = _interpolate(distance, float(space), weights[i])
    return weights, reached


def _interpolate(distance: np.ndarray, space: float, weights: np.ndarray) -> bool:
    """Weight the nearest band on either side; return whether they are near enough."""
    below = np.where(distance <= 0, distance, -np.inf)
    above = np.where(distance >= 0, distance, np.inf)
    low, high = int(below.argmax()), int(above.argmin())
    to_low, to_high = -below[low], above[high]
    if np.isinf(to_low) or np.isinf(to_high):  # beyond the ends of the spectrum
        weights[high if np.isinf(to_low) else low] = 1
        return bool(min(to_low, to_high) <= space / 2)
    share = to_low / (to_low + to_high) if to_low + to_high > 0 else 0.0
    weights[low] = 1 - share
    weights[high] += share
    if min(to_low, to_high) <= SAME * space:
        return True
    return bool(max(to_low, to_high) <= max(REACH * space, SHORTEST_REACH))


def _by_wavelength(scene: Scene, bands: Sequence[int], target: np.ndarray) -> Scene:
    usable = [
        band
        for band in scene.bands
        if band.wavelength is not None and not band.reason.startswith(NO_DATA)
    ]
    source = np.array([band.wavelength for band in usable], np.float64)
    space = spacing(target)
    by_number = {band.index: band.wavelength for band in usable}
    there = np.array([by_number.get(band, np.inf) for band in bands], np.float64)
    if (np.abs(there - target) <= SAME * space).all():
        return scene.with_bands(bands)
    nearest = _nearest(source, target)
    if (np.abs(source[nearest] - target) <= SAME * space).all():
        return scene.with_bands([usable[i].index for i in nearest])
    good = [i for i, band in enumerate(usable) if band.used]
    weights, reached = band_weights(source[good], target)
    if not reached.all():
        missing = target[~reached]
        raise InputError(
            f"'{scene.name}' ({source.min():.0f}–{source.max():.0f} nm) lacks {len(missing)} of "
            f"the {len(target)} bands that the model was made for, the first at "
            f"{missing[0]:.0f} nm.",
            hint="Use a scene of the same sensor, or pretrain and train on this one.",
        )
    read = [usable[i].index for i in good]
    needed = np.flatnonzero(np.abs(weights).sum(axis=0))
    return scene.with_bands(
        [read[i] for i in needed],
        wavelengths=target,
        weights=weights[:, needed].astype(np.float32),
        warning=(
            f"The bands of '{scene.name}' were resampled to the {len(target)} wavelengths that "
            "the model was made for."
        ),
    )


def _nearest(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the nearest source band of each target; bands of equal wavelength in their order."""
    nearest = np.abs(source[None] - target[:, None]).argmin(axis=1)
    seen: dict[int, int] = {}
    for i, first in enumerate(nearest.tolist()):
        alike = np.flatnonzero(np.abs(source - source[first]) < EQUAL)
        nearest[i] = alike[min(seen.get(first, 0), len(alike) - 1)]
        seen[first] = seen.get(first, 0) + int(len(alike) > 1)
    return nearest


def _by_number(scene: Scene, bands: Sequence[int], count: int | None) -> Scene:
    if count is None:
        count = max(len(scene.bands), *bands)
    if len(scene.bands) != count:
        raise InputError(
            f"'{scene.name}' has {len(scene.bands)} bands and the model was made for a raster of "
            f"{count}; without wavelengths on both sides they cannot be matched.",
            hint="Use a scene of the same sensor, or pretrain and train on this one.",
        )
    empty = [i for i in bands if scene.bands[i - 1].reason.startswith(NO_DATA)]
    if empty:
        raise InputError(
            f"Band {empty[0]} of '{scene.name}' has no data, and the model needs it.",
            hint="Pretrain and train on this scene.",
        )
    return scene.with_bands(bands)


def check_unit(scene: Scene, mean: np.ndarray, those: str) -> None:
    """Refuse a scene whose values are of another unit than ``those`` of that mean spectrum."""
    here, there = (float(np.median(np.abs(m))) for m in (scene.mean_spectrum(), mean))
    if not (here > 0 and there > 0):
        return
    ratio = here / there
    if not 1 / SCALE_LIMIT < ratio < SCALE_LIMIT:
        word, factor = ("larger", ratio) if ratio > 1 else ("smaller", 1 / ratio)
        raise InputError(
            f"The values of '{scene.name}' are about {factor:.0f} times {word} than {those}.",
            hint="Give both scenes in one unit: set the scale of this one "
            "(gdal_translate -a_scale), or rescale it.",
        )


def spacing(wavelengths: np.ndarray) -> np.ndarray:
    """Return each band's distance to its nearer neighbour of another wavelength, in nm."""
    distance = np.abs(wavelengths[:, None] - wavelengths[None])
    distance[distance < EQUAL] = np.inf
    nearest = distance.min(axis=1)
    return np.where(np.isfinite(nearest), nearest, 10.0)
