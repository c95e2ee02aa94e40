"""Cubes from MATLAB files and sensor products to GeoTIFFs that QGIS shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from rasterio.io import DatasetWriter

from mtmsd.errors import InputError
from mtmsd.reporting import Reporter
from mtmsd.scene.formats.mat import read_mat, stored_dtype, with_bands_by
from mtmsd.scene.output import BLOCK, MapWriter, whole_file
from mtmsd.scene.raster import Scene
from mtmsd.scene.units import in_nanometres

STRIP = 64
"""Rows copied at a time."""
NODATA = -9999.0


def import_mat(
    path: str | Path,
    variable: str | None,
    output: str | Path,
    *,
    wavelengths: Sequence[float] | None = None,
    units: str | None = "nm",
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
        One per band. The axis that is as long has the bands.
    units : str or None
        Of the wavelengths; None has them told by their values.

    Returns
    -------
    dict
        ``variable``, ``width``, ``height``, ``bands``, ``dtype``, ``output``, ``warnings``.

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
    array, name, lists = read_mat(path, variable)
    given = None if wavelengths is None else len(wavelengths)
    array, taken, own = with_bands_by(array, name, given, lists)
    height, width, bands = array.size
    dtype = stored_dtype(array, path.name, name)
    if given not in (None, bands):
        raise InputError(f"There are {given} wavelengths for the {bands} bands of '{name}'.")
    centres, remarks = _checked(wavelengths, units, own)
    notes = [*filter(None, (taken,)), *remarks]
    for sentence in notes:
        reporter.warning(sentence)
    profile = {"width": width, "height": height, "count": bands, "dtype": dtype}
    if bands == 1:
        profile["nodata"] = 0
    with whole_file(output, _tiled(profile)) as dataset:
        _describe(dataset, centres, ())
        target = MapWriter(dataset, output)
        for row in range(0, height, STRIP):
            strip = array.strip(row, STRIP)
            target.write(strip.astype(dtype), row, 0)
            reporter.progress(row + strip.shape[1], height, "rows")
    reporter.artifact("raster", output)
    return {
        **profile, "variable": name, "bands": bands, "dtype": str(dtype), "output": str(output),
        "warnings": notes,
    }  # fmt: skip


def _checked(
    given: Sequence[float] | None, units: str | None, own: np.ndarray | None
) -> tuple[list[float], tuple[str, ...]]:
    """Return the user's wavelengths, else the file's, in nanometres, NaN where unknown."""
    if given is not None:
        centres = in_nanometres(given, None, units)
    elif own is not None:
        centres = in_nanometres(own.astype(float).tolist(), None, None)
    else:
        return [], ()
    return [np.nan if w is None else w for w in centres.wavelengths], centres.notes


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
