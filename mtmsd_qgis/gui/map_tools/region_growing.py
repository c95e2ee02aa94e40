"""Grows a region from a pixel over neighbours of a similar spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from osgeo import gdal, ogr

from ...common.translation import tr
from ...state.training.spectra import map_transform, open_raster

SIDE = 192
"""Side of the window around the click in which a region can grow, in pixels."""
MOST_BANDS = 64
"""More bands are thinned evenly: the neighbours of a band say the same."""


@dataclass(frozen=True)
class Seed:
    """A clicked pixel with the distances of its surroundings.

    ``distance`` (h, w) is the Euclidean distance to the seed's spectrum as a share of the usual
    length of a spectrum, infinite where there is no data; ``row``, ``col`` is the seed in it;
    ``transform`` is GDAL's geotransform of the window.
    """

    distance: np.ndarray
    row: int
    col: int
    transform: tuple[float, ...]


def read_seed(path: str, used: list[int], x: float, y: float) -> Seed:
    """Read the surroundings of a place.

    Parameters
    ----------
    path : str
        The scene.
    used : list of int
        Bands that count, from 1.
    x, y : float
        The place in the scene's coordinates.

    Raises
    ------
    ValueError
        If the place lies outside the scene or has no data.
    OSError
        If the scene cannot be read.
    """
    dataset = open_raster(path)
    whole = map_transform(dataset)
    col, row = (int(np.floor(v)) for v in gdal.ApplyGeoTransform(gdal.InvGeoTransform(whole), x, y))
    width, height = dataset.RasterXSize, dataset.RasterYSize
    if not (0 <= col < width and 0 <= row < height):
        raise ValueError(tr("That place is outside the scene."))
    left, top = max(0, col - SIDE // 2), max(0, row - SIDE // 2)
    right, bottom = min(width, left + SIDE), min(height, top + SIDE)
    step = max(1, -(-len(used) // MOST_BANDS))
    bands = used[::step]
    cube = dataset.ReadAsArray(left, top, right - left, bottom - top, band_list=bands)
    nodata = dataset.GetRasterBand(bands[0]).GetNoDataValue()
    spectra = cube.astype(np.float32)
    good = np.isfinite(spectra).all(axis=0)
    if nodata is not None:
        good &= (cube != nodata).all(axis=0)
    row, col = row - top, col - left
    if not good[row, col]:
        raise ValueError(tr("That pixel has no data."))
    seed = spectra[:, row, col]
    # relative to the seed alone, dark water would never grow: its noise is as large as it is
    usual = float(np.linalg.norm(spectra[:, good], axis=0).mean())
    length = (float(np.linalg.norm(seed)) + usual) / 2 or 1.0
    distance = np.linalg.norm(spectra - seed[:, None, None], axis=0) / length
    distance[~good] = np.inf
    origin = gdal.ApplyGeoTransform(whole, left, top)
    transform = (origin[0], whole[1], whole[2], origin[1], whole[4], whole[5])
    return Seed(distance, row, col, transform)


def grow(seed: Seed, tolerance: float) -> np.ndarray:
    """Return the 4-connected region of the seed within a distance, bool (h, w)."""
    similar = seed.distance <= tolerance
    region = np.zeros_like(similar)
    region[seed.row, seed.col] = True
    count = 1
    while True:
        # sweeps along rows and columns fill whole runs at once
        for axis in (0, 1):
            region = _spread(region, similar, axis)
        grown = int(region.sum())
        if grown == count:
            return region
        count = grown


def outline(region: np.ndarray, seed: Seed) -> bytes:
    """Return the region's polygon as WKB, in the scene's coordinates."""
    height, width = region.shape
    memory = gdal.GetDriverByName("MEM").Create("", width, height, 1, gdal.GDT_Byte)
    memory.SetGeoTransform(seed.transform)
    band = memory.GetRasterBand(1)
    band.WriteArray(region.astype(np.uint8))
    source = ogr.GetDriverByName("Memory").CreateDataSource("")
    layer = source.CreateLayer("region", None, ogr.wkbPolygon)
    gdal.Polygonize(band, band, layer, -1)
    feature = layer.GetNextFeature()
    return bytes(feature.GetGeometryRef().ExportToWkb())


def _spread(region: np.ndarray, similar: np.ndarray, axis: int) -> np.ndarray:
    """Fill every run of similar pixels along an axis that holds a pixel of the region."""
    mask = similar if axis == 1 else similar.T
    inside = region if axis == 1 else region.T
    edges = np.ones_like(mask)
    edges[:, 1:] = mask[:, 1:] != mask[:, :-1]
    runs = np.cumsum(edges.ravel()).reshape(mask.shape)  # a number for every run of every row
    hit = np.zeros(runs.max() + 1, bool)
    hit[runs[inside]] = True
    filled = hit[runs] & mask
    return filled if axis == 1 else filled.T
