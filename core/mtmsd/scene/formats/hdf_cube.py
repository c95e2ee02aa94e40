"""Any HDF5 or NetCDF-4 cube that has wavelengths: their number tells the axis of the bands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from affine import Affine
from rasterio.crs import CRS

from mtmsd.errors import InputError
from mtmsd.scene.formats.hdf_source import Cube, HdfSource
from mtmsd.scene.formats.neon import text_of
from mtmsd.scene.wavelengths import metadata_of

WAVELENGTHS = re.compile(r"wave_?length|^wvl|^wl$|^wave$|lambda|cent(er|re)s?_?wave", re.IGNORECASE)
NOT_SPECTRA = re.compile(r"uncert|std|mask|qual|flag|nedl|noise|error|sigma", re.IGNORECASE)
_FILLS = ("_FillValue", "missing_value", "Data_Ignore_Value", "fill_value", "FillValue", "nodata")


@dataclass(frozen=True)
class _Found:
    """A cube, the axis of its bands, and its wavelengths with their unit."""

    cube: h5py.Dataset
    axis: int
    wavelengths: np.ndarray
    units: str | None


def open_cube(file: h5py.File, path: Path, inner: str) -> HdfSource | None:
    """Open the cube that has wavelengths; None if none has, or GDAL reads it with its grid.

    Raises
    ------
    InputError
        If two axes are as long as the list of wavelengths, or several cubes have one.
    """
    if path.suffix.lower() == ".mat":
        return None
    arrays: list[h5py.Dataset] = []
    file.visititems(lambda _, item: arrays.append(item) if isinstance(item, h5py.Dataset) else None)
    cubes = [a for a in arrays if a.ndim == 3 and a.dtype.kind in "iuf" and a.size]
    vectors = [a for a in arrays if a.ndim == 1 and WAVELENGTHS.search(a.name.split("/")[-1])]
    if inner:
        cubes = [cube for cube in cubes if cube.name.strip("/") == inner.strip("/")]
    found = [f for f in (_wavelengths_of(cube, vectors, path.name) for cube in cubes) if f]
    found = [f for f in found if not NOT_SPECTRA.search(f.cube.name.split("/")[-1])] or found
    if not found:
        return None
    if all(f.axis == 0 and _on_a_grid(f.cube) for f in found):
        return None  # the order that GDAL expects, with axes that GDAL understands
    if len(found) > 1:
        names = ", ".join(f'HDF5:"{path}":/{f.cube.name}' for f in found)
        raise InputError(
            f"'{path.name}' holds {len(found)} cubes with wavelengths.",
            hint=f"Name one of them: {names}.",
        )
    return _source(file, found[0], arrays)


def _wavelengths_of(
    cube: h5py.Dataset, vectors: Sequence[h5py.Dataset], name: str
) -> _Found | None:
    """Find the wavelengths: on an axis, among the cube's attributes, or elsewhere in the file."""
    for axis, dimension in enumerate(cube.dims):
        for scale in dimension.values():
            if (
                WAVELENGTHS.search(scale.name.split("/")[-1])
                and scale.shape == cube.shape[axis:][:1]
            ):
                return _Found(cube, axis, np.asarray(scale, float), _units(scale))
    listed = [
        (np.ravel(cube.attrs[key]), _units(cube, key))
        for key in cube.attrs
        if WAVELENGTHS.search(key) and not re.search("unit|good", key, re.IGNORECASE)
    ]
    near = sorted(vectors, key=lambda v: _distance(v.name, cube.name))
    listed += [(np.asarray(v), _units(v)) for v in near]
    for values, units in listed:
        axes = [i for i, length in enumerate(cube.shape) if length == values.size]
        if values.dtype.kind not in "iuf" or values.size < 2 or not axes:
            continue
        if len(axes) > 1:
            raise InputError(
                f"'{name}': the cube '{cube.name}' is {'×'.join(map(str, cube.shape))} and has "
                f"{values.size} wavelengths, so it is not clear which axis has the bands.",
                hint="Convert it to a GeoTIFF or an ENVI image.",
            )
        return _Found(cube, axes[0], values.astype(float), units)
    return None


