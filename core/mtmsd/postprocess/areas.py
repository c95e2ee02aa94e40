"""Training areas of another program as polygons in a layer that QGIS reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import shapely

from mtmsd.errors import InputError
from mtmsd.labels.foreign import read_foreign
from mtmsd.postprocess.layers import LayerWriter, on_the_ground
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene


def write_areas(path: str, scene: Scene, output: Path, reporter: Reporter) -> dict[str, Any]:
    """Write the polygons with all their fields, in their own coordinate system.

    Returns
    -------
    dict
        ``polygons`` (the output), ``count``, and ``class_field``, the field of the class, None
        where the file does not tell.

    Raises
    ------
    InputError
        If the file cannot be read, has no polygons, or does not fit the scene.
    """
    layer = read_foreign(path, scene, class_field="")  # is chosen by who reads the output
    for sentence in layer.warnings:
        reporter.warning(sentence)
    shapes = layer.geometries
    area = shapely.get_dimensions(shapes) == 2
    if not area.any():
        raise InputError(
            f"'{layer.name}' has points or lines, and no polygons.",
            hint="Train with the file itself (mtmsd map SCENE FILE), or draw polygons.",
        )
    if not area.all():
        reporter.warning(
            f"{(~area).sum()} areas of '{layer.name}' without a polygon (points, lines) were left "
            "out."
        )
    shapes = np.array([shapely.multipolygons(shapely.get_parts(s)) for s in shapes[area]], object)
    crs = layer.crs
    if layer.in_pixels:
        shapes, crs = on_the_ground(shapes, scene.transform), scene.crs
    fields = {name: column[area] for name, column in layer.fields.items() if name != "fid"}
    with LayerWriter.open(output, crs, "MultiPolygon") as writer:
        writer.write(shapes, **fields)
    return {"polygons": output, "count": int(area.sum()), "class_field": layer.class_field}
