"""A scene: a raster read in windows, with its bad bands left out and its nodata known."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.windows import Window

from mtmsd.errors import InputError
from mtmsd.scene.bands import HUGE, Band, Sample, draw_sample, has_data, zero_fills
from mtmsd.scene.choice import Choice, choose, close_gaps, left_out, wavelengths_of
from mtmsd.scene.formats.remote import is_remote
from mtmsd.scene.formats.source import GDAL_ERRORS, Source, one_line
from mtmsd.scene.locate import open_source
from mtmsd.scene.mask import Grid, MaskChoice, SceneMask

__all__ = ["Band", "Scene"]


class Scene:
    """A raster with several bands, open for reading; a context manager.

    Use :meth:`open`. Pixels come in windows, so that memory does not grow with the scene.

    Attributes
    ----------
    path, name : Path, str
        The file, and its name without suffix.
    address : str
        What opens it again: its path, or where it is on a server.
    width, height : int
        Pixels.
    transform, crs : Affine, CRS or None
        As in the file, to the last bit.
    bands : tuple of Band
        All bands of the file.
    used : tuple of int
        Bands that :meth:`read` returns, from 1.
    wavelengths : float64 array (len(used),)
        Nanometres; NaN where unknown.
    warnings : tuple of str
        Sentences that the user should read.
    """

    def __init__(
        self,
        source: Source,
        path: Path,
        sample: Sample,
        choice: Choice,
        mask: SceneMask | None = None,
    ) -> None:
        self._source = source
        self._mask = mask
        self._sample = sample
        self._choice = choice
        self._stamp = _stamp(path)
        self.path = path
        self.name = Path(path.name.removesuffix(".gz")).stem or path.name
        self.address = str(path)
        self.width, self.height = source.width, source.height
        self.transform: Affine = source.transform
        self.crs: CRS | None = source.crs
        self.warnings: tuple[str, ...] = ()

    @classmethod
    def open(
        cls, path: str | Path, *, exclude: str = "", masks: Sequence[MaskChoice] = ()
    ) -> Scene:
        """Open a raster.

        Parameters
        ----------
        path : str or Path
            A file or a name that GDAL understands (``NETCDF:"file.nc":variable``).
        exclude : str
            Bands to leave out beside the bad ones that are found: ``"1-5,130-135"``,
            ``"1340-1460nm"``, ``"water"``.
        masks : sequence of MaskChoice
            What they cover is left out, as if it had no data.

        Raises
        ------
        InputError
            If it is not a raster, has one band, holds complex numbers, has no valid pixel, or
            lies on no grid; if a mask does not fit it, or leaves no pixel.
        """
        source, file = open_source(os.fspath(path))
        mask = None
        try:
            if source.count < 2:
                raise InputError(
                    f"'{file.name}' has one band; a scene needs several.",
                    hint="Choose the multi- or hyperspectral raster itself.",
                )
            grid = Grid(file, file.stem, source.width, source.height, source.transform, source.crs)
            mask = SceneMask.open(masks, grid)
            sample = _guarded(file, lambda: draw_sample(source, mask))
            if mask and sample.whole and not sample.ok.any():
                raise InputError(
                    f"No pixel of '{file.name}' is left: those with data are all left out by "
                    "masks.",
                    hint="Choose another mask, or none.",
                )
            sample, nodata, notes = close_gaps(source, sample)
            choice, warnings = choose(source, sample, nodata, exclude, file.name)
            scene = cls(source, file, sample, choice, mask)
        except BaseException:
            source.close()
            if mask:
                mask.close()
            raise
        masked = mask.notes if mask else ()
        scene.warnings = (*warnings, *notes, *left_out(sample, choice), *masked)
        if is_remote(os.fspath(path)):
            scene.address = os.fspath(path)
        return scene

    @property
    def bands(self) -> tuple[Band, ...]:
        """All bands of the file, with the reasons why some are left out."""
        return self._choice.bands

    @property
    def used(self) -> tuple[int, ...]:
        """Numbers, from 1, of the bands that are read."""
        return self._choice.used

    @property
    def wavelengths(self) -> np.ndarray:
        """Wavelengths of the used bands in nanometres; NaN where unknown."""
        return self._choice.wavelengths

    def with_bands(
        self,
        read: Sequence[int],
        *,
        wavelengths: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        warning: str = "",
    ) -> Scene:
        """Return the same open file with other bands, bad ones too if they are asked for.

        Closing either closes both. Most callers want
        :func:`mtmsd.scene.resample.match_bands`.

        Parameters
        ----------
        read : sequence of int
            Bands to read, from 1.
        wavelengths, weights : arrays (B,) and (B, len(read)), optional
            Make B bands at these wavelengths as weighted sums of those that are read.
        """
        read = tuple(read)
        bands = tuple(
            replace(b, used=True, reason="")
            if b.index in read
            else replace(b, used=False, reason=b.reason or "not in the model")
            for b in self.bands
        )
        used = read if weights is None else tuple(read[i] for i in weights.argmax(axis=1))
        if wavelengths is None:
            wavelengths = wavelengths_of(bands, used)
        choice = Choice(bands, used, wavelengths, read, self._choice.nodata, weights)
        scene = Scene(self._source, self.path, self._sample, choice, self._mask)
        scene.address = self.address
        scene.warnings = (*self.warnings, *filter(None, (warning,)))
        return scene

    def mean_spectrum(self) -> np.ndarray:
        """Return the mean of the used bands over a fixed sample, float64 (len(used),).

        NaN if the sample holds no valid pixel.
        """
        rows = [i - 1 for i in self._choice.read]
        ok = self._sample.ok[rows].all(axis=0)
        if not ok.any():
            return np.full(len(self.used), np.nan)
        means = self._sample.raw[rows][:, ok].mean(axis=1, dtype=np.float64)
        means = means * [self._source.scales[i] for i in rows]
        means = means + [self._source.offsets[i] for i in rows]
        return means if self._choice.weights is None else self._choice.weights @ means

    def __enter__(self) -> Scene:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, and its masks."""
        self._source.close()
        if self._mask:
            self._mask.close()

    def read(self, row: int, col: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Read a window, which may reach outside the scene.

        Returns
        -------
        values : float32 array (len(used), height, width)
            With the file's scale and offset applied; 0 at invalid pixels.
        valid : bool array (height, width)
            False outside the scene, where any used band has no data, and where a mask says so.

        Raises
        ------
        InputError
            If the file is damaged, or has been replaced since it was opened.

        Notes
        -----
        Holds the window twice: as in the file, and as float32. Threads may call it together.
        """
        values = np.zeros((len(self.used), height, width), np.float32)
        valid = np.zeros((height, width), bool)
        top, left = max(row, 0), max(col, 0)
        bottom, right = min(row + height, self.height), min(col + width, self.width)
        if top < bottom and left < right:
            inside = np.s_[top - row : bottom - row, left - col : right - col]
            window = Window(left, top, right - left, bottom - top)
            values[:, inside[0], inside[1]], valid[inside] = self._read_inside(window)
        return values, valid

    def _read_inside(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        source, indexes = self._source, self._choice.read
        self._check_unchanged()
        raw = _guarded(self.path, lambda: source.read(indexes, window))
        outside = _guarded(self.path, lambda: source.outside(indexes, window))
        nodata = [self._choice.nodata[i - 1] for i in indexes]
        zeros = zero_fills(source.nodata)
        valid = np.logical_and.reduce(has_data(raw, nodata, outside, zeros=zeros), axis=0)
        with np.errstate(over="ignore", invalid="ignore"):
            values = raw.astype(np.float32)
            scales = np.array([source.scales[i - 1] for i in indexes], np.float32)
            offsets = np.array([source.offsets[i - 1] for i in indexes], np.float32)
            if (scales != 1).any() or (offsets != 0).any():
                values *= scales[:, None, None]
                values += offsets[:, None, None]
                valid &= (np.abs(values) <= HUGE).all(axis=0)
        if self._mask:
            valid &= ~self._mask.covers(window.row_off, window.col_off, window.height, window.width)
        np.copyto(values, 0, where=~valid)
        if self._choice.weights is not None:
            values = np.tensordot(self._choice.weights, values, axes=1)
        return values, valid

    @property
    def areas(self) -> tuple[tuple[int, int, int, int], ...]:
        """Windows (row, col, height, width) that hold all pixels: of a scene, one."""
        return ((0, 0, self.height, self.width),)

    def blocks(self, size: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield (row, col, height, width) of blocks that cover the scene, row by row."""
        for row in range(0, self.height, size):
            for col in range(0, self.width, size):
                yield row, col, min(size, self.height - row), min(size, self.width - col)

    def fingerprint(self) -> dict[str, Any]:
        """Return what tells this scene from others, wherever its file lies; JSON-able.

        ``pixels`` is a hash over a fixed sample of raw values, ``header`` one over grid, bands
        and number format; ``mask``, if there is one, over the pixels that it leaves out.
        """
        header = {
            "size": [self.width, self.height],
            "transform": list(self.transform)[:6],
            "crs": self.crs.to_wkt() if self.crs else None,
            "nodata": [None if n is None else repr(n) for n in self._source.nodata],
            "wavelengths": [band.wavelength for band in self.bands],
        }
        return {
            "width": self.width,
            "height": self.height,
            "bands": len(self.bands),
            "dtype": str(self._source.dtype),
            "header": hashlib.sha256(json.dumps(header).encode()).hexdigest(),
            "pixels": self._sample.digest,
            **({"mask": self._mask.digest} if self._mask else {}),
        }

    def origin(self) -> dict[str, Any]:
        """Return what a model file says of where it is from; JSON-able."""
        return {"scene": {"name": self.name, "fingerprint": self.fingerprint()}}

    def summary(self) -> dict[str, Any]:
        """Return what ``mtmsd info`` shows; JSON-able.

        ``nodata_share`` is the share of pixels without data in a used band or left out by a mask
        (``masked`` of them, where the scene has one), exact if
        ``nodata_exact``, else estimated from a fixed sample. ``nodata_values`` mean no data in
        any band, ``fill_values`` in all bands of a pixel.
        """
        known = [band.wavelength for band in self.bands if band.used and band.wavelength]
        ok = self._sample.ok[[i - 1 for i in self._choice.read]]
        a, b, _, d, e, _ = list(self.transform)[:6]
        nodata = (self._choice.nodata[i - 1] for i in self._choice.read)
        return {
            "path": self.address,
            "name": self.name,
            "driver": self._source.driver,
            "dtype": str(self._source.dtype),
            "width": self.width,
            "height": self.height,
            "bands": len(self.bands),
            "used": len(self.used),
            "left_out": [
                {"band": band.index, "wavelength": band.wavelength, "reason": band.reason}
                for band in self.bands
                if not band.used
            ],
            "wavelength_range": [min(known), max(known)] if known else None,
            "nodata_share": round(float(1 - ok.all(axis=0).mean()), 6),
            "nodata_exact": self._sample.whole,
            **({"masked": self._mask.pixels} if self._mask else {}),
            "nodata_values": sorted({float(n) for n in nodata if n is not None}),
            "fill_values": sorted(value for value, _ in self._sample.fills),
            "crs": _crs_name(self.crs),
            "georeferenced": self.transform != Affine.identity(),
            "pixel_size": [float(np.hypot(a, d)), float(np.hypot(b, e))],
            "transform": list(self.transform)[:6],
            "warnings": list(self.warnings),
        }

    def _check_unchanged(self) -> None:
        if _stamp(self.path) != self._stamp:
            raise InputError(
                f"'{self.path.name}' was replaced, changed or removed while it was read.",
                hint="Start again when the file is complete.",
            )


def _crs_name(crs: CRS | None) -> str | None:
    if crs is None:
        return None
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else crs.to_wkt()


def _stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of change of a file; None for what is no file."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns


def _guarded(path: Path, read: Any) -> Any:
    """Call ``read``; a damaged file becomes one sentence."""
    try:
        return read()
    except (*GDAL_ERRORS, OSError) as error:
        raise InputError(
            f"'{path.name}' cannot be read to its end: {one_line(error)}",
            hint="The file is damaged or not complete; copy or download it again.",
        ) from error
