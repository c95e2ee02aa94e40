"""Spectra on other scales than they were read in: reflectance, min–max, continuum removed."""

from __future__ import annotations

import numpy as np

READ, REFLECTANCE, RANGE, CONTINUUM = "read", "reflectance", "range", "continuum"
SCALES = (READ, REFLECTANCE, RANGE, CONTINUUM)
GAP = 5.0
"""Where the step between two bands is so many times the usual one, there is a gap."""
FULL = {1.0: 2.0, 100.0: 200.0, 10_000.0: 20_000.0}
"""What is 1 in reflectance, percent and reflectance × 10,000, and the most each may reach."""


def full_scale(highest: float) -> float | None:
    """Return the number that means a reflectance of 1; None for values that can be none."""
    return next((full for full, most in FULL.items() if highest <= most), None)


def steps_too_far(x: np.ndarray) -> np.ndarray:
    """Return whether there is a gap after each value but the last."""
    steps = np.abs(np.diff(x))
    return steps > GAP * (np.median(steps) if len(steps) else 1.0)


def continuum(x: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the upper convex hull of a spectrum at its bands.

    Each stretch of bands without a gap has a hull of its own, so that none spans bands that were
    not measured. Bands without a value have no hull.

    Parameters
    ----------
    x, values : float arrays (bands,)
        Wavelengths, in any order, or band numbers; the spectrum.
    """
    hull = np.full(len(x), np.nan)
    order = np.argsort(x, kind="stable")
    ends = np.flatnonzero(steps_too_far(x[order])) + 1
    for part in np.split(order, ends):
        good = part[np.isfinite(values[part])]
        if len(good):
            corners = _upper(list(zip(x[good].tolist(), values[good].tolist())))
            hull[good] = np.interp(x[good], *zip(*corners))
    return hull


def _upper(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the corners of the hull from the left to the right (Andrew's monotone chain)."""
    corners: list[tuple[float, float]] = []
    for x, y in points:
        if corners and x == corners[-1][0]:  # two sensors measured there
            if y <= corners[-1][1]:
                continue
            corners.pop()
        while len(corners) > 1:
            (x0, y0), (x1, y1) = corners[-2:]
            if (x1 - x0) * (y - y0) < (x - x0) * (y1 - y0):
                break
            corners.pop()
        corners.append((x, y))
    return corners


def scaling(
    scale: str, x: np.ndarray, values: np.ndarray, full: float | None
) -> tuple[float, np.ndarray]:
    """Return what is taken from a spectrum, and what it is multiplied by then, band by band.

    Parameters
    ----------
    full : float or None
        From :func:`full_scale`; without it reflectance stays as it was read.
    """
    one = np.ones(len(values))
    if scale == REFLECTANCE:
        return 0.0, one / (full or 1.0)
    if scale == RANGE:
        low, high = np.nanmin(values), np.nanmax(values)
        return float(low), one / (high - low if high > low else 1.0)
    if scale == CONTINUUM:
        hull = continuum(x, values)
        return 0.0, np.divide(1.0, hull, out=np.full(len(hull), np.nan), where=hull > 0)
    return 0.0, one
