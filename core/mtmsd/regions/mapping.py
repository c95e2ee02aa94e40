"""Regions of a whole scene to files: a class map, and a polygon a region with its class shares."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from rasterio.features import shapes

from mtmsd.classes import ClassInfo
from mtmsd.postprocess.layers import LayerWriter, on_the_ground
from mtmsd.regions.learner import BlockReader
from mtmsd.regions.network import SupertokenNetwork
from mtmsd.reporting import Reporter
from mtmsd.scene.output import class_map
from mtmsd.scene.pixel_area import pixel_area


@torch.no_grad()
def write_regions(
    reader: BlockReader,
    network: SupertokenNetwork,
    classes: Sequence[ClassInfo],
    metadata: dict[str, Any],
    *,
    output: Path,
    raster: Path | None = None,
    reporter: Reporter,
) -> int:
    """Write every region of the scene, and return how many there are.

    Fields: ``region_id``, ``class_id``, ``class_name``, ``color``, ``pixels``, ``area_ha`` (empty
    where the size of a pixel is unknown), and ``share_N`` for each class value N, which sum to 1.

    Parameters
    ----------
    output : Path
        ``.gpkg``, ``.shp``, ``.geojson`` or ``.fgb``.
    raster : Path, optional
        The class map of the regions, GeoTIFF.

    Notes
    -----
    Holds a block. Regions do not cross blocks.
    """
    scene = reader.scene
    values = np.array([info.value for info in classes])
    area = pixel_area(cast(Any, scene))
    first, done = 1, 0
    with ExitStack() as files:
        layer = files.enter_context(LayerWriter.open(output, scene.crs, "MultiPolygon"))
        target = None
        if raster is not None:
            target = files.enter_context(class_map(raster, scene, classes, metadata))
        for row, col, height, width in scene.blocks(reader.side):
            block = reader.read(row, col)
            token = np.full(height * width, -1)
            if bool(block.valid.any()):
                tokens = network(block)
                token = tokens.token.numpy()
                shares = torch.softmax(tokens.scores, dim=1).numpy()
                best = shares.argmax(1)
                sizes = area.block(row, col, height, width) if area else None
                outlined = _outlines(token.reshape(height, width), row, col)
                there = np.array(sorted(outlined), np.int64)
                counts = np.bincount(token[token >= 0], minlength=len(shares))
                hectares = np.full(len(shares), np.nan)
                if sizes is not None:
                    inside = token >= 0
                    hectares = np.bincount(token[inside], sizes.ravel()[inside], len(shares))
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
                mapped = np.where(token >= 0, values[best[token]], 0)
            else:
                mapped = np.zeros(height * width, np.int64)
            if target is not None:
                target.write(mapped.reshape(height, width), row, col)
            done += height * width
            reporter.progress(done, scene.height * scene.width, "pixel")
            reporter.check_canceled()
        return layer.count


def _outlines(token: NDArray[np.int64], row: int, col: int) -> dict[int, shapely.Geometry]:
    """Outline each region, in pixels of the scene."""
    parts: dict[int, list[Any]] = {}
    for outline, number in shapes((token + 1).astype(np.int32), mask=token >= 0, connectivity=4):
        parts.setdefault(int(number) - 1, []).append(shapely.geometry.shape(outline))
    offset = np.array((col, row))
    return {
        number: shapely.transform(shapely.MultiPolygon(pieces), lambda points: points + offset)
        for number, pieces in parts.items()
    }
