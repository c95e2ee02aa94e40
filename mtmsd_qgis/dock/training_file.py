"""The GeoPackage that training polygons are kept in."""

from __future__ import annotations

from pathlib import Path

from osgeo import gdal
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransformContext,
    QgsField,
    QgsFields,
    QgsProject,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QVariant

from .roles import ROLE, TRAINING

TABLE = "training_polygons"
VALUE, NAME, COLOR = "class_id", "class_name", "color"


def create(path: Path, crs: QgsCoordinateReferenceSystem) -> None:
    """Make an empty GeoPackage of training polygons; in any thread.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    fields = QgsFields()
    fields.append(QgsField(VALUE, QVariant.Int))
    fields.append(QgsField(NAME, QVariant.String))
    fields.append(QgsField(COLOR, QVariant.String))
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "GPKG"
    options.layerName = TABLE
    # an empty file may be lost when the machine fails; waiting for the disk is felt
    gdal.SetThreadLocalConfigOption("OGR_SQLITE_SYNCHRONOUS", "OFF")
    writer = QgsVectorFileWriter.create(
        str(path), fields, QgsWkbTypes.Type.Polygon, crs, QgsCoordinateTransformContext(), options
    )
    if writer.hasError() != QgsVectorFileWriter.WriterError.NoError:
        raise OSError(f"{path} cannot be written: {writer.errorMessage()}.")
    del writer
    gdal.SetThreadLocalConfigOption("OGR_SQLITE_SYNCHRONOUS", None)


def open_layer(path: Path, title: str) -> QgsVectorLayer:
    """Open a GeoPackage of training polygons.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    source = f"{path}|layername={TABLE}"
    for layer in QgsProject.instance().mapLayers().values():
        if layer.source() == source and isinstance(layer, QgsVectorLayer):
            layer.setCustomProperty(ROLE, TRAINING)
            return layer
    layer = QgsVectorLayer(source, title, "ogr")
    if not layer.isValid():
        raise OSError(f"{path} cannot be opened as training polygons.")
    layer.setCustomProperty(ROLE, TRAINING)
    return layer
