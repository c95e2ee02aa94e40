"""Which bands of a scene carry something: judged from a bounded sample of its pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rasterio.windows import Window

from mtmsd.scene.formats.source import Source
from mtmsd.scene.mask import SceneMask

HUGE = 1e30
"""Values beyond this are fill values that nobody declared, such as -3.4e38."""
SAMPLE_BYTES = 32 * 2**20
"""Rasters up to this size are judged by all their pixels."""
SAMPLE_WINDOWS = 48
LONG_SEARCH = 8
"""How many times more windows are tried while those seen hold too little data."""
ENOUGH_PIXELS = 1024
"""With data in so many pixels, bands can be judged."""
FEWEST_PIXELS = 64
"""With fewer pixels, a band is not called constant."""
EMPTY_SHARE = 0.5
"""A band that lacks data at more than this share of the pixels with data is left out."""
PATCHY_SHARE = 0.01
"""Bands that lack data at more than this share are weighed against the pixels that they cost."""
FILLS = (-1, -99, -999, -9999, -99999, -32767, -32768)
"""Values that fill gaps although nobody declares them."""
BRIGHT_FILLS: dict[str, tuple[float, ...]] = {
    "uint8": (255,), "uint16": (65535,), "uint32": (65535, 2**32 - 1),
    "int16": (9999, 32767), "int32": (9999, 32767, 99999, 2**31 - 1),
    "float32": (9999, 65535, 99999, 1e20), "float64": (9999, 65535, 99999, 1e20),
}  # fmt: skip
"""The same at the other end of number formats."""
SPECTRUM = 8
"""In so many bands, 255 everywhere is no white of a photograph."""


@dataclass(frozen=True)
class Band:
    """A band of the file.

    ``index`` counts from 1; ``wavelength`` and ``fwhm`` are in nanometres, None where unknown;
    ``reason`` says why a band is not ``used``.
    """

    index: int
    wavelength: float | None
    fwhm: float | None
    used: bool
    reason: str = ""
    description: str = ""


@dataclass(frozen=True)
class Sample:
    """Pixels from fixed places of a scene.

    ``raw`` and ``ok`` have the shape (bands, pixels); ``ok`` is False where a band has no data.
    ``whole`` says that these are all of the scene's pixels; ``digest`` is a hash of ``raw``;
    ``fills`` are undeclared values that fill all bands of pixels, and the share of pixels.
    """

    raw: np.ndarray
    ok: np.ndarray
    whole: bool
    digest: str
    fills: tuple[tuple[float, float], ...] = ()


def draw_sample(source: Source, mask: SceneMask | None = None) -> Sample:
    """Read a fixed, bounded number of blocks, whatever the size of the scene.

    What a mask leaves out is not ``ok``; the digest does not depend on it.

    Notes
    -----
    Holds at most ``SAMPLE_BYTES`` of raw values plus one byte for each. A scene whose first
    windows hold little data is searched longer, still to a bound.
    """
    indexes = range(1, source.count + 1)
    whole = source.width * source.height * source.count * source.dtype.itemsize <= SAMPLE_BYTES
    digest = hashlib.sha256()
    raws: list[np.ndarray] = []
    oks: list[np.ndarray] = []
    zeros = zero_fills(source.nodata)
    found = kept = 0
    for number, window in enumerate(_windows(source, whole)):
        planned = whole or number < _planned(source) or found < ENOUGH_PIXELS
        if not planned and kept >= ENOUGH_PIXELS:
            break
        raw = source.read(indexes, window)
        if planned:
            digest.update(np.ascontiguousarray(raw).tobytes())
        outside = source.outside(indexes, window)
        ok = has_data(raw, source.nodata, outside, zeros=zeros)
        found += int(ok.any(axis=0).sum())
        if mask is not None:
            ok &= ~mask.covers(window.row_off, window.col_off, window.height, window.width)
        raws.append(raw.reshape(source.count, -1))
        oks.append(ok.reshape(source.count, -1))
        kept += int(ok.any(axis=0).sum())
    values, ok = np.concatenate(raws, 1), np.concatenate(oks, 1)
    fills = _fills_in(values, ok, source.nodata)
    return Sample(values, ok, whole, digest.hexdigest(), fills)


def zero_fills(nodata: Sequence[float | None]) -> bool:
    """Whether a pixel of zeros is the filling of a border: where no other value is declared."""
    return all(value is None for value in nodata)


def undeclared_gaps(sample: Sample, nodata: Sequence[float | None]) -> dict[float, float]:
    """Return values below all others that fill single bands, and their share of all values.

    Only in files that declare no nodata, and of values that are no data anywhere.
    """
    gaps: dict[float, float] = {}
    if not zero_fills(nodata) or sample.raw.dtype.kind == "u":
        return gaps
    for fill in (f for f in FILLS if f <= -999):
        here = (sample.raw == fill) & sample.ok
        if here.any():
            others = sample.raw[sample.ok & ~here]
            if not others.size or others.min() > fill / 2:
                gaps[float(fill)] = float(here.mean())
    return gaps


def has_data(
    raw: np.ndarray,
    nodata: Sequence[float | None],
    outside: np.ndarray | None,
    *,
    zeros: bool,
) -> np.ndarray:
    """Return where raw values are data, band by band.

    Parameters
    ----------
    raw : array, shape (bands, …)
        Values as the file has them, before scale and offset.
    nodata : sequence of float or None, one per band
    outside : bool array (…) or None
        Where mask bands say that there is no data.
    zeros : bool
        Whether a pixel that is 0 in all bands is the filling of a border, unless there is a mask.

    Returns
    -------
    bool array of the same shape: not nodata, finite, not huge, and not one of the usual fill
    values in all bands of a pixel.
    """
    if raw.dtype.kind == "f":
        with np.errstate(invalid="ignore", over="ignore"):
            ok = np.abs(raw) <= HUGE  # False for NaN too
    else:
        ok = np.ones(raw.shape, bool)
    declared = {value for value in nodata if value is not None and np.isfinite(value)}
    if len(declared) == 1 and None not in nodata:
        ok &= raw != _as_stored(declared.pop(), raw.dtype)
    elif declared:
        for i, value in enumerate(nodata):
            if value is not None and np.isfinite(value):
                ok[i] &= raw[i] != _as_stored(value, raw.dtype)
    if zeros and outside is None:
        ok &= raw.any(axis=0)
    fills = _usual_fills(raw.dtype, len(raw))
    suspect = np.isin(raw[0], fills)
    if suspect.any():
        ok &= ~(suspect & (raw == raw[0]).all(axis=0))
    if outside is not None:
        ok &= ~outside
    return ok


def _usual_fills(dtype: np.dtype, bands: int) -> list[float]:
    bright = [
        dtype.type(f) for f in BRIGHT_FILLS.get(dtype.name, ()) if f != 255 or bands >= SPECTRUM
    ]
    return bright if dtype.kind == "u" else [*FILLS, *bright]


def _fills_in(
    raw: np.ndarray, ok: np.ndarray, nodata: Sequence[float | None]
) -> tuple[tuple[float, float], ...]:
    """Return the undeclared values that fill all bands of pixels, and their shares."""
    empty = ~ok.any(axis=0)
    candidates = [*_usual_fills(raw.dtype, len(raw)), *([0] if zero_fills(nodata) else [])]
    shares = []
    for fill in (f for f in candidates if f not in nodata):
        here = empty & (raw[0] == fill)
        share = float((here & (raw == fill).all(axis=0)).mean()) if here.any() else 0.0
        if share:
            shares.append((float(fill), share))
    return tuple(shares)


def judge(sample: Sample, candidates: Sequence[int]) -> dict[int, str]:
    """Return the reasons to leave out bands among ``candidates`` (numbers from 1)."""
    rows = np.asarray(candidates, int) - 1
    ok = sample.ok[rows]
    full = ok.sum(axis=0, dtype=np.int32)
    if not full.size or full.max() == 0:
        return {}
    scene = full * 2 >= full.max()
    total = int(scene.sum())
    reasons, patchy = {}, {}
    for band, row, present in zip(candidates, rows, ok, strict=True):
        here = present & scene
        missing = 1 - here.sum() / total
        values = sample.raw[row][here]
        if not here.any():
            reasons[band] = "no data at all"
        elif missing > EMPTY_SHARE:
            reasons[band] = f"no data in {missing:.0%} of the pixels"
        elif values.size >= FEWEST_PIXELS and values.min() == values.max():
            reasons[band] = f"constant ({values[0]:g} everywhere)"
        else:
            patchy[band] = missing
    for band in _too_dear(sample.ok[:, scene], patchy):
        reasons[band] = f"lacks data in {patchy[band]:.0%} of the pixels"
    return reasons


def _too_dear(ok: np.ndarray, missing: dict[int, float]) -> list[int]:
    """Return the bands that cost more pixels than they are worth.

    The bands that lack most are left out as long as pixels × √bands with data throughout grows:
    neighbouring bands say much the same, pixels do not.
    """
    order = sorted(missing, key=lambda band: -missing[band])
    lost = np.zeros(ok.shape[1], bool)
    complete = np.zeros(len(order))
    for place in reversed(range(len(order))):
        lost |= ~ok[order[place] - 1]
        complete[place] = 1 - lost.mean()
    most = sum(share > PATCHY_SHARE for share in missing.values())
    size = complete * np.sqrt(np.arange(len(order), 0, -1))
    return order[: int(size[: max(1, min(most, len(order) - 2) + 1)].argmax())] if order else []


def _as_stored(value: float, dtype: np.dtype) -> float | np.generic:
    """Round a nodata value as the file's number format does (-3.40282347e38 in float32)."""
    if dtype.kind != "f":
        return value
    with np.errstate(over="ignore"):
        stored = dtype.type(value)
    return stored if np.isfinite(stored) else np.copysign(np.finfo(dtype).max, value)


def _planned(source: Source) -> int:
    """Return the number of windows: fewer where a block of all bands is large."""
    cost = max(1, source.block_bytes * source.count)
    return int(np.clip(4 * SAMPLE_BYTES // cost, 6, SAMPLE_WINDOWS))


def _windows(source: Source, whole: bool) -> Iterator[Window]:
    """Yield fixed windows, each in one block, spread evenly (the additive R2 sequence)."""
    rows, columns = source.block_shape
    if whole:
        step = max(rows, 256 // rows * rows)
        for row in range(0, source.height, step):
            yield Window(0, row, source.width, min(step, source.height - row))
        return
    height = min(rows, 16)
    width = min(columns, 256 // height)
    down, across = -(-source.height // rows), -(-source.width // columns)
    seen = set()
    for i in range(_planned(source) * LONG_SEARCH):
        block = (
            int((0.5 + i * 0.5698402910) % 1 * down),
            int((0.5 + i * 0.7548776662) % 1 * across),
        )
        if block in seen:
            continue
        seen.add(block)
        row = min(block[0] * rows + (rows - height) // 2, source.height - height)
        column = min(block[1] * columns + (columns - width) // 2, source.width - width)
        yield Window(max(column, 0), max(row, 0), width, height)
