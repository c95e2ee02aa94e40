"""One class map of many: probabilities blended where maps overlap, written with overviews."""

from __future__ import annotations

import tempfile
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

from mtmsd.classes import ClassInfo, with_colors
from mtmsd.errors import InputError
from mtmsd.files.atomic import atomic_path, write_errors
from mtmsd.labels.label_raster import GRID_TOLERANCE, grid_text
from mtmsd.postprocess.next_labels import ProbabilityRaster
from mtmsd.reporting import Reporter
from mtmsd.scene import output
from mtmsd.scene.formats.source import CACHE_BYTES, GDAL_ERRORS
from mtmsd.scene.mask import Grid
from mtmsd.scene.transforms import at, chained

BLOCK = 512
"""Side of the blocks in which is read, blended and written: memory does not grow beyond them."""
FEATHER = 64
"""Pixels from a map's edge over which its weight grows: no seam where it begins."""
MOST_OPEN = 32
"""Files that are open together."""


@dataclass(frozen=True)
class Placed:
    """Where a map lies in the mosaic, in pixels."""

    path: str
    row: int
    col: int
    height: int
    width: int


@dataclass(frozen=True)
class Plan:
    """The mosaic's grid, its classes, and the maps in it."""

    grid: Grid
    classes: tuple[ClassInfo, ...]
    maps: tuple[Placed, ...]


def plan_mosaic(paths: Sequence[str], name: str) -> Plan:
    """Find the grid that holds all maps.

    Raises
    ------
    InputError
        If one cannot be read, has other classes or another grid; with both grids or lists.
    """
    placed: list[Placed] = []
    first: ProbabilityRaster | None = None
    for path in paths:
        with ProbabilityRaster(path) as raster:
            first = first or raster
            row, col = _offset(first, raster)
            if raster.classes != first.classes:
                raise InputError(
                    f"'{raster.name}' has the classes {_listed(raster)}, '{first.name}' "
                    f"{_listed(first)}; maps with other classes cannot be blended.",
                    hint="Make all of them with one classifier.",
                )
            placed.append(Placed(path, row, col, raster.height, raster.width))
    if first is None:
        raise InputError("There is no map for a mosaic.", hint="Give probabilities.")
    top, left = min(p.row for p in placed), min(p.col for p in placed)
    maps = tuple(Placed(p.path, p.row - top, p.col - left, p.height, p.width) for p in placed)
    height, width = max(p.row + p.height for p in maps), max(p.col + p.width for p in maps)
    transform = chained(first.transform, Affine.translation(left, top))
    grid = Grid(Path(name), Path(name).stem, width, height, transform, first.crs)
    named = {value: (text, first.colors.get(value)) for value, text in first.classes}
    return Plan(grid, tuple(with_colors(named, ())), maps)


