"""Vector layers that are whole or not there."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyogrio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio.crs import CRS

from mtmsd.files.atomic import atomic_path, remove_partials


def placement(transform: Affine) -> Affine:
    """Return where a map's pixels lie in a vector layer, from their column and row.

    Without a georeference it is where QGIS shows the map: y falls from 0.
    """
    return Affine.scale(1, -1) if transform == Affine.identity() else transform


class LayerWriter:
    """Appends features to a GeoPackage layer; use :meth:`open`.

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
            A GeoPackage; its layer gets the file's name.
        kind : str
            Geometry type.

        Raises
        ------
        InputError
            If the folder does not exist or may not be written.
        MachineError
            If the disk is full or fails.
        """
        remove_partials(path)
        families = (DataSourceError, DataLayerError)
        with atomic_path(path, ending=".gpkg", families=families) as partial:
            yield cls(partial, path.stem, crs, kind)

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
