"""Vector layers that are whole or not there."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, FieldError
from rasterio.crs import CRS

from mtmsd.errors import InputError
from mtmsd.files.atomic import atomic_path, remove_partials, write_errors

DRIVERS = {
    ".gpkg": "GPKG", ".shp": "ESRI Shapefile", ".geojson": "GeoJSON", ".json": "GeoJSON",
    ".fgb": "FlatGeobuf",
}  # fmt: skip
"""Formats by the ending of the file's name."""
_OLD_SIDECARS = (".qix", ".sbn", ".sbx", ".qpj", ".cpg", ".prj")
"""Beside an older shapefile of the same name: indices and systems of other features."""

_FAMILIES = (DataSourceError, DataLayerError, FieldError)


def placement(transform: Affine) -> Affine:
    """Return where a map's pixels lie in a vector layer, from their column and row.

    Without a georeference it is where QGIS shows the map: y falls from 0.
    """
    return Affine.scale(1, -1) if transform == Affine.identity() else transform


def on_the_ground(geometries: Any, transform: Affine) -> Any:
    """Turn columns and rows of a map's pixels into coordinates of its vector layer."""
    t = placement(transform)

    def convert(points: NDArray[Any]) -> NDArray[Any]:
        x, y = points[:, 0], points[:, 1]
        return np.column_stack((t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f))

    return shapely.transform(geometries, convert)


class LayerWriter:
    """Appends features to a layer; use :meth:`open`.

    They are gathered in a GeoPackage, to which one can append, and copied to other formats.

    Attributes
    ----------
    count : int
        Features written so far.
    """

    def __init__(self, path: Path, layer: str, crs: CRS | None, kind: str) -> None:
        self._path, self._layer, self._kind = path, layer, kind
        self._crs = crs.to_wkt() if crs else None
        self.count = 0

    @classmethod
    @contextmanager
    def open(cls, path: Path, crs: CRS | None, kind: str) -> Iterator[LayerWriter]:
        """Write beside ``path``; give the file that name when it is complete.

        Parameters
        ----------
        path : Path
            Its ending tells the format (:data:`DRIVERS`); its layer gets the file's name.
        kind : str
            Geometry type.

        Raises
        ------
        InputError
            If the folder does not exist or may not be written, or the format cannot hold the
            coordinate system.
        MachineError
            If the disk is full or fails.
        """
        driver = DRIVERS[path.suffix.lower()]
        if driver == "GeoJSON" and (crs is None or crs.to_epsg() is None):
            raise InputError(
                f"GeoJSON cannot tell the coordinate system of the map, so '{path.name}' would lie "
                "elsewhere.",
                hint=f"Write a GeoPackage: '{path.stem}.gpkg'.",
            )
        remove_partials(path)
        if driver == "GPKG":
            with atomic_path(path, ending=".gpkg", families=_FAMILIES) as partial:
                yield cls(partial, path.stem, crs, kind)
            return
        with ExitStack() as stack:
            with write_errors(path):
                room = stack.enter_context(
                    tempfile.TemporaryDirectory(prefix=".mtmsd-", dir=path.parent)
                )
            with write_errors(path, _FAMILIES, temporary=Path(room)):
                gathered = Path(room) / "gathered.gpkg"
                yield cls(gathered, path.stem, crs, kind)
                _convert(gathered, path, driver, kind)

    def write(self, geometries: NDArray[Any], **fields: NDArray[Any]) -> None:
        """Append features; each keyword is a field, shape (n,)."""
        if not len(geometries) and self._path.exists():
            return
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "'crs' was not provided")  # nor had the map one
            pyogrio.raw.write(
                self._path,
                shapely.to_wkb(geometries),
                field_data=list(fields.values()),
                fields=list(fields),
                layer=self._layer,
                driver="GPKG",
                geometry_type=self._kind,
                crs=self._crs,
                append=self._path.exists(),
            )
        self.count += len(geometries)


def _convert(source: Path, path: Path, driver: str, kind: str) -> None:
    """Copy a layer to another format, in a stream; the file with the final name comes last."""
    made = source.with_name("made")
    made.mkdir()
    with (
        warnings.catch_warnings(),
        pyogrio.raw.open_arrow(source, use_pyarrow=False) as (meta, stream),
    ):
        warnings.simplefilter("ignore")
        pyogrio.raw.write_arrow(
            stream,
            made / path.name,
            layer=path.stem,
            driver=driver,
            geometry_name=meta["geometry_name"] or "wkb_geometry",
            geometry_type=kind,
            crs=meta["crs"],
            encoding="UTF-8" if driver == "ESRI Shapefile" else None,
        )
    if driver == "ESRI Shapefile":
        for ending in _OLD_SIDECARS:
            path.with_suffix(ending).unlink(missing_ok=True)
    for part in sorted(made.iterdir(), key=lambda part: part.suffix == path.suffix):
        part.replace(path.with_name(part.name))
