"""Spectra under the training polygons, read in a thread of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from osgeo import gdal, ogr, osr

from ...common.translation import tr

MOST_PIXELS = 400
"""A polygon of more pixels is sampled evenly."""
STRIP_VALUES = 8_000_000
"""Values that are read at once."""
GROUPS = 10
"""Bands are averaged into so many groups for the separability."""


@dataclass(frozen=True)
class Sample:
    """Pixels of one polygon, and the spectra of at most MOST_PIXELS of them.

    Attributes
    ----------
    pixels : int64 array (n,)
        Row-major numbers of the pixels that have data.
    spectra : float32 array (bands, m)
    """

    pixels: np.ndarray
    spectra: np.ndarray

    @property
    def count(self) -> int:
        """How many pixels there are."""
        return len(self.pixels)


@dataclass(frozen=True)
class Counts:
    """Training pixels as the engine counts them: each once, where the scene has data.

    Attributes
    ----------
    polygons, pixels : dict
        By class.
    contested : int
        Pixels in polygons of two classes; the later polygon has them.
    empty : int
        Polygons without a pixel: outside the scene, or where it has no data.
    """

    polygons: dict[int, int] = field(default_factory=dict)
    pixels: dict[int, int] = field(default_factory=dict)
    contested: int = 0
    empty: int = 0


def counted(samples: Sequence[tuple[int, Sample]]) -> Counts:
    """Count the pixels of polygons (class, sample) in the order of the file."""
    polygons, empty = Counter(value for value, _ in samples), 0
    if not samples:
        return Counts()
    pixels = np.concatenate([sample.pixels for _, sample in samples])
    values = np.repeat([value for value, _ in samples], [s.count for _, s in samples])
    of_classes = np.unique(np.stack([pixels, values]), axis=1).shape[1]
    places, last = np.unique(pixels[::-1], return_index=True)
    found = Counter(values[::-1][last].tolist())
    empty = sum(not sample.count for _, sample in samples)
    return Counts(dict(polygons), dict(found), of_classes - len(places), empty)


@dataclass(frozen=True)
class ClassSpectrum:
    """Mean and standard deviation of a class, each float32 (bands,), and its pixels."""

    count: int
    mean: np.ndarray
    deviation: np.ndarray


class SpectraReader:
    """Reads one scene; not for several threads at once.

    Parameters
    ----------
    path : str
        The scene.
    used : sequence of int
        Bands that are read, from 1.
    nodata : sequence of float
        Values that mean no data in any band.
    fills : sequence of float
        Values that mean no data where a pixel has one of them in all bands.

    Raises
    ------
    OSError
        If the scene cannot be read.
    """

    def __init__(
        self,
        path: str,
        used: Sequence[int],
        nodata: Sequence[float] = (),
        fills: Sequence[float] = (),
    ) -> None:
        self._fills = list(fills)
        self._dataset = open_raster(path)
        self._used = list(used)
        self._transform = map_transform(self._dataset)
        self._inverse = gdal.InvGeoTransform(self._transform)
        bands = [self._dataset.GetRasterBand(band) for band in self._used]
        declared = bands[0].GetNoDataValue()
        self._nodata = [*nodata, *([] if declared is None else [declared])]
        self._scale = np.array([b.GetScale() or 1.0 for b in bands], np.float32)[:, None]
        self._offset = np.array([b.GetOffset() or 0.0 for b in bands], np.float32)[:, None]

    def pixel(self, x: float, y: float) -> np.ndarray | None:
        """Return the spectrum (bands,) at a place, or None where there is none."""
        col, row = (int(np.floor(v)) for v in gdal.ApplyGeoTransform(self._inverse, x, y))
        if not (0 <= col < self._dataset.RasterXSize and 0 <= row < self._dataset.RasterYSize):
            return None
        spectra, good = self._read(col, row, 1, 1)
        return spectra[:, 0] if good[0] else None

    def polygon(self, wkb: bytes) -> Sample:
        """Return the pixels whose centre lies in a polygon; of a tiny one, those it touches."""
        place = self._place(wkb)
        if place is None:
            return Sample(np.zeros(0, np.int64), np.zeros((len(self._used), 0), np.float32))
        return self._sample(*place)

    def covered(self, wkb: bytes) -> Sample:
        """Return the pixels of a polygon, with or without data; no spectra are read."""
        none = np.zeros((len(self._used), 0), np.float32)
        place = self._place(wkb)
        if place is None:
            return Sample(np.zeros(0, np.int64), none)
        mask, (col, row, _, _) = place
        lines, across = np.nonzero(mask)
        return Sample((row + lines) * self._dataset.RasterXSize + col + across, none)

    def _place(self, wkb: bytes) -> tuple[np.ndarray, tuple[int, int, int, int]] | None:
        """Return the pixels of a polygon in its window, or None if it is outside."""
        shape = ogr.CreateGeometryFromWkb(wkb)
        window = self._window(shape)
        if window is None:
            return None
        mask = self._mask(shape, window, touched=False)
        return (mask if mask.any() else self._mask(shape, window, touched=True)), window

    def _sample(self, mask: np.ndarray, window: tuple[int, int, int, int]) -> Sample:
        """Read the window in strips: a polygon may be as large as the scene."""
        col, row, width, height = window
        rows = max(1, STRIP_VALUES // (width * len(self._used)))
        pixels, parts = [], [np.zeros((len(self._used), 0), np.float32)]
        for top in range(0, height, rows):
            strip = mask[top : top + rows]
            if strip.any():
                spectra, good = self._read(col, row + top, width, len(strip))
                chosen = np.flatnonzero(strip.ravel() & good)
                lines, across = np.divmod(chosen, width)
                pixels.append((row + top + lines) * self._dataset.RasterXSize + col + across)
                parts.append(spectra[:, _evenly(chosen)])
        whole = np.concatenate(parts, axis=1)
        numbers = np.concatenate([np.zeros(0, np.int64), *pixels])
        return Sample(numbers, whole[:, _evenly(np.arange(whole.shape[1]))])

    def _window(self, shape: ogr.Geometry) -> tuple[int, int, int, int] | None:
        x0, x1, y0, y1 = shape.GetEnvelope()
        corners = [gdal.ApplyGeoTransform(self._inverse, x, y) for x in (x0, x1) for y in (y0, y1)]
        cols, rows = [c for c, _ in corners], [r for _, r in corners]
        left, top = max(0, int(np.floor(min(cols)))), max(0, int(np.floor(min(rows))))
        right = min(self._dataset.RasterXSize, int(np.ceil(max(cols))))
        bottom = min(self._dataset.RasterYSize, int(np.ceil(max(rows))))
        if right <= left or bottom <= top:
            return None
        return left, top, right - left, bottom - top

    def _mask(
        self, shape: ogr.Geometry, window: tuple[int, int, int, int], touched: bool
    ) -> np.ndarray:
        col, row, width, height = window
        memory = gdal.GetDriverByName("MEM").Create("", width, height, 1, gdal.GDT_Byte)
        origin = gdal.ApplyGeoTransform(self._transform, col, row)
        t = self._transform
        memory.SetGeoTransform((origin[0], t[1], t[2], origin[1], t[4], t[5]))
        plane = osr.SpatialReference()
        plane.SetLocalCS("scene")  # both are in the scene's coordinates
        memory.SetProjection(plane.ExportToWkt())
        source = ogr.GetDriverByName("Memory").CreateDataSource("")
        layer = source.CreateLayer("polygon", plane, ogr.wkbUnknown)
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetGeometry(shape)
        layer.CreateFeature(feature)
        options = ["ALL_TOUCHED=TRUE"] if touched else []
        gdal.RasterizeLayer(memory, [1], layer, burn_values=[1], options=options)
        return memory.GetRasterBand(1).ReadAsArray().astype(bool)

    def _read(self, col: int, row: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        cube = self._dataset.ReadAsArray(col, row, width, height, band_list=self._used)
        raw = cube.reshape(len(self._used), -1)
        good = np.isfinite(raw).all(axis=0)
        if self._nodata:
            good &= ~np.isin(raw, self._nodata).any(axis=0)
        if self._fills:
            good &= ~(np.isin(raw[0], self._fills) & (raw == raw[0]).all(axis=0))
        return raw.astype(np.float32) * self._scale + self._offset, good


def _evenly(indices: np.ndarray) -> np.ndarray:
    """Return all indices, or MOST_PIXELS of them at even distances."""
    if len(indices) <= MOST_PIXELS:
        return indices
    return indices[np.linspace(0, len(indices) - 1, MOST_PIXELS).astype(int)]


def open_raster(path: str) -> gdal.Dataset:
    """Open a raster by GDAL; raises OSError if it cannot be read."""
    dataset = gdal.Open(path)
    if dataset is None:
        raise OSError(tr("{} cannot be read.").format(path))
    return dataset


def map_transform(dataset: gdal.Dataset) -> tuple[float, ...]:
    """Return the geotransform of QGIS's map; without one, QGIS lets y fall from 0."""
    found = dataset.GetGeoTransform(can_return_null=True)
    return tuple(found) if found else (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def class_spectra(samples: Mapping[int, Sequence[Sample]]) -> dict[int, ClassSpectrum]:
    """Return the spectrum of each class that has pixels."""
    found = {}
    for value, parts in samples.items():
        count = sum(part.count for part in parts)
        if not count:
            continue
        spectra = np.concatenate([part.spectra for part in parts], axis=1)
        found[value] = ClassSpectrum(count, spectra.mean(axis=1), spectra.std(axis=1))
    return found


def separability(samples: Mapping[int, Sequence[Sample]]) -> dict[tuple[int, int], float]:
    """Return the Jeffries–Matusita distance of each pair of classes, 0 (alike) to 2 (apart).

    Normal distributions over GROUPS averaged groups of bands, the covariances shrunk towards
    the pooled one. Classes of fewer than 5 pixels are left out.
    """
    statistics = {}
    for value, parts in samples.items():
        spectra = np.concatenate([part.spectra for part in parts], axis=1) if parts else None
        if spectra is None or spectra.shape[1] < 5:
            continue
        groups = np.array_split(spectra.astype(np.float64), min(GROUPS, len(spectra)))
        features = np.stack([group.mean(axis=0) for group in groups])
        statistics[value] = (features.mean(axis=1), np.cov(features), features.shape[1])
    if len(statistics) < 2:
        return {}
    total = sum(n for _, _, n in statistics.values())
    pooled = sum(np.atleast_2d(cov) * n for _, cov, n in statistics.values()) / total
    pooled = pooled + np.eye(len(pooled)) * (np.trace(pooled) / len(pooled) * 1e-3 + 1e-12)
    shrunk = {}
    for value, (mean, cov, n) in statistics.items():
        weight = 10.0 / (10.0 + n)
        shrunk[value] = (mean, (1 - weight) * cov + weight * pooled)
    values = sorted(shrunk)
    return {
        (a, b): _jeffries_matusita(shrunk[a], shrunk[b])
        for i, a in enumerate(values)
        for b in values[i + 1 :]
    }


def _jeffries_matusita(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> float:
    mean = (a[1] + b[1]) / 2
    apart = a[0] - b[0]
    logs = [np.linalg.slogdet(matrix)[1] for matrix in (mean, a[1], b[1])]
    distance = apart @ np.linalg.solve(mean, apart) / 8 + (logs[0] - (logs[1] + logs[2]) / 2) / 2
    return float(2 * (1 - np.exp(-max(distance, 0.0))))
