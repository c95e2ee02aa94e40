"""Cubes from MATLAB files and sensor products to GeoTIFFs that QGIS shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
from affine import Affine
from rasterio.io import DatasetWriter

from mtmsd.errors import InputError
from mtmsd.reporting import Reporter
from mtmsd.scene.formats.source import one_line
from mtmsd.scene.output import BLOCK, MapWriter, whole_file
from mtmsd.scene.raster import Scene

STRIP = 64
"""Rows copied at a time."""
NODATA = -9999.0


@dataclass(frozen=True)
class _Array:
    """A variable of a MATLAB file: rows × columns, or rows × columns × bands."""

    data: Any
    turned: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that MATLAB shows."""
        shape = tuple(self.data.shape)
        return shape[::-1] if self.turned else shape

    def strip(self, row: int, height: int) -> np.ndarray:
        """Return rows as (bands, height, columns)."""
        if self.turned:  # MATLAB 7.3 writes columns first, so HDF5 shows bands × columns × rows
            block = np.swapaxes(self.data[..., row : row + height], -1, -2)
            return block if block.ndim == 3 else block[None]
        block = self.data[row : row + height]
        return np.moveaxis(block, 2, 0) if block.ndim == 3 else block[None]


def import_mat(
    path: str | Path,
    variable: str | None,
    output: str | Path,
    *,
    wavelengths: Sequence[float] | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Write a cube, or a label image, of a ``.mat`` file as a GeoTIFF without georeference.

    Parameters
    ----------
    path : str or Path
        MATLAB 4 to 7.3.
    variable : str or None
        Its name; None takes the only cube, or else the only image.
    output : str or Path
        A three-dimensional variable becomes a scene, a two-dimensional one a label raster.
    wavelengths : sequence of float, optional
        Nanometres, one per band.

    Returns
    -------
    dict
        ``variable``, ``width``, ``height``, ``bands``, ``dtype``, ``output``.

    Raises
    ------
    InputError
        If there is no such variable, or it holds no numbers.

    Notes
    -----
    Files before 7.3 are compressed whole: the variable is read into memory.
    """
    path, output = Path(path), Path(output)
    reporter = reporter or Reporter()
    if not path.is_file():
        raise InputError(f"There is no file '{path}'.", hint="Check the path.")
    array, name = _read_mat(path, variable)
    height, width, *rest = array.shape
    bands = rest[0] if rest else 1
    dtype = _stored_dtype(array, path.name, name)
    if wavelengths is not None and len(wavelengths) != bands:
        raise InputError(
            f"There are {len(wavelengths)} wavelengths for the {bands} bands of '{name}'."
        )
    profile = {"width": width, "height": height, "count": bands, "dtype": dtype}
    if bands == 1:
        profile["nodata"] = 0
    with whole_file(output, _tiled(profile)) as dataset:
        _describe(dataset, wavelengths or (), ())
        target = MapWriter(dataset, output)
        for row in range(0, height, STRIP):
            strip = array.strip(row, STRIP)
            target.write(strip.astype(dtype), row, 0)
            reporter.progress(row + strip.shape[1], height, "rows")
    reporter.artifact("raster", output)
    return {**profile, "variable": name, "bands": bands, "dtype": str(dtype), "output": str(output)}


def import_scene(
    path: str | Path, output: str | Path, *, exclude: str = "", reporter: Reporter | None = None
) -> dict[str, Any]:
    """Copy the used bands of any scene into a GeoTIFF of float32, with scale and offset applied.

    For PRISMA and EMIT products, which QGIS does not show, and archives of other formats.

    Returns
    -------
    dict
        The summary of the scene that was read, and ``output``.

    Raises
    ------
    InputError
        As :meth:`Scene.open`.
    """
    output = Path(output)
    reporter = reporter or Reporter()
    with Scene.open(path, exclude=exclude) as scene:
        profile = {
            "width": scene.width, "height": scene.height, "count": len(scene.used),
            "dtype": "float32", "nodata": NODATA, "crs": scene.crs,
        }  # fmt: skip
        if scene.transform != Affine.identity():
            profile["transform"] = scene.transform
        with whole_file(output, _tiled(profile)) as dataset:
            target, done = MapWriter(dataset, output), 0
            used = [scene.bands[i - 1] for i in scene.used]
            _describe(dataset, scene.wavelengths.tolist(), [band.fwhm for band in used])
            for row, col, height, width in scene.blocks(BLOCK):
                values, valid = scene.read(row, col, height, width)
                values[:, ~valid] = NODATA
                target.write(values, row, col)
                done += height * width
                reporter.progress(done, scene.width * scene.height, "px")
        summary = scene.summary()
    reporter.artifact("raster", output)
    return {**summary, "output": str(output)}


def _tiled(profile: dict[str, Any]) -> dict[str, Any]:
    return {
        **profile, "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "interleave": "band",
        "compress": "deflate", "predictor": 3 if np.dtype(profile["dtype"]).kind == "f" else 2,
    }  # fmt: skip


def _describe(
    dataset: DatasetWriter, wavelengths: Sequence[float], widths: Sequence[float | None]
) -> None:
    for band, wavelength in enumerate(wavelengths, 1):
        if np.isfinite(wavelength):
            dataset.update_tags(band, wavelength=f"{wavelength:g}", wavelength_units="Nanometers")
            dataset.set_band_description(band, f"band {band} ({wavelength:g} Nanometers)")
    for band, width in enumerate(widths, 1):
        if width is not None:
            dataset.update_tags(band, fwhm=f"{width:g}")


def _read_mat(path: Path, variable: str | None) -> tuple[_Array, str]:
    """Find a variable in a MATLAB file of either kind."""
    if h5py.is_hdf5(path):
        file = h5py.File(path, "r")
        shapes = {
            key: item.shape[::-1] for key, item in file.items() if isinstance(item, h5py.Dataset)
        }
        name = _choose(shapes, variable, path.name)
        return _Array(file[name], turned=True), name
    try:
        shapes = {name: shape for name, shape, _ in scipy.io.whosmat(path)}
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise _damaged(path, error) from error
    name = _choose(shapes, variable, path.name)
    try:
        return _Array(scipy.io.loadmat(path, variable_names=[name])[name]), name
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"'{path.name}' cannot be read as a MATLAB file: {one_line(error)}",
        hint="Check that the file is complete.",
    )


def _choose(shapes: dict[str, tuple[int, ...]], variable: str | None, name: str) -> str:
    listing = ", ".join(f"{key} ({'×'.join(map(str, s))})" for key, s in shapes.items()) or "none"
    if variable is not None:
        if variable in shapes and len(shapes[variable]) in (2, 3):
            return variable
        raise InputError(
            f"'{name}' has no cube or image '{variable}'.", hint=f"Its variables are: {listing}."
        )
    for dimensions in (3, 2):
        found = [k for k, s in shapes.items() if len(s) == dimensions and min(s) > 1]
        if len(found) == 1:
            return found[0]
        if found:
            break
    raise InputError(
        f"It is not clear which variable of '{name}' is the cube.",
        hint=f"Name it; the variables are: {listing}.",
    )


def _stored_dtype(array: _Array, file: str, name: str) -> np.dtype:
    """Return the number format for the GeoTIFF: MATLAB's double for whole labels becomes small."""
    dtype = np.dtype(array.data.dtype)
    if dtype.kind not in "biuf":
        raise InputError(f"The variable '{name}' of '{file}' does not hold real numbers ({dtype}).")
    if len(array.shape) == 2:
        values = np.asarray(array.data)
        whole = dtype.kind != "f" or bool((values % 1 == 0).all())
        if whole and values.size and values.min() >= 0 and values.max() <= 65535:
            return np.dtype("uint8" if values.max() <= 255 else "uint16")
    return np.dtype("uint8") if dtype.kind == "b" else dtype.newbyteorder("=")
