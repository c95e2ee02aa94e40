"""A vector layer from any file that GDAL reads: features, attributes, coordinate system."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, GeometryError
from rasterio.crs import CRS
from rasterio.errors import CRSError

from mtmsd.errors import InputError
from mtmsd.scene.formats.source import one_line

SOURCE_OPTION = re.compile(r"\|(?=layername=|layerid=|subset=|geometrytype=|option:)")
"""What QGIS writes behind a file's name."""
UNDEFINED = re.compile(r'^\w+\["Undefined (geographic |Cartesian )?SRS"')
"""What GDAL calls the coordinate system of a GeoPackage's layer that has none."""


@dataclass(frozen=True)
class Layer:
    """Features of a vector layer; ``fids`` are their numbers in the file.

    ``class_field`` is the field of the class where the format says which; ``in_pixels`` whether
    x and y are column and row of the scene, corners at whole numbers.
    """

    name: str
    fids: np.ndarray
    geometries: np.ndarray
    fields: dict[str, np.ndarray]
    crs: CRS | None
    warnings: tuple[str, ...]
    class_field: str | None = None
    in_pixels: bool = False


def has_shapes(file: str) -> bool:
    """Whether a file has a vector layer with geometries (a GeoPackage may have a raster too)."""
    try:
        return any(geometry is not None for _, geometry in pyogrio.list_layers(file))
    except (DataSourceError, DataLayerError):
        return False


def read_layer(path: str, layer: str | None) -> Layer:
    """Read a layer, named by ``layer`` or as QGIS does behind the file's name.

    Raises
    ------
    InputError
        If the file cannot be read, has several layers, or no features.
    """
    file, *rest = SOURCE_OPTION.split(path)
    options = dict(part.split("=", 1) for part in rest if "=" in part)
    layer = layer or options.get("layername")
    name = Path(file).name
    try:
        listed = pyogrio.list_layers(file)
        names = [str(name) for name, _ in listed]
        drawn = [str(name) for name, geometry in listed if geometry is not None]
        if layer is None and "layerid" in options:
            layer = names[int(options["layerid"])]
        if layer is None and len(drawn) > 1:
            raise InputError(
                f"'{name}' has {len(drawn)} layers.",
                hint=f"Name one behind the file: {file}|layername={drawn[0]} "
                f"(it has {', '.join(drawn)}).",
            )
        if layer is None and drawn:
            layer = drawn[0]  # tables beside it, such as QGIS's styles, are no labels
        (meta, fids, wkb, columns), notes = _read(file, name, layer, options.get("subset"))
    except (DataSourceError, DataLayerError, GeometryError, ValueError, IndexError) as error:
        raise InputError(
            f"'{name}' cannot be read as labels: {one_line(error)}",
            hint="Give a vector layer with a class field, or a label raster.",
        ) from error
    if layer is not None and len(drawn) > 1:
        name = f"{name}|{layer}"
    if wkb is None:
        raise InputError(f"'{name}' is a table without geometries.", hint="Give polygons.")
    if not len(wkb):
        raise InputError(f"'{name}' has no features.", hint="Draw training polygons first.")
    fields = dict(zip((str(f) for f in meta["fields"]), columns, strict=True))
    geometries = _geometries(wkb, fids, name)
    return Layer(name, fids, geometries, fields, _crs(meta["crs"], name), tuple(notes))


def _read(file: str, name: str, layer: str | None, subset: str | None) -> tuple[Any, list[str]]:
    """Read with pyogrio; texts of a shapefile that does not say its encoding are tried as UTF-8.

    Without a .cpg file beside it GDAL takes ISO 8859-1, as dBase did; programs of today that
    write none mean UTF-8. What is not UTF-8 is read as Windows-1252, which holds ISO 8859-1.
    """
    options: dict[str, Any] = {
        "layer": layer, "return_fids": True, "force_2d": True, "where": subset,
    }  # fmt: skip
    table = Path(file).with_suffix(".dbf")
    if Path(file).suffix.lower() not in (".shp", ".dbf") or not table.is_file():
        return pyogrio.raw.read(file, **options), []
    said = any(table.with_suffix(end).is_file() for end in (".cpg", ".CPG")) or _codepage(table)
    for encoding in (None,) if said else ("UTF-8",):
        try:
            return pyogrio.raw.read(file, encoding=encoding, **options), []
        except UnicodeDecodeError:
            continue
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = pyogrio.raw.read(file, encoding="cp1252", **options)
    note = (
        f"The texts of '{name}' are not in the encoding that it states"
        if said
        else f"'{name}' has no .cpg file that tells the encoding of its texts, which are no UTF-8"
    )
    return found, [f"{note}; they were read as Windows-1252."]


def _codepage(table: Path) -> bool:
    """Whether a dBase table tells its code page (byte 29 of its header)."""
    with table.open("rb") as stream:
        header = stream.read(30)
    return len(header) == 30 and header[29] not in (0, 0x57)  # 0x57: "ANSI", which GDAL wrote


def _geometries(wkb: np.ndarray, fids: np.ndarray, name: str) -> np.ndarray:
    try:
        return shapely.from_wkb(wkb)
    except shapely.GEOSException:
        found = shapely.from_wkb(wkb, on_invalid="ignore")
        lost = shapely.is_missing(found) & np.array([part is not None for part in wkb])
        raise InputError(
            f"The feature {fids[lost][0]} of '{name}' has a geometry that cannot be read "
            "(a surface of triangles, or a broken one).",
            hint="Save the layer as polygons (in QGIS: Export, geometry type Polygon).",
        ) from None


def _crs(text: str | None, name: str) -> CRS | None:
    if not text or UNDEFINED.match(text):
        return None
    try:
        return CRS.from_user_input(text)
    except CRSError as error:
        raise InputError(
            f"The coordinate system of '{name}' is not known.",
            hint="Set it in QGIS (Layer CRS), then save the layer.",
        ) from error
