"""Labels from vector layers: polygons (points and lines too) with a class field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import shapely
from affine import Affine
from rasterio.crs import CRS
from rasterio.features import rasterize
from rasterio.warp import transform as transform_coordinates

from mtmsd.classes import ClassInfo
from mtmsd.errors import InputError
from mtmsd.labels.class_fields import Legend, read_legend
from mtmsd.labels.foreign import is_foreign, read_foreign
from mtmsd.labels.labels import Labels, Overlap
from mtmsd.labels.layer import Layer, read_layer
from mtmsd.scene.formats.source import GDAL_ERRORS
from mtmsd.scene.mask import Grid
from mtmsd.scene.raster import Scene

CHUNK = 2048
"""Side of the windows in which a large polygon is rasterised."""
NAMED = 5
"""How many features a warning names."""


def read_polygons(
    path: str,
    scene: Scene,
    class_field: str | None,
    layer: str | None,
    known: Sequence[ClassInfo],
    overlap: Overlap,
) -> Labels:
    """Rasterise the features of a vector layer; see :func:`mtmsd.labels.read.read_labels`."""
    file = path.split("|")[0]
    if is_foreign(file):
        content = read_foreign(file, scene, class_field)
    else:
        content = read_layer(path, layer)
    field = class_field or content.class_field
    legend = read_legend(content.name, content.fields, field, known)
    warnings = [*content.warnings, *legend.warnings]
    geometries, repaired = repair(content)
    if repaired:
        warnings.append(
            f"{_features(repaired)} of '{content.name}' {_was(len(repaired))} "
            "invalid (such as crossing itself) and repaired."
        )
    warnings += _shapeless(content)
    pixels, note = to_pixels(geometries, content, scene)
    warnings += [*note, *_check_inside(pixels, content, scene)]
    rows, cols, features, parts = _rasterise(pixels, legend.values, scene)
    values = legend.values[features]
    if not len(values):
        raise InputError(
            f"No feature of '{content.name}' with a class touches a pixel of '{scene.name}'.",
            hint="Draw polygons inside the scene and give each a class.",
        )
    keep, conflicts = _last_of_each_pixel(rows, cols, values, features, scene.width)
    if conflicts:
        sentence = _describe(conflicts, legend, content)
        if overlap == "refuse":
            raise InputError(sentence, hint="Mend the polygons, or let the later one count.")
        warnings.append(f"{sentence[:-1]}; the later polygon counts.")
    return Labels(
        rows[keep].astype(np.int32),
        cols[keep].astype(np.int32),
        values[keep].astype(np.uint16),
        parts[keep].astype(np.int32),
        legend.classes,
        tuple(warnings),
        legend.field,
        legend.numbered,
    )


def repair(content: Layer) -> tuple[np.ndarray, list[int]]:
    """Mend invalid geometries; return them and the numbers of the mended features."""
    geometries = content.geometries.copy()
    invalid = ~shapely.is_missing(geometries) & ~shapely.is_valid(geometries)
    geometries[invalid] = shapely.make_valid(geometries[invalid])
    return geometries, content.fids[invalid].tolist()


def _shapeless(content: Layer) -> list[str]:
    """Say which features have no geometry, or an empty one."""
    empty = shapely.is_missing(content.geometries) | shapely.is_empty(content.geometries)
    if not empty.any() or empty.all():  # of all, the refusal tells
        return []
    return [
        f"{_features(content.fids[empty].tolist())} of '{content.name}' without a shape "
        f"{_was(empty.sum())} left out."
    ]


def to_pixels(
    geometries: np.ndarray, content: Layer, scene: Scene | Grid
) -> tuple[np.ndarray, list[str]]:
    """Return geometries in pixel coordinates: x = column, y = row, corners at whole numbers."""
    if content.in_pixels:
        return geometries, []
    notes = []
    if scene.crs is not None and content.crs is None:
        notes.append(f"'{content.name}' has no coordinate system; taken as that of '{scene.name}'.")
    if scene.crs and content.crs and scene.crs != content.crs:
        _check_related(content, scene)
        geometries, lost = _reproject(geometries, content.crs, scene.crs)
        if lost.all():
            raise InputError(
                f"No feature of '{content.name}' can be brought from its coordinate system, "
                f"{_crs_name(content.crs)}, to that of '{scene.name}', {_crs_name(scene.crs)}.",
                hint="Check the coordinate systems of both.",
            )
        if lost.any():
            notes.append(
                f"{_features(content.fids[lost].tolist())} of '{content.name}' cannot be placed in "
                f"the coordinate system of '{scene.name}' and {_was(lost.sum())} left out."
            )
    grid = scene.transform
    if grid == Affine.identity() and _below_zero(geometries, scene.height):
        grid = Affine(1, 0, 0, 0, -1, 0)  # as QGIS places a raster without georeference
    inverse = ~grid

    def convert(points: np.ndarray) -> np.ndarray:
        x, y = points[:, 0], points[:, 1]
        return np.column_stack(
            (inverse.a * x + inverse.b * y + inverse.c, inverse.d * x + inverse.e * y + inverse.f)
        )

    return shapely.transform(geometries, convert), notes


def _check_related(content: Layer, scene: Scene | Grid) -> None:
    """Refuse two coordinate systems of which one is local, on no place of the Earth."""
    for crs in (scene.crs, content.crs):
        if crs is not None and crs.to_wkt().startswith(("LOCAL_CS", "ENGCRS", "ENGINEERINGCRS")):
            name = crs.to_wkt().split('"')[1]
            raise InputError(
                f"'{scene.name}' and '{content.name}' cannot be brought together: "
                f"{'the scene' if crs is scene.crs else 'the layer'} is not georeferenced (it has "
                f"the local coordinate system '{name}'), the other is in "
                f"{_crs_name(content.crs if crs is scene.crs else scene.crs)}.",
                hint="If the polygons were drawn on the scene, save them without a coordinate "
                "system; else georeference the scene.",
            )


def _crs_name(crs: CRS | None) -> str:
    return crs.to_string()[:80] if crs else "no coordinate system"


def _reproject(geometries: np.ndarray, source: CRS, target: CRS) -> tuple[np.ndarray, np.ndarray]:
    """Change the coordinate system; return the geometries and which of them have no place in it.

    Long edges get more vertices, so that they may bend.
    """
    bounds = shapely.bounds(geometries)
    span = np.fmax(bounds[:, 2] - bounds[:, 0], bounds[:, 3] - bounds[:, 1])
    longest = np.where(np.isfinite(span) & (span > 0), span / 16, 1.0)
    dense = shapely.segmentize(geometries, longest)

    def convert(points: np.ndarray) -> np.ndarray:
        if not len(points):
            return points
        return np.column_stack(transform_coordinates(source, target, points[:, 0], points[:, 1]))

    lost = np.zeros(len(dense), bool)
    try:
        return shapely.transform(dense, convert), lost
    except GDAL_ERRORS:  # one bad coordinate spoils all: find it
        for i in range(len(dense)):
            try:
                dense[i] = shapely.transform(dense[i], convert)
            except GDAL_ERRORS:
                dense[i], lost[i] = None, True
    return dense, lost


def _below_zero(geometries: np.ndarray, height: int) -> bool:
    """Whether geometries lie in -height…0, where QGIS draws, rather than in 0…height."""
    middle = shapely.get_y(shapely.centroid(geometries))
    return bool(
        ((middle < 0) & (middle > -height)).sum() > ((middle > 0) & (middle < height)).sum()
    )


def _check_inside(pixels: np.ndarray, content: Layer, scene: Scene) -> list[str]:
    """Refuse features that all lie elsewhere; say how many of them do."""
    bounds = shapely.bounds(pixels)
    placed = bounds[np.isfinite(bounds).all(axis=1)]
    hint = "Draw them on the scene, or check the coordinate systems of both."
    if not len(placed):
        raise InputError(
            f"The features of '{content.name}' have no shape that can be placed on '{scene.name}'.",
            hint=hint,
        )
    left, top, right, bottom = placed.T
    inside = (right > 0) & (bottom > 0) & (left < scene.width) & (top < scene.height)
    if not inside.any():
        raise InputError(
            f"All {len(pixels)} features of '{content.name}' lie outside '{scene.name}'.",
            hint=hint,
        )
    if inside.all():
        return []
    return [f"{(~inside).sum()} of {len(pixels)} features of '{content.name}' lie outside "
            f"'{scene.name}'."]  # fmt: skip


def _rasterise(
    pixels: np.ndarray, values: np.ndarray, scene: Scene
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, columns, features and parts of the pixels whose centre a feature covers.

    A feature that covers no centre takes the pixels that it touches. The parts of a
    multipolygon are numbered through all features: they may lie far apart.
    """
    found: list[tuple[np.ndarray, np.ndarray, int, int]] = []
    number = 0
    for feature in np.flatnonzero(values):
        parts = list(shapely.get_parts(pixels[feature]))
        before = len(found)
        for touched in (False, True):
            for i, part in enumerate(parts):
                for r, c in _burn(part, scene, all_touched=touched or part.area == 0):
                    if len(r):
                        found.append((r, c, int(feature), number + i))
            if len(found) > before:
                break
        number += len(parts)
    if not found:
        return (np.empty(0, np.int64),) * 4
    sizes = [len(r) for r, *_ in found]
    rows, cols, features, numbers = zip(*found, strict=True)
    return (
        np.concatenate(rows),
        np.concatenate(cols),
        np.repeat(features, sizes),
        np.repeat(numbers, sizes),
    )


