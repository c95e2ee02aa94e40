"""Scenes made by rule, of any size, written block by block; and polygons on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyogrio
import rasterio
import shapely
from affine import Affine
from rasterio.windows import Window

CLASSES = 6
FIELD = 32
"""Side of a field, in pixels; the class changes from field to field."""
BLOCK = 256
GRID = Affine(10, 0, 400_000, 0, -10, 5_800_000)


def write_scene(path: Path, side: int, bands: int, seed: int = 0) -> Path:
    """Write a square int16 scene of fields with one spectrum a class, and noise."""
    rng = np.random.default_rng(seed)
    spectra = np.cumsum(rng.normal(0, 40, (CLASSES, bands)), axis=1) + 2500
    classes = field_classes(side, seed)
    profile = {
        "driver": "GTiff", "width": side, "height": side, "count": bands, "dtype": "int16",
        "crs": "EPSG:32633", "transform": GRID, "tiled": True, "blockxsize": BLOCK,
        "blockysize": BLOCK, "interleave": "pixel", "bigtiff": "if_safer",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        for row in range(0, side, BLOCK):
            for col in range(0, side, BLOCK):
                height, width = min(BLOCK, side - row), min(BLOCK, side - col)
                rows, cols = np.arange(row, row + height), np.arange(col, col + width)
                here = classes[np.ix_(rows // FIELD, cols // FIELD)]
                noise = rng.standard_normal((bands, height, width), dtype=np.float32) * 60
                values = np.moveaxis(spectra[here], -1, 0) + noise
                dataset.write(values.astype(np.int16), window=Window(col, row, width, height))
    return path


def field_classes(side: int, seed: int = 0) -> np.ndarray:
    """Class, from 0, of every field (rows, cols)."""
    fields = -(-side // FIELD)
    return np.random.default_rng(seed + 1).integers(0, CLASSES, (fields, fields))


def write_polygons(path: Path, side: int, *, fields: int, pixels: int, seed: int = 0) -> Path:
    """Write one square polygon in each of ``fields`` fields a class, of pixels² pixels."""
    classes = field_classes(side, seed)[: side // FIELD, : side // FIELD]
    shapes, values = [], []
    for value in range(CLASSES):
        for row, col in np.argwhere(classes == value)[:fields]:
            top, left = row * FIELD + 8, col * FIELD + 8
            corners = GRID * (left, top), GRID * (left + pixels, top + pixels)
            shapes.append(shapely.box(*corners[0], *corners[1]))
            values.append(value + 1)
    pyogrio.raw.write(
        path, shapely.to_wkb(np.array(shapes)), [np.array(values)], ["class_id"],
        geometry_type="Polygon", crs="EPSG:32633", driver="GPKG", layer="polygons",
    )  # fmt: skip
    return path
