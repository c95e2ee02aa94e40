"""Writes small real rasters and vector layers, for tests that need files of one kind or another."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import rasterio
import shapely
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

GRID = Affine(10, 0, 400_000, 0, -10, 5_800_000)
UTM = "EPSG:32633"


def cube(
    bands: int = 6, height: int = 12, width: int = 15, *, dtype: str = "int16", seed: int = 0
) -> np.ndarray:
    """Smooth spectra with noise, all values different from 0."""
    rng = np.random.default_rng(seed)
    shape = np.linspace(1, 2, bands)[:, None, None]
    field = rng.uniform(300, 900, (1, height, width))
    values = shape * field + rng.normal(0, 10, (bands, height, width))
    if np.dtype(dtype).itemsize == 1:
        values /= 20
    return np.maximum(values, 1).astype(dtype)


def write_raster(
    path: Path,
    data: np.ndarray,
    *,
    wavelengths: Sequence[float] | None = None,
    units: str = "Nanometers",
    tags: Sequence[dict[str, str]] | None = None,
    descriptions: Sequence[str] | None = None,
    transform: Affine | None = GRID,
    crs: str | None = UTM,
    driver: str = "GTiff",
    **profile: Any,
) -> Path:
    """Write ``data`` (bands, rows, columns); ``profile`` goes to rasterio."""
    data = data if data.ndim == 3 else data[None]
    if transform is not None:
        profile["transform"] = transform
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver=driver, width=data.shape[2], height=data.shape[1],
            count=data.shape[0], dtype=profile.pop("dtype", data.dtype), crs=crs, **profile,
        ) as dataset:  # fmt: skip
            dataset.write(data)
            for i, wavelength in enumerate(wavelengths or (), 1):
                dataset.update_tags(i, wavelength=str(wavelength), wavelength_units=units)
            for i, entries in enumerate(tags or (), 1):
                dataset.update_tags(i, **entries)
            for i, text in enumerate(descriptions or (), 1):
                dataset.set_band_description(i, text)
    return path


ENVI_TYPES = {"uint8": 1, "int16": 2, "int32": 3, "float32": 4, "float64": 5, "uint16": 12}


def write_envi(
    path: Path,
    data: np.ndarray,
    *,
    interleave: str = "bsq",
    big_endian: bool = False,
    offset: int = 0,
    extra: str = "",
) -> Path:
    """Write an ENVI image byte by byte, and its header beside it."""
    axes = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}[interleave]
    stored = data.transpose(axes).astype(data.dtype.newbyteorder(">" if big_endian else "<"))
    path.write_bytes(b"\xab" * offset + stored.tobytes())
    bands, lines, samples = data.shape
    path.with_suffix(".hdr").write_text(
        f"ENVI\nsamples = {samples}\nlines = {lines}\nbands = {bands}\n"
        f"header offset = {offset}\nfile type = ENVI Standard\n"
        f"data type = {ENVI_TYPES[data.dtype.name]}\ninterleave = {interleave}\n"
        f"byte order = {int(big_endian)}\n"
        f"map info = {{UTM, 1, 1, {GRID.c}, {GRID.f}, {GRID.a}, {-GRID.e}, 33, North, WGS-84}}\n"
        f"{extra}"
    )
    return path


def write_polygons(
    path: Path,
    geometries: Iterable[shapely.Geometry | None],
    *,
    crs: str | None = UTM,
    layer: str | None = None,
    append: bool = False,
    **fields: Sequence[Any],
) -> Path:
    """Write features; each keyword is a field with one value per feature."""
    geometries = list(geometries)
    kinds = {g.geom_type for g in geometries if g is not None}
    columns = [np.array(values) for values in fields.values()]
    wkb = [None if g is None else shapely.to_wkb(g) for g in geometries]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a missing CRS, or heights in a plain layer
        pyogrio.raw.write(
            str(path), geometry=np.array(wkb, object), field_data=columns,
            fields=np.array(list(fields), object), crs=crs, layer=layer, append=append,
            geometry_type=kinds.pop() if len(kinds) == 1 else "Unknown",
        )  # fmt: skip
    return path


def rectangle(
    row: float, col: float, height: float, width: float, transform: Affine = GRID
) -> shapely.Polygon:
    """A polygon over whole pixels of a grid."""
    corners = [(col, row), (col + width, row), (col + width, row + height), (col, row + height)]
    return shapely.Polygon([transform * corner for corner in corners])
