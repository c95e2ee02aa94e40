"""ENVI images read byte by byte: for GDAL, each band of a BIP line costs the whole line again."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rasterio.windows import Window

from mtmsd.scene.formats.products import find_envi_header, read_envi_header
from mtmsd.scene.formats.source import GdalSource

NUMBER_FORMATS = {
    "1": "u1", "2": "i2", "3": "i4", "4": "f4", "5": "f8",
    "12": "u2", "13": "u4", "14": "i8", "15": "u8",
}  # fmt: skip
"""ENVI's data types; 6 and 9 are complex."""
WORTHWHILE = 0.25
"""All lines of a BIL row are read at once if more than this share of them is wanted."""


@dataclass(frozen=True)
class Layout:
    """Where the value of a band, row and column lies: distances in bytes."""

    offset: int
    dtype: np.dtype
    band: int
    row: int
    column: int


class EnviSource(GdalSource):
    """An uncompressed ENVI image: GDAL says what it is, its bytes are read here."""

    def __init__(self, path: Path, layout: Layout) -> None:
        super().__init__(str(path), path.name)
        self._layout = layout
        self._file = path.open("rb", buffering=0)
        self._file_lock = threading.Lock()

    def read(self, indexes: Sequence[int], window: Window) -> np.ndarray:
        """Return raw values, shape (len(indexes), h, w), of a window inside the grid."""
        bands = np.asarray(indexes) - 1
        out = np.empty((len(bands), window.height, window.width), self.dtype)
        by_pixel = self._layout.band == self._layout.dtype.itemsize
        with self._file_lock:
            for i in range(window.height):
                row = window.row_off + i
                if by_pixel:
                    values = self._piece(0, row, window.col_off, window.width * self.count)
                    out[:, i] = values.reshape(window.width, self.count)[:, bands].T
                else:
                    self._read_row(out[:, i], bands, row, window)
        return out

    def _read_row(self, out: np.ndarray, bands: np.ndarray, row: int, window: Window) -> None:
        """Read one row of a BSQ or BIL image into ``out``, shape (bands, w)."""
        together = self._layout.band == self.width * self._layout.dtype.itemsize
        if together and len(bands) * window.width > WORTHWHILE * self.count * self.width:
            lines = self._piece(0, row, 0, self.count * self.width)
            cols = slice(window.col_off, window.col_off + window.width)
            out[:] = lines.reshape(self.count, self.width)[bands, cols]
            return
        for i, band in enumerate(bands.tolist()):
            out[i] = self._piece(band, row, window.col_off, window.width)

    def _piece(self, band: int, row: int, column: int, count: int) -> np.ndarray:
        """Read ``count`` values that lie together in the file."""
        at = self._layout
        self._file.seek(at.offset + band * at.band + row * at.row + column * at.column)
        data = self._file.read(count * at.dtype.itemsize)
        if len(data) < count * at.dtype.itemsize:
            raise OSError("the file ends before its last line")
        return np.frombuffer(data, at.dtype)

    def close(self) -> None:
        """Close the file."""
        super().close()
        with self._file_lock:
            self._file.close()


def open_envi(path: Path) -> EnviSource | None:
    """Open an ENVI image of plain bytes; None if it is another format, or compressed."""
    header = find_envi_header(path)
    fields = read_envi_header(header) if header else {}
    layout = _layout(fields)
    if layout is None:
        return None
    source = EnviSource(path, layout)
    size = (source.width, source.height, source.count)
    same = size == tuple(int(fields[key]) for key in ("samples", "lines", "bands"))
    if source.driver == "ENVI" and same and source.dtype == layout.dtype:
        return source
    source.close()
    return None


def _layout(fields: dict[str, str]) -> Layout | None:
    """Read a header; None if it does not describe plain bytes."""
    try:
        samples, lines, bands = (int(fields[key]) for key in ("samples", "lines", "bands"))
        offset = int(fields.get("header_offset", "0"))
        order = ">" if fields.get("byte_order", "0") == "1" else "<"
        dtype = np.dtype(order + NUMBER_FORMATS[fields["data_type"]])
        interleave = fields["interleave"].lower()
    except (KeyError, ValueError):
        return None
    if fields.get("file_compression", "0") != "0":
        return None
    size = dtype.itemsize
    distances = {
        "bsq": (lines * samples * size, samples * size, size),
        "bil": (samples * size, bands * samples * size, size),
        "bip": (size, samples * bands * size, bands * size),
    }
    return Layout(offset, dtype, *distances[interleave]) if interleave in distances else None
