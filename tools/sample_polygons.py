#!/usr/bin/env python3
"""Write the sample's polygons from its reference; run with the engine's Python.

Training polygons are as a person draws them: six compact ones a class, inside places of one
class, spread over the scene. Validation polygons are the reference's regions that lie more than
``AWAY`` pixels from all of them. Run ``tools/style_sample.py`` afterwards for colours and styles.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyogrio
import rasterio
from affine import Affine
from rasterio.features import shapes
from rasterio.transform import AffineTransformer
from scipy.ndimage import distance_transform_edt
from shapely.geometry import MultiPoint, shape
from shapely.geometry.base import BaseGeometry

SAMPLE = Path(__file__).resolve().parent.parent / "resources/sample"
POLYGONS = 6
"""Training polygons a class."""
SIDES = (5, 4, 3, 2)
"""Pixels of a polygon's sides, the largest first that fit."""
APART, AWAY = 8, 4
"""Pixels between training polygons of a class, and from them to validation."""


def main() -> None:
    """Draw both layers and say what they hold."""
    classes = json.loads((SAMPLE / "classes.json").read_text(encoding="utf-8"))
    with rasterio.open(SAMPLE / "landcover.tif") as dataset:
        reference, transform, crs = dataset.read(1), dataset.transform, dataset.crs
    rng = np.random.default_rng(0)
    training, taken = [], np.zeros(reference.shape, bool)
    for info in classes:
        for row, col, height, width in windows(reference == info["value"], rng):
            taken[row : row + height, col : col + width] = True
            training.append((outline(row, col, height, width, transform, rng), info))
    apart = distance_transform_edt(~taken) > AWAY
    names = {info["value"]: info for info in classes}
    regions = shapes(reference, mask=(reference > 0) & apart, transform=transform)
    validation = [(shape(geometry), names[value]) for geometry, value in regions]
    for name, polygons in (("training", training), ("validation", validation)):
        write(SAMPLE / f"{name}_polygons.gpkg", polygons, crs.to_wkt())
        sys.stdout.write(f"{name}: {len(polygons)} polygons\n")


def windows(there: np.ndarray, rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """Choose windows (row, col, height, width) inside a class, large ones first, far apart."""
    chosen: list[tuple[int, int, int, int]] = []
    sizes = sorted(((a, b) for a in SIDES for b in SIDES), key=lambda s: -s[0] * s[1])
    for height, width in sizes:
        sums = np.lib.stride_tricks.sliding_window_view(there, (height, width)).all((2, 3))
        places = rng.permutation(np.argwhere(sums))
        while len(chosen) < POLYGONS and len(places):
            middles = np.array([(r + h / 2, c + w / 2) for r, c, h, w in chosen])
            own = places + np.array([height / 2, width / 2])
            distance = np.full(len(places), np.inf)
            if len(middles):
                distance = np.linalg.norm(own[:, None] - middles, axis=2).min(1)
            best = int(distance.argmax())
            if distance[best] < APART:
                break
            chosen.append((*places[best].tolist(), height, width))
    return chosen


def outline(
    row: int, col: int, height: int, width: int, transform: Affine, rng: np.random.Generator
) -> BaseGeometry:
    """Draw around the middles of a window's pixels, as loosely as a hand does."""
    points = [(row + y, col + x) for y in (0.5, height - 0.5) for x in (0.5, width - 0.5)]
    rows, cols = np.array(points).T
    out = rng.uniform(0.05, 0.45, (2, len(points)))  # past the outermost middles, inside the window
    rows += out[0] * np.where(rows > row + height / 2, 1, -1)
    cols += out[1] * np.where(cols > col + width / 2, 1, -1)
    xs, ys = AffineTransformer(transform).xy(rows - 0.5, cols - 0.5)
    return MultiPoint(list(zip(xs, ys, strict=True))).convex_hull


def write(path: Path, polygons: list[tuple[BaseGeometry, dict]], crs: str) -> None:
    """Write a GeoPackage with class number, name and colour of each polygon."""
    path.unlink(missing_ok=True)
    fields = [np.array([info[key] for _, info in polygons]) for key in ("value", "name", "color")]
    pyogrio.raw.write(
        path,
        np.array([geometry.wkb for geometry, _ in polygons], dtype=object),
        [fields[0].astype("int64"), fields[1].astype(object), fields[2].astype(object)],
        ["class_id", "class_name", "color"],
        layer=path.stem, driver="GPKG", geometry_type="Polygon", crs=crs,
        dataset_options={"VERSION": "1.2"},  # which QGIS 3.22 knows

    )  # fmt: skip


if __name__ == "__main__":
    main()
