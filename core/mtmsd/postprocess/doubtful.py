"""Training polygons that disagree with their class, as a layer to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from rasterio.crs import CRS
from rasterio.features import shapes

from mtmsd.labels.labels import Labels
from mtmsd.postprocess.layers import LayerWriter, on_the_ground


def write_doubtful(
    output: Path,
    doubtful: Sequence[Mapping[str, Any]],
    labels: Labels,
    transform: Affine,
    crs: CRS | None,
) -> int:
    """Write the labelled pixels of each doubtful polygon as a polygon.

    Fields: ``class_id``, ``class_name``, ``color`` (as labelled), ``map_name`` (the class that
    the map would give), ``share`` (of its pixels, 0 to 1), ``pixels``.

    Parameters
    ----------
    output : Path
        ``.gpkg``, ``.shp``, ``.geojson`` or ``.fgb``; without polygons the layer is empty.
    doubtful : sequence of mapping
        As from :func:`mtmsd.stack.findings.doubtful_polygons`.
    labels : Labels
        All labelled pixels of the scene, whose groups the polygons are.
    transform, crs
        The scene's.

    Returns
    -------
    int
        Number of polygons.

    Raises
    ------
    InputError
        If the output cannot be written.
    MachineError
        If the disk is full or fails.
    """
    classes = {info.name: info for info in labels.classes}
    own = [classes[polygon["class"]] for polygon in doubtful]
    outlines = [_outline(labels, polygon["polygon"], transform) for polygon in doubtful]
    with LayerWriter.open(output, crs, "MultiPolygon") as writer:
        writer.write(
            np.array(outlines, object),
            class_id=np.array([info.value for info in own], np.int32),
            class_name=np.array([info.name for info in own], object),
            color=np.array([info.color for info in own], object),
            map_name=np.array([polygon["said"] for polygon in doubtful], object),
            share=np.array([polygon["share"] for polygon in doubtful], np.float64),
            pixels=np.array([polygon["pixels"] for polygon in doubtful], np.int32),
        )
        return writer.count


def _outline(labels: Labels, group: int, transform: Affine) -> shapely.MultiPolygon:
    """Return the outline of a group's pixels in the coordinates of the layer."""
    own = labels.groups == group
    rows, cols = labels.rows[own], labels.cols[own]
    top, left = int(rows.min()), int(cols.min())
    pixels = np.zeros((int(rows.max()) - top + 1, int(cols.max()) - left + 1), np.uint8)
    pixels[rows - top, cols - left] = 1
    here = Affine.translation(left, top)
    parts = [
        shapely.geometry.shape(part) for part, _ in shapes(pixels, mask=pixels > 0, transform=here)
    ]
    outline: shapely.MultiPolygon = on_the_ground(shapely.MultiPolygon(parts), transform)
    return outline