def _burn(
    geometry: shapely.Geometry, scene: Scene, *, all_touched: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows and columns of a geometry's pixels, window by window."""
    left, top, right, bottom = geometry.bounds
    if not np.isfinite((left, top, right, bottom)).all():
        return
    first_row, last_row = max(int(np.floor(top)), 0), min(int(np.floor(bottom)) + 1, scene.height)
    first_col, last_col = max(int(np.floor(left)), 0), min(int(np.floor(right)) + 1, scene.width)
    for row in range(first_row, last_row, CHUNK):
        for col in range(first_col, last_col, CHUNK):
            shape = (min(CHUNK, last_row - row), min(CHUNK, last_col - col))
            burned = rasterize(
                [geometry],
                out_shape=shape,
                transform=Affine.translation(col, row),
                all_touched=all_touched,
                dtype="uint8",
            )
            r, c = np.nonzero(burned)
            yield r.astype(np.int64) + row, c.astype(np.int64) + col


def _last_of_each_pixel(
    rows: np.ndarray, cols: np.ndarray, values: np.ndarray, features: np.ndarray, width: int
) -> tuple[np.ndarray, Counter[tuple[int, int]]]:
    """Keep the last feature of each pixel; count the pixels in features of two classes."""
    place = rows * width + cols
    order = np.argsort(place, kind="stable")
    same = place[order][1:] == place[order][:-1]
    before, after = order[:-1][same], order[1:][same]
    differ = values[before] != values[after]
    conflicts = Counter(
        zip(features[before[differ]].tolist(), features[after[differ]].tolist(), strict=True)
    )
    last = np.ones(len(order), bool)
    last[:-1] = ~same
    return np.sort(order[last]), conflicts


def _describe(conflicts: Counter[tuple[int, int]], legend: Legend, content: Layer) -> str:
    names = {info.value: info.name for info in legend.classes}
    parts = [
        f"features {content.fids[a]} ('{names[int(legend.values[a])]}') and "
        f"{content.fids[b]} ('{names[int(legend.values[b])]}')"
        for (a, b), _ in conflicts.most_common(NAMED)
    ]
    more = f" and {len(conflicts) - NAMED} other pairs" if len(conflicts) > NAMED else ""
    total = sum(conflicts.values())
    return f"{total} pixels of '{content.name}' lie in two classes: {', '.join(parts)}{more}."


def _features(fids: list[int]) -> str:
    more = f" and {len(fids) - NAMED} more" if len(fids) > NAMED else ""
    word = "Feature" if len(fids) == 1 else "Features"
    return f"{word} {', '.join(map(str, fids[:NAMED]))}{more}"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"
