"""Rasters that might be scenes: those of the project, and those of files and folders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from osgeo import gdal
from qgis.core import QgsProject, QgsRasterLayer

from .layer_roles import role
from .paths import gdal_path


@dataclass(frozen=True)
class FoundRaster:
    """A raster, and how many bands it has; None where GDAL does not say."""

    source: str
    name: str
    bands: int | None = None


def project_rasters() -> list[FoundRaster]:
    """Return the rasters of the project that the engine may read and the dock has not made."""
    layers = QgsProject.instance().mapLayers().values()
    return [
        FoundRaster(gdal_path(layer.source()), layer.name(), layer.bandCount())
        for layer in layers
        if isinstance(layer, QgsRasterLayer) and layer.providerType() == "gdal" and not role(layer)
    ]


def rasters_of(paths: Iterable[str]) -> list[FoundRaster]:
    """Return files as rasters, whatever they are; the engine says what it cannot read."""
    return [FoundRaster(path, Path(path).name, _bands(path)) for path in paths]


def rasters_in(folder: Path) -> list[FoundRaster]:
    """Return the files of a folder that GDAL takes for rasters, by name.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    files = sorted(str(path) for path in folder.iterdir() if path.is_file())
    return rasters_of(path for path in files if _is_raster(path))


def _is_raster(path: str) -> bool:
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    try:
        return gdal.IdentifyDriverEx(path, gdal.OF_RASTER) is not None
    except RuntimeError:
        return False
    finally:
        gdal.PopErrorHandler()


def _bands(path: str) -> int | None:
    """Return how many bands a file has; None if it is a container of several rasters, or none."""
    gdal.PushErrorHandler("CPLQuietErrorHandler")
    try:
        dataset = gdal.OpenEx(path, gdal.OF_RASTER)
        return (dataset.RasterCount or None) if dataset is not None else None
    except RuntimeError:
        return None
    finally:
        gdal.PopErrorHandler()
