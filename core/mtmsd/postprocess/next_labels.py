"""Where to label next: points in doubt that are spread over the map."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import cast

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window
from scipy.spatial import cKDTree

from mtmsd.errors import InputError
from mtmsd.labels.read import read_labels
from mtmsd.postprocess.layers import LayerWriter, placement
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene

CANDIDATES_PER_SPACING = 8
"""Candidate cells along the distance at which the points would lie if spread evenly."""


class ProbabilityRaster:
    """Class probabilities, a band a class, nodata NaN; as ``mtmsd classify`` writes them.

    It has the grid of a scene, so labels can be read onto it.

    Attributes
    ----------
    classes : tuple of (int, str)
        Value and name of each band's class.
    colors : dict
        Their colours by value, ``#rrggbb``, where the file has them.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = self.path.name
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                self.dataset = rasterio.open(path)
        except RasterioError as error:
            raise InputError(
                f"The probabilities {path} cannot be read as a raster.",
                hint="Choose the GeoTIFF that mtmsd classify wrote with --probabilities.",
            ) from error
        self.width, self.height = self.dataset.width, self.dataset.height
        self.transform: Affine = self.dataset.transform
        self.crs: CRS | None = self.dataset.crs
        if self.dataset.count < 2:
            self.dataset.close()
            raise InputError(
                f"{path} has one band; probabilities have one for each class.",
                hint="Choose the probabilities, not the map or its confidence.",
            )
        self.classes = tuple(
            (int(self.dataset.tags(band).get("class_value", band)), text or f"class {band}")
            for band, text in enumerate(self.dataset.descriptions, 1)
        )
        tags = (self.dataset.tags(band) for band in range(1, self.dataset.count + 1))
        self.colors = {
            value: tag["class_color"]
            for (value, _), tag in zip(self.classes, tags, strict=True)
            if "class_color" in tag
        }

    def __enter__(self) -> ProbabilityRaster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.dataset.close()

    def read(
        self, row: int, col: int, height: int, width: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read a window inside the raster: (K, h, w), and where it is valid (h, w)."""
        values = self.dataset.read(window=Window(col, row, width, height)).astype(np.float32)
        return values, np.isfinite(values).all(axis=0)


@dataclass(frozen=True)
class Candidates:
    """Pixels that could be labelled, each the most doubtful one of its surroundings."""

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    doubt: NDArray[np.float64]
    """1 less the margin between the two likeliest classes: 0 sure, 1 undecided."""
    bands: NDArray[np.int64]
    """The likeliest and the second class, from 0, shape (n, 2)."""
    shares: NDArray[np.float32]
    """Their probabilities, shape (n, 2)."""

    def subset(self, index: NDArray[np.int64]) -> Candidates:
        """Return some of the candidates, in the order of ``index``."""
        return Candidates(
            self.rows[index],
            self.cols[index],
            self.doubt[index],
            self.bands[index],
            self.shares[index],
        )


def rank_by_doubt_and_spread(
    doubt: ArrayLike,
    rows: ArrayLike,
    cols: ArrayLike,
    count: int,
    *,
    spacing: float,
    labelled: tuple[ArrayLike, ArrayLike] = ((), ()),
) -> NDArray[np.int64]:
    """Choose positions one by one: doubtful, and far from all that is labelled or chosen.

    Each step takes the largest doubt^¼ · (1 - exp(-(d/spacing)²)), with d the distance to the
    nearest labelled or chosen pixel. With few labels a model's doubt is a poor guide: in trials
    on Houston, Salinas and Potsdam (SVM and random forest, 5 to 20 labels a class, 12 to 20
    seeds each) the most doubtful pixels alone often gained less accuracy than random ones,
    spread alone mostly more, and this product always more.

    Parameters
    ----------
    doubt : array-like, shape (n,)
        0…1.
    rows, cols : array-like, shape (n,)
    count : int
        Points wanted; fewer come back if there are fewer candidates.
    spacing : float
        Pixels between neighbours if ``count`` points were spread evenly.
    labelled : (rows, cols)
        Pixels that have labels already.

    Returns
    -------
    int64, shape (m,)
        Positions, best first.
    """
    weight = np.asarray(doubt, np.float64) ** 0.25
    place = np.column_stack([np.asarray(rows, np.float64), np.asarray(cols, np.float64)])
    have = np.column_stack([np.asarray(axis, np.float64) for axis in labelled])
    distance = np.full(len(place), np.inf)
    if len(have) and len(place):
        distance = cKDTree(have).query(place)[0]
    chosen: list[int] = []
    for _ in range(min(count, len(place))):
        score = weight * -np.expm1(-((distance / spacing) ** 2))
        score[chosen] = -1
        best = int(score.argmax())
        chosen.append(best)
        distance = np.minimum(distance, np.hypot(*(place - place[best]).T))
    return np.array(chosen, np.int64)


def find_candidates(
    source: ProbabilityRaster, cell: int, reporter: Reporter
) -> tuple[Candidates, int]:
    """Find the most doubtful pixel of each square cell.

    Returns
    -------
    candidates : Candidates
    valid : int
        Pixels with probabilities.

    Notes
    -----
    Holds one row of cells and the candidates.
    """
    found: list[Candidates] = []
    valid_pixels = 0
    for top in range(0, source.height, cell):
        height = min(cell, source.height - top)
        values, valid = source.read(top, 0, height, source.width)
        valid_pixels += int(valid.sum())
        bands = np.argsort(-np.nan_to_num(values), axis=0, kind="stable")[:2]
        shares = np.take_along_axis(values, bands, axis=0)
        doubt = np.where(valid, 1 - (shares[0] - shares[1]), -1.0)
        best = []
        for left in range(0, source.width, cell):
            part = doubt[:, left : left + cell]
            row, col = np.unravel_index(int(part.argmax()), part.shape)
            if part[row, col] >= 0:
                best.append((int(row), int(col) + left))
        if best:
            r, c = np.array(best).T
            found.append(Candidates(r + top, c, doubt[r, c], bands[:, r, c].T, shares[:, r, c].T))
        reporter.progress(top + height, source.height, "rows")
    if not found:
        raise InputError(
            f"The probabilities '{source.name}' have no valid pixel.",
            hint="Classify the scene again.",
        )
    fields = ("rows", "cols", "doubt", "bands", "shares")
    joined = (np.concatenate([getattr(part, name) for part in found]) for name in fields)
    return Candidates(*joined), valid_pixels


def suggest(
    probabilities_path: str | Path,
    output: Path,
    count: int = 20,
    *,
    labels_path: str | Path | None = None,
    class_field: str | None = None,
    reporter: Reporter | None = None,
) -> int:
    """Write the points that are worth a label next, best first.

    Fields: ``rank`` (1 is best), ``doubt`` (0…1), ``class_1`` and ``class_2`` (names of the two
    classes in doubt), ``value_1``, ``value_2``, ``share_1``, ``share_2`` (their probabilities).

    Parameters
    ----------
    probabilities_path : path
        From ``mtmsd classify --probabilities``.
    output : Path
        A GeoPackage of points at pixel centres.
    count : int
        Points wanted.
    labels_path : path, optional
        Labels that exist already; points keep away from them.
    class_field : str, optional
        Their class field.

    Returns
    -------
    int
        Points written.

    Raises
    ------
    InputError
        If an input cannot be read, or ``count`` is below 1.
    """
    reporter = reporter or Reporter()
    if count < 1:
        raise InputError(f"The number of points cannot be {count}; give 1 or more.")
    with ProbabilityRaster(probabilities_path) as source:
        labelled: tuple[ArrayLike, ArrayLike] = ((), ())
        if labels_path:
            # A probability raster has what read_labels asks of a scene.
            grid = cast(Scene, source)
            labels = read_labels(labels_path, grid, class_field=class_field, minimum=0)
            labelled = (labels.rows, labels.cols)
        spacing = np.sqrt(source.width * source.height / count)
        cell = max(1, int(spacing / CANDIDATES_PER_SPACING))
        found, valid = find_candidates(source, cell, reporter)
        chosen = rank_by_doubt_and_spread(
            found.doubt,
            found.rows,
            found.cols,
            count,
            spacing=float(np.sqrt(valid / count)),
            labelled=labelled,
        )
        _write(output, source, found.subset(chosen))
    return len(chosen)


def _write(output: Path, source: ProbabilityRaster, points: Candidates) -> None:
    values = np.array([value for value, _ in source.classes], np.int32)
    names = np.array([name for _, name in source.classes], object)
    t, right, down = placement(source.transform), points.cols + 0.5, points.rows + 0.5
    x, y = t.a * right + t.b * down + t.c, t.d * right + t.e * down + t.f
    with LayerWriter.open(output, source.crs, "Point") as writer:
        writer.write(
            shapely.points(x, y),
            rank=np.arange(1, len(points.rows) + 1, dtype=np.int32),
            doubt=points.doubt.astype(np.float64),
            class_1=names[points.bands[:, 0]],
            class_2=names[points.bands[:, 1]],
            value_1=values[points.bands[:, 0]],
            value_2=values[points.bands[:, 1]],
            share_1=points.shares[:, 0].astype(np.float64),
            share_2=points.shares[:, 1].astype(np.float64),
        )
