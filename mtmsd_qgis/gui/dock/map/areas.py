"""How large the classes of a map are."""

from __future__ import annotations

from osgeo import gdal
from qgis.core import (
    QgsDistanceArea,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
    QgsRasterLayer,
    QgsUnitTypes,
)

from ....state.training.spectra import map_transform


def pixel_area(layer: QgsRasterLayer) -> float | None:
    """Return the area (m²) of the pixel in the middle of a map; None without a CRS.

    In degrees it is measured on the ellipsoid. QGIS's own size of a pixel would be wrong for a
    rotated raster, which it shows resampled.
    """
    crs, dataset = layer.crs(), gdal.Open(layer.source())
    if not crs.isValid() or dataset is None:
        return None
    transform = map_transform(dataset)
    col, row = dataset.RasterXSize // 2, dataset.RasterYSize // 2
    corners = [(col, row), (col + 1, row), (col + 1, row + 1), (col, row + 1)]
    ring = [QgsPointXY(*gdal.ApplyGeoTransform(transform, x, y)) for x, y in corners]
    measure = QgsDistanceArea()
    measure.setSourceCrs(crs, QgsProject.instance().transformContext())
    if crs.isGeographic():
        measure.setEllipsoid(crs.ellipsoidAcronym() or "WGS84")
    square = QgsUnitTypes.AreaUnit.AreaSquareMeters
    return measure.convertAreaMeasurement(
        measure.measureArea(QgsGeometry.fromPolygonXY([ring])), square
    )


def area_text(square_metres: float) -> str:
    """Return an area in ha or km², as the user's language writes it."""
    unit, size = QgsUnitTypes.AreaUnit.AreaHectares, 1e4
    if square_metres >= 1e7:
        unit, size = QgsUnitTypes.AreaUnit.AreaSquareKilometers, 1e6
    return QgsDistanceArea.formatArea(square_metres / size, 1, unit, keepBaseUnit=True)
