"""How large a pixel is on the ground, and how much of each class a map has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform

from mtmsd.reporting import Reporter
from mtmsd.scene.class_map import ClassMap
from mtmsd.scene.formats.source import GDAL_ERRORS

_A, _E2 = 6_378_137.0, 0.006_694_379_990_14  # WGS 84: half axis in metres, squared eccentricity
_HECTARE = 10_000.0
NODES = 129
"""Rows and columns at which the area of a pixel is computed; between them it is interpolated."""
TOLERANCE = 0.005
"""How far the cell in the projection may be from the ellipsoid's, as a share."""


@dataclass(frozen=True)
class PixelArea:
    """Hectares of a pixel on the ground, anywhere in a map.

    Attributes
    ----------
    hectares : float64 array (m, n)
        At some rows and columns of the map; between them it changes evenly.
    rows, cols : arrays (m,), (n,)
        Which.
    note : str
        What the user should know of how it was measured; may be empty.
    """

    hectares: NDArray[np.float64]
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    note: str = ""

    def block(self, row: int, col: int, height: int, width: int) -> NDArray[np.float64]:
        """Return the hectares of a window's pixels, shape (height, width)."""
        lines = _between(self.hectares, self.rows, row + np.arange(height))
        return _between(lines.T, self.cols, col + np.arange(width)).T


def pixel_area(class_map: ClassMap) -> PixelArea | None:
    """Measure a map's pixels.

    Degrees, and projections that change areas by more than half a percent (Web Mercator): the
    cell on the WGS 84 ellipsoid (Snyder 1987, eq. 3-11 and 3-12), rotated grids too. Other
    projections (UTM, national grids, equal-area ones): the cell in the projection, as GIS packages
    count it.

    Returns
    -------
    PixelArea or None
        None without a CRS, in a local one, or where it has no place on the Earth.
    """
    t, crs = class_map.transform, class_map.crs
    if crs is None or not (crs.is_geographic or crs.is_projected):
        return None
    planar = None
    if not crs.is_geographic:
        try:
            metres = crs.linear_units_factor[1]
        except CRSError:
            return None
        planar = abs(t.a * t.e - t.b * t.d) * metres**2 / _HECTARE
    upright = crs.is_geographic and not (t.b or t.d)
    rows: NDArray[np.int64] = np.arange(class_map.height) if upright else _nodes(class_map.height)
    cols = np.zeros(1, np.int64) if upright else _nodes(class_map.width)
    try:
        hectares = _on_the_ellipsoid(class_map, rows, cols)
    except GDAL_ERRORS:  # no transformation to longitude and latitude, or outside its domain
        hectares = np.full((1, 1), np.nan)
    seen = hectares[np.isfinite(hectares) & (hectares > 0)]
    if planar is None:
        return PixelArea(hectares, rows, cols) if len(seen) else None
    one = PixelArea(np.full((1, 1), planar), np.zeros(1, np.int64), np.zeros(1, np.int64))
    if not len(seen):
        note = f"Areas are of the projection: '{class_map.name}' cannot be placed on the ellipsoid."
        return replace(one, note=note)
    most, least = planar / seen.min(), planar / seen.max()
    if max(most - 1, 1 - least) <= TOLERANCE:
        return one
    name = crs.to_string() if crs.to_epsg() else crs.to_wkt().split('"')[1]
    note = (
        f"Areas are measured on the ellipsoid: {name} shows the pixels of '{class_map.name}' at "
        f"{least:.3g} to {most:.3g} times their true area."
    )
    return PixelArea(np.where(np.isfinite(hectares), hectares, 0), rows, cols, note)


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
    area = pixel_area(class_map)
    pixels: dict[int, int] = {}
    hectares: dict[int, float] = {}
    for block in class_map.blocks():
        row, col, height, width = block
        values = class_map.values(*block).ravel()
        found = np.bincount(values)
        size: NDArray[Any] = np.zeros(len(found))
        if area is not None:
            size = np.bincount(values, area.block(*block).ravel())
        for key in np.flatnonzero(found[1:]) + 1:
            pixels[int(key)] = pixels.get(int(key), 0) + int(found[key])
            hectares[int(key)] = hectares.get(int(key), 0.0) + float(size[key])
        done = row * class_map.width + (col + width) * height
        reporter.progress(done, class_map.width * class_map.height, "pixels")
    return dict(sorted(pixels.items())), None if area is None else hectares


def _nodes(length: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, length - 1, min(NODES, length)).round().astype(np.int64))


def _between(values: NDArray, nodes: NDArray, wanted: NDArray) -> NDArray[np.float64]:
    """Interpolate the lines of an array, which are of some nodes, to the lines that are wanted."""
    if len(nodes) == 1:
        return np.repeat(values, len(wanted), axis=0)
    left = np.clip(np.searchsorted(nodes, wanted, side="right") - 1, 0, len(nodes) - 2)
    share = ((wanted - nodes[left]) / (nodes[left + 1] - nodes[left]))[:, None]
    return values[left] * (1 - share) + values[left + 1] * share


def _on_the_ellipsoid(class_map: ClassMap, rows: NDArray, cols: NDArray) -> NDArray[np.float64]:
    """Area of some pixels from their corners' longitude and authalic latitude, in hectares."""
    r, c = np.meshgrid(rows, cols, indexing="ij")
    corners = [(r, c), (r, c + 1), (r + 1, c + 1), (r + 1, c)]
    t = class_map.transform
    places = [
        _degrees(class_map.crs, t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f)
        for y, x in corners
    ]
    lon = np.radians([place[0] for place in places])
    zone = _zone(np.radians([place[1] for place in places]))
    turn = np.roll(lon, -1, 0) - lon
    step = turn - 2 * np.pi * np.round(turn / (2 * np.pi))  # across the date line
    area = (step * (np.roll(zone, -1, 0) + zone) / 2).sum(0)
    around = np.abs(step.sum(0)) > 1  # a pole lies inside
    area = np.where(around, 2 * np.pi * _zone(np.pi / 2) - np.abs(area), np.abs(area))
    return area * _A**2 * (1 - _E2) / 2 / _HECTARE


def _zone(latitude: NDArray | float) -> NDArray[np.float64]:
    """Area between the equator and a parallel, per radian of longitude, in (1 - e²) a² / 2."""
    e, s = np.sqrt(_E2), np.sin(latitude)
    return s / (1 - _E2 * s**2) + np.arctanh(e * s) / e


def _degrees(crs: CRS, x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
    if crs.is_geographic:
        unit = np.degrees(crs.units_factor[1])  # grads, too
        return x * unit, y * unit
    lon, lat = transform(crs, "EPSG:4326", x.ravel(), y.ravel())
    return np.reshape(lon, x.shape), np.reshape(lat, y.shape)
