"""ENVI images by their bytes: for GDAL, each band of a BIL or BIP line costs the whole line again.

The file is mapped into memory for each window anew, so that it is never held open, may be longer
than the memory, and a file that was cut is noticed before it is touched.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rasterio.windows import Window

from mtmsd.scene.band_lists import split_list
from mtmsd.scene.formats.envi_header import (
    find_envi_header,
    needs_plain_text,
    read_envi_header,
    read_text,
    with_header,
)
from mtmsd.scene.formats.source import GdalSource

NUMBER_FORMATS = {
    "1": "u1", "2": "i2", "3": "i4", "4": "f4", "5": "f8",
    "12": "u2", "13": "u4", "14": "i8", "15": "u8",
}  # fmt: skip
"""ENVI's data types; 6 and 9 are complex."""
AXES = {"bsq": "bls", "bil": "lbs", "bip": "lsb"}
"""Bands, lines and samples in the order of the file."""

SCATTERED = 4
"""In windows narrower than a line by this, the system is told not to read ahead."""


@dataclass(frozen=True)
class Layout:
    """How the values lie in the file: ``axes`` are bands, lines and samples in their order."""

    offset: int
    dtype: np.dtype
    axes: str
    shape: tuple[int, int, int]

    @property
    def end(self) -> int:
        """Bytes that the file has to have."""
        return self.offset + int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


class EnviSource(GdalSource):
    """An uncompressed ENVI image: GDAL says what it is, its bytes are read here."""

    def __init__(self, path: Path, layout: Layout, uri: str) -> None:
        super().__init__(uri, path.name)
        self._path, self._layout = path, layout

    def read(self, indexes: Sequence[int], window: Window) -> np.ndarray:
        """Return raw values, shape (len(indexes), h, w), of a window inside the grid."""
        whole = list(indexes) == list(range(1, self.count + 1))
        bands = slice(None) if whole else np.asarray(indexes) - 1
        place = {
            "b": slice(None),
            "l": slice(window.row_off, window.row_off + window.height),
            "s": slice(window.col_off, window.col_off + window.width),
        }
        axes = self._layout.axes
        try:
            values = np.memmap(
                self._path, self._layout.dtype, "r", self._layout.offset, self._layout.shape
            )
        except ValueError as error:
            raise OSError("the file ends before its last line") from error
        narrow = window.width * SCATTERED < self.width
        if narrow and hasattr(mmap, "MADV_RANDOM"):  # not on Windows
            values._mmap.madvise(mmap.MADV_RANDOM)  # type: ignore[attr-defined]
        block = values[tuple(place[axis] for axis in axes)]
        out = np.empty((len(indexes), window.height, window.width), self.dtype)
        if axes == "lsb":  # line by line: a block turned at once misses the cache
            for line in range(window.height):
                out[:, line] = block[line].T[bands]
        else:
            out[:] = block.transpose([axes.index(axis) for axis in "bls"])[bands]
        return out


def open_envi(path: Path) -> GdalSource | None:
    """Open an ENVI image; None if it is another format, or not plain bytes in a plain header."""
    header = find_envi_header(path)
    fields = read_envi_header(header) if header else {}
    if header is None or not fields:
        return None
    layout = _layout(fields)
    plain = not needs_plain_text(header)
    if layout is None and plain:
        return None
    folder, uri = (None, path) if plain else with_header(path, read_text(header))
    source: GdalSource
    try:
        source = EnviSource(path, layout, str(uri)) if layout else GdalSource(str(uri), path.name)
    except BaseException:
        if folder:
            folder.cleanup()
        raise
    if folder:
        source.keep(folder)
    if source.driver != "ENVI" or (layout and not _agrees(source, layout, path)):
        source.close()
        return None
    source.notes += _remarks(fields, layout, path, source.count)
    return source


def _agrees(source: GdalSource, layout: Layout, path: Path) -> bool:
    """Whether GDAL reads the same file: its size, number format, and values at some places."""
    shape = dict(zip(layout.axes, layout.shape, strict=True))
    if (source.count, source.height, source.width) != tuple(shape[axis] for axis in "bls"):
        return False
    if source.dtype != layout.dtype.newbyteorder("="):
        return False
    if path.stat().st_size < layout.end:
        return True  # the first read says that it is cut
    for part in (0, 0.5, 1):
        row, col = (int(part * (n - 1)) for n in (source.height, source.width))
        for band in {1, source.count}:
            window = Window(col, row, 1, 1)
            ours, theirs = source.read([band], window), GdalSource.read(source, [band], window)
            if not np.array_equal(ours, theirs, equal_nan=source.dtype.kind == "f"):
                return False
    return True


def _remarks(
    fields: dict[str, str], layout: Layout | None, path: Path, count: int
) -> tuple[str, ...]:
    """Say where the header contradicts itself or the file."""
    notes = []
    if layout and path.stat().st_size > layout.end:
        more = path.stat().st_size - layout.end
        notes.append(
            f"'{path.name}' is {more:,} bytes longer than its header says "
            f"({'×'.join(map(str, layout.shape))} values); check samples, lines and bands."
        )
    for key in ("data_gain_values", "data_offset_values"):
        given = len(split_list(fields[key], count)) if key in fields else count
        if given != count:
            notes.append(
                f"The header lists {given} {key.replace('_', ' ')} for {count} bands; check them."
            )
    return tuple(notes)


def _layout(fields: dict[str, str]) -> Layout | None:
    """Read a header; None if it does not describe plain bytes, one value behind the other."""
    try:
        sizes = {key[0]: int(fields[key]) for key in ("samples", "lines", "bands")}
        offset = int(fields.get("header_offset", "0"))
        order = {"0": "<", "1": ">"}[fields.get("byte_order", "0")]
        dtype = np.dtype(order + NUMBER_FORMATS[fields["data_type"]])
        axes = AXES[fields["interleave"].lower()]
    except (KeyError, ValueError):
        return None
    frames = split_list(fields.get("major_frame_offsets", "0"), 2)
    frames += split_list(fields.get("minor_frame_offsets", "0"), 2)
    if fields.get("file_compression", "0") != "0" or set(frames) - {"0"}:
        return None
    return Layout(offset, dtype, axes, (sizes[axes[0]], sizes[axes[1]], sizes[axes[2]]))
