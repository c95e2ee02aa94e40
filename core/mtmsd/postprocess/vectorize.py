"""A class map as polygons, with class, area and mean confidence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio import DatasetReader
from rasterio.features import shapes
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.measure import label

from mtmsd.postprocess.layers import LayerWriter, on_the_ground
from mtmsd.reporting import Reporter
from mtmsd.scene.class_map import ClassMap, open_confidence, read_window
from mtmsd.scene.pixel_area import PixelArea, pixel_area

STRIP = 512
"""Rows that are turned into polygons at a time."""


@dataclass
class _Region:
    """A connected region, or the part of it that was seen so far; in pixel coordinates."""

    value: int
    pixels: int
    hectares: float
    confidence: float
    """Sum over pixels."""
    confident: int
    """Pixels with a confidence."""
    parts: list[shapely.Geometry] = field(default_factory=list)

    def join(self, other: _Region) -> None:
        self.pixels += other.pixels
        self.hectares += other.hectares
        self.confidence += other.confidence
        self.confident += other.confident
        self.parts += other.parts

    def geometry(self) -> shapely.Geometry:
        return self.parts[0] if len(self.parts) == 1 else shapely.union_all(self.parts)


def vectorise(
    map_path: str | Path,
    output: Path,
    *,
    confidence_path: str | Path | None = None,
    strip: int = STRIP,
    reporter: Reporter | None = None,
) -> int:
    """Write one polygon for each connected region of a class.

    Fields: ``class_id``, ``class_name``, ``color``, ``pixels``, ``area_ha`` (empty where the
    size of a pixel is unknown), ``confidence`` (mean; empty without a confidence raster).

    Parameters
    ----------
    output : Path
        ``.gpkg``, ``.shp``, ``.geojson`` or ``.fgb``.
    strip : int
        Rows in memory at a time.

    Returns
    -------
    int
        Number of polygons.

    Raises
    ------
    InputError
        If the rasters cannot be read or differ in size, or the output cannot be written.
    MachineError
        If the disk is full or fails.

    Notes
    -----
    Holds one strip and the regions that cross its lower edge.
    """
    reporter = reporter or Reporter()
    with ExitStack() as stack:
        source = stack.enter_context(ClassMap.open(map_path))
        confidence = None
        if confidence_path:
            confidence = stack.enter_context(open_confidence(confidence_path, source))
        writer = stack.enter_context(LayerWriter.open(output, source.crs, "Polygon"))
        known = {c.value: c for c in source.classes}
        area = pixel_area(source)
        if area is not None and area.note:
            reporter.warning(area.note)
        for regions, done in _closed_regions(source, confidence, area, strip):
            writer.write(
                on_the_ground(np.array([r.geometry() for r in regions], object), source.transform),
                class_id=np.array([r.value for r in regions], np.int32),
                class_name=_texts(known[r.value].name if r.value in known else "" for r in regions),
                color=_texts(known[r.value].color if r.value in known else "" for r in regions),
                pixels=np.array([r.pixels for r in regions], np.int64),
                area_ha=np.array([r.hectares if area else np.nan for r in regions]),
                confidence=np.array(
                    [r.confidence / r.confident if r.confident else np.nan for r in regions]
                ),
            )
            reporter.progress(done, source.height, "rows")
        return writer.count


def _closed_regions(
    source: ClassMap, confidence: DatasetReader | None, area: PixelArea | None, strip: int
) -> Iterator[tuple[list[_Region], int]]:
    """Yield the regions that end in each strip, and the rows done."""
    above = np.zeros(source.width, np.int64)  # 1 + position in `open_` along the last row
    open_: list[_Region] = []
    for top in range(0, source.height, strip):
        height = min(strip, source.height - top)
        values = source.values(top, 0, height, source.width)
        sure = None if confidence is None else read_window(confidence, top, 0, height, source.width)
        numbers = label(values, background=0, connectivity=1)
        sizes = area.block(top, 0, height, source.width) if area else None
        found = _regions(values, numbers, sizes, sure, top)
        closed, open_, above = _merge(open_, above, found, values, numbers)
        yield closed, top + height
    yield open_, source.height


def _regions(
    values: NDArray[np.int32],
    numbers: NDArray[np.int64],
    sizes: NDArray[np.float64] | None,
    sure: NDArray[np.float32] | None,
    top: int,
) -> list[_Region]:
    """Measure and outline the regions of a strip; region ``i`` has the number ``i + 1``."""
    flat, count = numbers.ravel(), int(numbers.max(initial=0)) + 1
    pixels = np.bincount(flat, minlength=count)
    value = np.zeros(count, np.int64)
    value[flat] = values.ravel()
    hectares: NDArray[Any] = np.zeros(count)
    if sizes is not None:
        hectares = np.bincount(flat, sizes.ravel(), count)
    total: NDArray[Any] = np.zeros(count)
    confident = np.zeros(count, np.int64)
    if sure is not None:
        known = np.isfinite(sure).ravel()
        total = np.bincount(flat[known], sure.ravel()[known], count)
        confident = np.bincount(flat[known], minlength=count)
    regions = [
        _Region(int(value[i]), int(pixels[i]), hectares[i], total[i], int(confident[i]))
        for i in range(1, count)
    ]
    outlines = shapes(numbers.astype(np.int32), mask=numbers > 0, connectivity=4)
    for outline, number in outlines:
        polygon = shapely.geometry.shape(outline)
        moved = shapely.transform(polygon, lambda points: points + np.array((0, top)))
        regions[int(number) - 1].parts.append(moved)
    return regions


def _merge(
    open_: list[_Region],
    above: NDArray[np.int64],
    found: list[_Region],
    values: NDArray[np.int32],
    numbers: NDArray[np.int64],
) -> tuple[list[_Region], list[_Region], NDArray[np.int64]]:
    """Join a strip's regions to those open from above.

    Returns
    -------
    closed, open_ : list of _Region
    above : int64, shape (width,)
        1 + position in ``open_`` of each pixel of the strip's last row; 0 for none.
    """
    pieces = [*open_, *found]
    upper = above - 1
    lower = numbers[0] + len(open_) - 1
    both = (above > 0) & (numbers[0] > 0)
    both[both] &= np.array([p.value for p in open_])[upper[both]] == values[0][both]
    size = len(pieces)
    links = coo_array((np.ones(both.sum()), (upper[both], lower[both])), shape=(size, size))
    _, group = connected_components(links, directed=False) if size else (0, np.zeros(0, int))
    merged: dict[int, _Region] = {}
    for piece, key in zip(pieces, group.tolist(), strict=True):
        if key in merged:
            merged[key].join(piece)
        else:
            merged[key] = piece
    last = numbers[-1]
    below = np.where(last > 0, group[np.maximum(last, 1) + len(open_) - 1], -1) if size else last
    going_on = {int(key): i for i, key in enumerate(np.unique(below[last > 0]))}
    still = [merged[key] for key in going_on]
    closed = [region for key, region in merged.items() if key not in going_on]
    place = np.array([going_on.get(int(key), -1) + 1 for key in below], np.int64)
    return closed, still, place


def _texts(words: Iterator[str]) -> NDArray[Any]:
    return np.array(list(words), object)