def _source(file: h5py.File, found: _Found, arrays: Sequence[h5py.Dataset]) -> HdfSource:
    cube, count = found.cube, found.wavelengths.size
    ground = [axis for axis in range(3) if axis != found.axis]
    axes = "".join("b" if i == found.axis else "rc"[ground.index(i)] for i in range(3))
    rows, cols = (cube.shape[axis] for axis in ground)
    attributes = {key.lower(): cube.attrs[key] for key in cube.attrs}
    widths = next(
        (
            np.ravel(v).tolist()
            for k, v in attributes.items()
            if "fwhm" in k and np.size(v) == count
        ),
        None,
    )
    good = attributes.get("good_wavelengths")
    flags = (np.ravel(good) != 0).tolist() if good is not None and np.size(good) == count else None
    size = (
        f"'{cube.name}' was read as {rows} lines × {cols} samples × {count} bands, by the number "
        "of its wavelengths."
    )
    grid = _grid(file, cube, ground)
    notes = [size]
    if grid is None:
        swath = any(a.ndim == 2 and re.search("lon", a.name.split("/")[-1], re.I) for a in arrays)
        notes.append(
            "It is placed by arrays of longitude and latitude, which are no grid; it is read "
            "without georeference."
            if swath
            else "No grid was found for it; it is read without georeference."
        )
    fill = next((cube.attrs[key] for key in _FILLS if key in cube.attrs), None)
    scale = attributes.get("scale_factor", attributes.get("slope", 1.0))
    offset = attributes.get("add_offset", attributes.get("intercept", 0.0))
    return HdfSource(
        file, "HDF5", [Cube(cube, axes, np.arange(count))],
        metadata_of(found.wavelengths.tolist(), widths, found.units, flags),
        (rows, cols, *(grid or (Affine.identity(), None))),
        nodata=None if fill is None else float(np.ravel(fill)[0]),
        scales=(float(np.ravel(scale)[0]),) * count, offsets=(float(np.ravel(offset)[0]),) * count,
        notes=tuple(notes),
    )  # fmt: skip


def _on_a_grid(cube: h5py.Dataset) -> bool:
    """Whether the two axes behind the bands have coordinates."""
    return all(len(dimension) for dimension in list(cube.dims)[1:])


def _grid(
    file: h5py.File, cube: h5py.Dataset, ground: Sequence[int]
) -> tuple[Affine, CRS | None] | None:
    """Return the grid that evenly spaced coordinates describe, or None."""
    ends = []
    for axis in ground:
        scales = [s for s in cube.dims[axis].values() if s.shape == (cube.shape[axis],)]
        if not scales or cube.shape[axis] < 2:
            return None
        values = np.asarray(scales[0], float)
        step = (values[-1] - values[0]) / (values.size - 1)
        if not step or not np.allclose(np.diff(values), step, rtol=1e-3):
            return None
        ends.append((values[0] - step / 2, step))
    (top, down), (left, across) = ends
    return Affine(across, 0, left, 0, down, top), _crs(file, cube)


def _crs(file: h5py.File, cube: h5py.Dataset) -> CRS | None:
    """Return the system that CF's grid mapping, or the file, names."""
    name = text_of(cube.attrs.get("grid_mapping", ""))
    places = [file[name].attrs] if name and name in file else []
    for attributes in (*places, file.attrs):
        for key in ("spatial_ref", "crs_wkt"):
            if key in attributes:
                return CRS.from_wkt(text_of(attributes[key]))
    return None


def _units(item: h5py.Dataset, of: str = "") -> str | None:
    """Return the unit of an array, or of one of its attributes."""
    keys = (
        [f"{of}_units", f"{of}_unit", "wavelength_units", "wavelength_unit"]
        if of
        else ["units", "Units"]
    )
    return next((text_of(item.attrs[key]) for key in keys if key in item.attrs), None)


def _distance(one: str, other: str) -> int:
    """How far two datasets lie apart: steps that their paths do not share."""
    a, b = one.split("/")[:-1], other.split("/")[:-1]
    shared = next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )
    return len(a) + len(b) - 2 * shared
