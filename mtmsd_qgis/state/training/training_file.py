"""The GeoPackage that training polygons are kept in."""

from __future__ import annotations

from pathlib import Path

from osgeo import gdal
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransformContext,
    QgsFields,
    QgsProject,
    QgsProviderRegistry,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsWkbTypes,
)

from ...common.translation import tr
from ..layer_roles import ROLE, TRAINING
from ..paths import same_file

TABLE = "training_polygons"
VALUE, NAME, COLOR = "class_id", "class_name", "color"


def create(path: Path, crs: QgsCoordinateReferenceSystem) -> None:
    """Make an empty GeoPackage of training polygons; in any thread.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "GPKG"
    options.layerName = TABLE
    # an empty file may be lost when the machine fails; waiting for the disk is felt
    gdal.SetThreadLocalConfigOption("OGR_SQLITE_SYNCHRONOUS", "OFF")
    writer = QgsVectorFileWriter.create(
        str(path),
        _fields(),
        QgsWkbTypes.Type.Polygon,
        crs,
        QgsCoordinateTransformContext(),
        options,
    )
    if writer.hasError() != QgsVectorFileWriter.WriterError.NoError:
        raise OSError(tr("{} cannot be written: {}.").format(path, writer.errorMessage()))
    del writer
    gdal.SetThreadLocalConfigOption("OGR_SQLITE_SYNCHRONOUS", None)


def _fields() -> QgsFields:
    """Return the table's columns; the types' own names are not the same in Qt 5 and Qt 6."""
    columns = f"field={VALUE}:integer&field={NAME}:string(0)&field={COLOR}:string(0)"
    return QgsVectorLayer(f"NoGeometry?{columns}", "", "memory").fields()


def _is_of(layer: QgsVectorLayer, path: Path) -> bool:
    """Whether a layer shows the table of a GeoPackage, however its source is spelt."""
    if layer.providerType() != "ogr" or not layer.isValid():
        return False
    parts = QgsProviderRegistry.instance().decodeUri("ogr", layer.source())
    table = parts.get("layerName") or TABLE  # without a name it is the first one
    return table == TABLE and same_file(layer.source(), path)


def open_layer(path: Path, title: str) -> QgsVectorLayer:
    """Open a GeoPackage of training polygons.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    source = f"{path}|layername={TABLE}"
    for layer in QgsProject.instance().mapLayers().values():
        if isinstance(layer, QgsVectorLayer) and _is_of(layer, path):
            if layer.customProperty(ROLE) != TRAINING:
                layer.setCustomProperty(ROLE, TRAINING)
            return layer
    layer = QgsVectorLayer(source, title, "ogr")
    if not layer.isValid():
        raise OSError(tr("{} cannot be opened as training polygons.").format(path))
    layer.setCustomProperty(ROLE, TRAINING)
    return layer
