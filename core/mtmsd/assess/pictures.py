"""The report's pictures as data URIs: rasters as PNG, plots as SVG.

Figures are made and drawn as objects; pyplot and its global state are not used.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.image import imsave
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import maximum_filter

from mtmsd.classes import ClassInfo

LONGEST_SIDE = 800
"""Pixels of a map picture; a larger map is thinned."""

FEWEST_IN_BIN = 10
"""Pixels from which a bin of the reliability plot gets a point."""

TRAIN_COLOR, TEST_COLOR = "#0072b2", "#d55e00"
FOLD_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
_LAND, _OUTSIDE = "#dddddd", "#ffffff"
_INK = "#333333"


def map_picture(values: NDArray, classes: Iterable[ClassInfo]) -> str:
    """Draw a class map in its colours.

    Parameters
    ----------
    values : int, shape (h, w)
        Class values; 0 and values without class are transparent.
    """
    picture = np.zeros((*values.shape, 4))
    for info in classes:
        picture[values == info.value] = to_rgba(info.color)
    return _png(picture)


def split_picture(
    inside: NDArray[np.bool_],
    layers: Sequence[tuple[tuple[ArrayLike, ArrayLike], str]],
    step: float = 1.0,
) -> str:
    """Draw where training and reference pixels lie.

    Parameters
    ----------
    inside : bool, shape (h, w)
        The mapped area, thinned by ``step``.
    layers : sequence of ((rows, cols), colour)
        Pixels of the map's own grid; the first are drawn below.
    step : float
        Map pixels per picture pixel.
    """
    picture = np.where(inside[..., None], to_rgba(_LAND), to_rgba(_OUTSIDE))
    dot = max(1, round(max(inside.shape) / 250))  # so that one pixel can be seen
    for pixels, color in layers:
        marked = np.zeros(inside.shape, bool)
        rows, cols = (np.asarray(np.asarray(axis) / step, np.int64) for axis in pixels)
        height, width = inside.shape
        seen = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
        marked[rows[seen], cols[seen]] = True
        picture[maximum_filter(marked, dot)] = to_rgba(color)
    return _png(picture)


def spectra_plot(
    wavelengths: NDArray[np.float64],
    spectra: NDArray[np.float32],
    values: NDArray[np.uint16],
    classes: Sequence[ClassInfo],
) -> str:
    """Plot mean and quartiles of the spectra of each class, one small plot a class.

    Parameters
    ----------
    wavelengths : float64, shape (bands,)
        Nanometres; where one is unknown, band numbers are used.
    spectra : float32, shape (n, bands)
    values : uint16, shape (n,)
    """
    present = [c for c in classes if (values == c.value).any()]
    known = bool(np.isfinite(wavelengths).all())
    x = wavelengths if known else np.arange(1.0, len(wavelengths) + 1)
    order = np.argsort(x, kind="stable")
    # A gap in the spectrum (water bands left out) is not bridged by a line.
    x, breaks = x[order], _gaps(x[order])
    columns = 3
    lines = -(-len(present) // columns)
    figure = Figure(figsize=(9, 0.5 + 1.9 * lines), layout="constrained")
    plots = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes in plots.flat[len(present) :]:
        axes.set_visible(False)
    for info, axes in zip(present, plots.flat, strict=False):
        part = spectra[values == info.value][:, order]
        low, middle, high = np.percentile(part, [25, 50, 75], axis=0)
        for piece in np.split(np.arange(len(x)), breaks):
            axes.fill_between(x[piece], low[piece], high[piece], color=info.color, alpha=0.3, lw=0)
            axes.plot(x[piece], middle[piece], color=info.color, lw=1.4)
        axes.set_title(f"{info.name} ({len(part):,} px)", fontsize=9, color=_INK)
        _plain(axes)
    # A few noisy bands at the edge of an absorption would flatten all the rest.
    plots.flat[0].set_ylim(*_span(spectra))
    figure.supxlabel("wavelength, nm" if known else "band", fontsize=9, color=_INK)
    return _svg(figure)


def reliability_plot(calibration: Mapping[str, Any]) -> str:
    """Plot accuracy over stated confidence, with the share of pixels in each bin.

    Parameters
    ----------
    calibration : mapping
        :class:`~mtmsd.assess.calibration.Reliability` as JSON; ``None`` in empty bins.
    """
    figure = Figure(figsize=(4.2, 4.2), layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    axes.plot([0, 1], [0, 1], color="#999999", lw=1, ls="--")
    count, edges = np.asarray(calibration["count"]), np.asarray(calibration["edges"])
    told = count >= min(FEWEST_IN_BIN, count.max())
    stated, right = (
        np.array(calibration[name], np.float64)[told] for name in ("confidence", "accuracy")
    )
    axes.plot(stated, right, "o-", color=TRAIN_COLOR, lw=1.4, ms=4)
    axes.set(ylim=(0, 1), ylabel="share that is right")
    below.bar(edges[:-1], count / count.sum(), np.diff(edges), align="edge", color="#bbbbbb")
    below.set(xlim=(0, 1), xlabel="stated confidence", ylabel="pixels")
    for part in (axes, below):
        _plain(part)
    return _svg(figure)


def learning_curve_plot(points: Sequence[dict[str, Any]]) -> str:
    """Plot overall accuracy over the number of labelled pixels.

    Parameters
    ----------
    points : sequence of dict
        Each with ``labels`` (pixels) and ``overall`` (0…1), optionally ``interval``.
    """
    figure = Figure(figsize=(5.5, 3.2), layout="constrained")
    axes = figure.subplots()
    x = [p["labels"] for p in points]
    if all(p.get("interval") for p in points):
        low, high = zip(*(p["interval"] for p in points), strict=True)
        axes.fill_between(x, low, high, color=TRAIN_COLOR, alpha=0.2, lw=0)
    axes.plot(x, [p["overall"] for p in points], "o-", color=TRAIN_COLOR, lw=1.4, ms=4)
    axes.set(xlabel="labelled pixels", ylabel="overall accuracy")
    _plain(axes)
    return _svg(figure)


def weights_plot(weights: Mapping[str, Any]) -> str:
    """Draw what the model looks at: the fusion's weight by timestep and stage, and their sums.

    Parameters
    ----------
    weights : mapping
        ``timesteps`` and ``stages`` (lists), ``values`` (a row per timestep).
    """
    values = np.asarray(weights["values"], np.float64)
    rows, columns = weights["timesteps"], weights["stages"]
    size = (2.6 + 0.62 * len(columns), 1.6 + 0.3 * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    (above, corner), (axes, right) = figure.subplots(
        2, 2, width_ratios=(len(columns), 1.6), height_ratios=(2.2, len(rows))
    )
    corner.set_axis_off()
    axes.imshow(values, cmap="Blues", aspect="auto", vmin=0, vmax=2.5 * values.max())
    for row, col in np.ndindex(values.shape):
        text = f"{100 * values[row, col]:.1f}"
        axes.text(col, row, text, ha="center", va="center", fontsize=8, color=_INK)
    axes.set_xticks(range(len(columns)), [str(c) for c in columns])
    axes.set_yticks(range(len(rows)), [str(r) for r in rows])
    axes.set(xlabel="stage (decoder block)", ylabel="timestep")
    above.bar(range(len(columns)), values.sum(0), color=TRAIN_COLOR)
    above.set(xlim=(-0.5, len(columns) - 0.5), xticks=[], yticks=[])
    right.barh(range(len(rows)), values.sum(1), color=TRAIN_COLOR)
    right.set(ylim=(len(rows) - 0.5, -0.5), xticks=[], yticks=[])
    for part in (above, axes, right):
        _plain(part)
        part.grid(visible=False)
    for part, sums, horizontal in ((above, values.sum(0), False), (right, values.sum(1), True)):
        part.spines[:].set_visible(False)
        for place, share in enumerate(sums):
            at = (share, place) if horizontal else (place, share)
            align = {"va": "center"} if horizontal else {"ha": "center", "va": "bottom"}
            part.text(*at, f" {100 * share:.0f}", fontsize=8, color=_INK, clip_on=False, **align)
    return _svg(figure)


def _gaps(x: NDArray[np.float64]) -> NDArray[np.int64]:
    steps = np.diff(x)
    if not len(steps):
        return np.zeros(0, np.int64)
    return np.flatnonzero(steps > 6 * np.median(steps)) + 1


def _span(spectra: NDArray[np.float32]) -> tuple[float, float]:
    """Range of the values but for the highest and lowest hundredth, with a margin."""
    low, high = np.percentile(spectra, [1, 99])
    margin = 0.08 * (high - low) or 1.0
    return float(low - margin), float(high + margin)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#999999")
    axes.tick_params(labelsize=8, colors=_INK, length=2)
    axes.xaxis.label.set(size=9, color=_INK)
    axes.yaxis.label.set(size=9, color=_INK)
    axes.grid(color="#eeeeee", lw=0.6)
    axes.set_axisbelow(True)


def _png(rgba: NDArray[np.float64]) -> str:
    buffer = BytesIO()
    imsave(buffer, (rgba * 255).round().astype(np.uint8), format="png")
    return _uri("image/png", buffer.getvalue())


def _svg(figure: Figure) -> str:
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return _uri("image/svg+xml", buffer.getvalue())


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
