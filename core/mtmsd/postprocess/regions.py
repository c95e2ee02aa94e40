"""Regions of a whole scene to files: a class map, and a polygon a region with its class shares."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import shapes

from mtmsd.classify.uncertainty import tempered
from mtmsd.postprocess.layers import LayerWriter, on_the_ground
from mtmsd.regions.classifier import RegionClassifier
from mtmsd.reporting import Reporter
from mtmsd.scene.output import class_map
from mtmsd.scene.pixel_area import pixel_area
from mtmsd.scene.raster import Scene


def write_regions(
    scene: Scene,
    classifier: RegionClassifier,
    metadata: dict[str, Any],
    *,
    output: Path,
    raster: Path | None = None,
    reporter: Reporter,
) -> dict[str, Any]:
    """Write every region of the scene.

    Fields: ``region_id``, ``class_id``, ``class_name``, ``color``, ``pixels``, ``area_ha`` (empty
    where the size of a pixel is unknown), and ``share_N`` for each class value N, which sum to 1.

    Parameters
    ----------
    metadata : dict
        What the class map says of how it was made.
    output : Path
        ``.gpkg``, ``.shp``, ``.geojson`` or ``.fgb``.
    raster : Path, optional
        The class map of the regions, GeoTIFF.

    Returns
    -------
    dict
        ``count`` of the regions; ``pixels`` of each class by name.

    Notes
    -----
    Holds a block. Regions do not cross blocks.
    """
    reader, classes = classifier.reader(scene), classifier.classes
    values = np.array([info.value for info in classes])
    area = pixel_area(cast(Any, scene))
    first, done, total = 1, 0, np.zeros(len(classes), np.int64)
    with ExitStack() as files:
        layer = files.enter_context(LayerWriter.open(output, scene.crs, "MultiPolygon"))
        target = None
        if raster is not None:
            target = files.enter_context(class_map(raster, scene, classes, metadata))
        for row, col, height, width in scene.blocks(reader.side):
            mapped = np.zeros((height, width), np.int64)
            made = classifier.regions(reader, row, col)
            if made is not None:
                region, shares = made
                shares = tempered(shares, classifier.temperature, 1)
                best, inside = shares.argmax(1), region >= 0
                outlined = _outlines(region, row, col)
                there = np.array(sorted(outlined), np.int64)
                counts = np.bincount(region[inside], minlength=len(shares))
                hectares = np.full(len(shares), np.nan)
                if area is not None:
                    sizes = area.block(row, col, height, width)
                    hectares = np.bincount(region[inside], sizes[inside], len(shares))
                layer.write(
                    on_the_ground(
                        np.array([outlined[number] for number in there.tolist()], object),
                        scene.transform,
                    ),
                    region_id=first + np.arange(len(there)),
                    class_id=values[best[there]].astype(np.int32),
                    class_name=np.array([classes[i].name for i in best[there]], object),
                    color=np.array([classes[i].color for i in best[there]], object),
                    pixels=counts[there].astype(np.int64),
                    area_ha=hectares[there],
                    **{f"share_{v}": shares[there, i] for i, v in enumerate(values.tolist())},
                )
                first += len(there)
                mapped[inside] = values[best[region[inside]]]
                total += np.bincount(best[region[inside]], minlength=len(classes))
            if target is not None:
                target.write(mapped, row, col)
            done += height * width
            reporter.progress(done, scene.height * scene.width, "pixel")
            reporter.check_canceled()
        pixels = {info.name: int(n) for info, n in zip(classes, total)}
        return {"count": layer.count, "pixels": pixels}


def _outlines(region: NDArray[np.int64], row: int, col: int) -> dict[int, shapely.Geometry]:
    """Outline each region, in pixels of the scene."""
    parts: dict[int, list[Any]] = {}
    for outline, number in shapes((region + 1).astype(np.int32), mask=region >= 0, connectivity=4):
        parts.setdefault(int(number) - 1, []).append(shapely.geometry.shape(outline))
    offset = np.array((col, row))
    return {
        number: shapely.transform(shapely.MultiPolygon(pieces), lambda points: points + offset)
        for number, pieces in parts.items()
    }