def write_mosaic(
    paths: Sequence[str],
    path: Path,
    *,
    confidence: Path | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Blend maps by their probabilities and write the class map, a COG with overviews.

    Parameters
    ----------
    paths : sequence of str
        Probabilities, a band a class, as ``mtmsd classify --probabilities`` writes them. They
        lie on one grid, wherever on it.
    path, confidence : Path
        The class map, and the blended probability of its classes.

    Returns
    -------
    dict
        ``size`` (width, height), ``pixels`` of each class by name, ``overlap`` (pixels of
        several maps).

    Raises
    ------
    InputError
        See :func:`plan_mosaic`.
    """
    reporter = reporter or Reporter()
    plan = plan_mosaic(paths, str(path))
    values = np.array([c.value for c in plan.classes], np.uint16)
    counts, overlap, done = np.zeros(len(values), np.int64), 0, 0
    total = plan.grid.height * plan.grid.width
    metadata = {"mosaic": {"maps": [Path(p).name for p in paths], "feather": FEATHER}}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(_beside(path)))
        with ExitStack() as files:
            opened = _OpenFiles()
            files.callback(opened.close)
            made, sure = folder / "map.tif", folder / "confidence.tif"
            writer = files.enter_context(output.class_map(made, plan.grid, plan.classes, metadata))
            second = (
                files.enter_context(output.uncertainty(sure, plan.grid)) if confidence else None
            )
            for row, col, height, width in _blocks(plan.grid):
                blended, several = _blended(plan, opened, (row, col, height, width))
                best = blended.argmax(axis=0)
                there = np.isfinite(blended[0])
                writer.write(np.where(there, values[best], 0), row, col)
                if second:
                    second.write(np.take_along_axis(blended, best[None], 0)[0], row, col)
                counts += np.bincount(best[there], minlength=len(values))
                overlap += several
                done += height * width
                reporter.progress(done, total, "pixel")
        reporter.phase("overviews", "Writing the overviews")
        _as_cog(made, path, "mode")
        sidecar = Path(f"{path}.aux.xml")
        with atomic_path(sidecar) as part:
            part.write_bytes(made.with_name("map.tif.aux.xml").read_bytes())
        if confidence:
            _as_cog(sure, confidence, "average")
    pixels = {c.name: int(n) for c, n in zip(plan.classes, counts, strict=True)}
    return {"size": [plan.grid.width, plan.grid.height], "pixels": pixels, "overlap": overlap}


def _blended(
    plan: Plan, opened: _OpenFiles, block: tuple[int, int, int, int]
) -> tuple[np.ndarray, int]:
    """Return the weighted mean of the probabilities in a block, (K, h, w), and the overlap."""
    row, col, height, width = block
    sums = np.zeros((len(plan.classes), height, width), np.float32)
    weights, maps = np.zeros((height, width), np.float32), np.zeros((height, width), np.uint16)
    for each in plan.maps:
        top, left = max(row, each.row), max(col, each.col)
        bottom = min(row + height, each.row + each.height)
        right = min(col + width, each.col + each.width)
        if top >= bottom or left >= right:
            continue
        raster = opened.of(each.path)
        values, valid = raster.read(top - each.row, left - each.col, bottom - top, right - left)
        weight = _weight(each.height, top - each.row, bottom - each.row)[:, None] * _weight(
            each.width, left - each.col, right - each.col
        )
        weight = np.where(valid, weight, 0).astype(np.float32)
        inside = np.s_[top - row : bottom - row, left - col : right - col]
        sums[:, inside[0], inside[1]] += np.where(valid, values, 0) * weight
        weights[inside] += weight
        maps[inside] += valid
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weights > 0, sums / weights, np.nan), int((maps > 1).sum())


def _weight(size: int, first: int, last: int) -> np.ndarray:
    """Return how much the lines ``first`` to ``last`` of a map count: less near its edges."""
    lines = np.arange(first, last)
    return np.minimum(np.minimum(lines, size - 1 - lines) + 1, FEATHER) / FEATHER


def _offset(first: ProbabilityRaster, raster: ProbabilityRaster) -> tuple[int, int]:
    """Return row and column of a map on the grid of the first one."""
    there = chained(~first.transform, raster.transform)
    row, col = round(there.f), round(there.c)
    corners = [(0, 0), (raster.width, 0), (0, raster.height), (raster.width, raster.height)]
    far = max(
        max(abs(a - b) for a, b in zip(at(there, x, y), (x + col, y + row), strict=True))
        for x, y in corners
    )
    if far > GRID_TOLERANCE or raster.crs != first.crs:
        raise InputError(
            f"'{raster.name}' ({grid_text(raster)}) is not on the grid of '{first.name}' "
            f"({grid_text(first)}).",
            hint="Warp its probabilities to that grid (gdalwarp -tap -tr …), or map the scene "
            "after warping it.",
        )
    return row, col


def _listed(raster: ProbabilityRaster) -> str:
    return ", ".join(f"{value} {text}" for value, text in raster.classes)


def _blocks(grid: Grid) -> Iterator[tuple[int, int, int, int]]:
    for row in range(0, grid.height, BLOCK):
        for col in range(0, grid.width, BLOCK):
            yield row, col, min(BLOCK, grid.height - row), min(BLOCK, grid.width - col)


class _OpenFiles:
    """The maps that were read last, open; of many there is a bounded number."""

    def __init__(self) -> None:
        self._rasters: OrderedDict[str, ProbabilityRaster] = OrderedDict()

    def of(self, path: str) -> ProbabilityRaster:
        if path not in self._rasters:
            if len(self._rasters) >= MOST_OPEN:
                self._rasters.popitem(last=False)[1].dataset.close()
            self._rasters[path] = ProbabilityRaster(path)
        self._rasters.move_to_end(path)
        return self._rasters[path]

    def close(self) -> None:
        for raster in self._rasters.values():
            raster.dataset.close()


@contextmanager
def _beside(path: Path) -> Iterator[str]:
    """Give a folder on the disk of the output, for it is as large."""
    with write_errors(path), tempfile.TemporaryDirectory(dir=path.parent, prefix=".mtmsd-") as made:
        yield made


def _as_cog(source: Path, target: Path, resampling: str) -> None:
    """Copy a GeoTIFF to a COG, whose overviews are made by GDAL on the disk."""
    options = {
        "driver": "COG", "blocksize": BLOCK, "compress": "deflate", "bigtiff": "if_safer",
        "overview_resampling": resampling,
    }  # fmt: skip
    with (
        atomic_path(target, ending=".tif", families=GDAL_ERRORS) as part,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES, GDAL_PAM_ENABLED=False):
            rasterio.shutil.copy(source, part, **options)
