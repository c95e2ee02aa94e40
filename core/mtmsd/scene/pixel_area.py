"""How large a pixel is on the ground, and how much of each class a map has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import CRSError

from mtmsd.reporting import Reporter
from mtmsd.scene.class_map import ClassMap

_A, _E2 = 6_378_137.0, 0.006_694_379_990_14  # WGS 84: half axis in metres, squared eccentricity
_HECTARE = 10_000.0


def pixel_hectares(class_map: ClassMap) -> NDArray[np.float64] | None:
    """Area of one pixel of each row, in hectares.

    Projected grids: cell area in the projection, as GIS packages count it. Degrees: the cell
    between two parallels and two meridians on the WGS 84 ellipsoid (Snyder 1987, eq. 3-11
    and 3-12).

    Returns
    -------
    float64, shape (height,), or None
        None without a CRS or unit, and for a rotated grid in degrees.
    """
    t = class_map.transform
    if class_map.crs is None:
        return None
    if not class_map.crs.is_geographic:
        try:
            metres = class_map.crs.linear_units_factor[1]
        except CRSError:  # a local system without a unit
            return None
        return np.full(class_map.height, abs(t.a * t.e - t.b * t.d) * metres**2 / _HECTARE)
    if t.b or t.d:
        return None
    edges = np.radians(t.f + t.e * np.arange(class_map.height + 1))
    e, s = np.sqrt(_E2), np.sin(edges)
    zone = s / (1 - _E2 * s**2) + np.arctanh(e * s) / e
    strip = _A**2 * (1 - _E2) / 2 * np.abs(np.diff(zone))  # per radian of longitude
    return strip * np.radians(abs(t.a)) / _HECTARE


def class_areas(
    class_map: ClassMap, reporter: Reporter
) -> tuple[dict[int, int], dict[int, float] | None]:
    """Count the pixels and hectares of each class value that occurs.

    Returns
    -------
    pixels : dict
        Value to number of pixels; nodata left out.
    hectares : dict or None
        None where the size of a pixel is unknown.
    """
    per_pixel = pixel_hectares(class_map)
    pixels: dict[int, int] = {}
    hectares: dict[int, float] = {}
    for row, col, height, width in class_map.blocks():
        values = class_map.values(row, col, height, width)
        lines = np.zeros(height) if per_pixel is None else per_pixel[row : row + height]
        for value in np.unique(values[values > 0]):
            found = (values == value).sum(1)
            key = int(value)
            pixels[key] = pixels.get(key, 0) + int(found.sum())
            hectares[key] = hectares.get(key, 0.0) + float(found @ lines)
        done = row * class_map.width + (col + width) * height
        reporter.progress(done, class_map.width * class_map.height, "pixels")
    return dict(sorted(pixels.items())), None if per_pixel is None else hectares
