"""Polygons and classes out of an existing vector layer or label raster, read in a thread."""

from __future__ import annotations

from collections.abc import Callable

from osgeo import gdal, ogr
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsFeatureRequest,
    QgsGeometry,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
    QgsVectorLayerFeatureSource,
    QgsWkbTypes,
)

from ...common.translation import tr
from .classes import Label
from .spectra import open_raster

CLASS_FIELDS = ("class_id", "class", "class_name", "label", "level_1", "landcover")
NAME_FIELDS = ("class_name", "name", "label", "description")
COLOR_FIELDS = ("color", "colour")
MOST_VALUES = 256
"""A raster with more values is a picture, not labels."""


def guess_field(layer: QgsVectorLayer) -> str:
    """Return the field that probably holds the class."""
    names = {field.name().lower(): field.name() for field in layer.fields()}
    for name in CLASS_FIELDS:
        if name in names:
            return names[name]
    keys = {layer.fields().at(index).name() for index in layer.primaryKeyAttributes()}
    others = [field.name() for field in layer.fields() if field.name() not in keys]
    return others[0] if others else ""


def vector_reader(
    layer: QgsVectorLayer, field: str, crs: QgsCoordinateReferenceSystem
) -> Callable[[], list[Label]]:
    """Return what reads the layer's polygons in a thread, in another CRS."""
    source = QgsVectorLayerFeatureSource(layer)
    fields = layer.fields()
    is_number = fields.field(field).isNumeric()
    lower = {f.name().lower(): f.name() for f in fields}
    name_field = next((lower[n] for n in NAME_FIELDS if n in lower), "") if is_number else ""
    color_field = next((lower[n] for n in COLOR_FIELDS if n in lower), "")
    colors = _category_colors(layer, field)
    transform = QgsCoordinateTransform(layer.crs(), crs, QgsProject.instance())

    def read() -> list[Label]:
        labels = []
        for feature in source.getFeatures(QgsFeatureRequest()):
            key = feature.attribute(field)
            if not isinstance(key, (int, float, str)) or key == "":
                continue
            value = int(key) if is_number else 0
            if is_number and value < 1:
                continue
            name = feature.attribute(name_field) if name_field else ""
            name = name if isinstance(name, str) and name else str(value if is_number else key)
            color = feature.attribute(color_field) if color_field else None
            color = color if isinstance(color, str) and color else colors.get(str(key), "")
            for wkb in _parts(feature.geometry(), transform):
                labels.append(Label(wkb, name, color, value))
        return labels

    return read


def raster_reader(
    layer: QgsRasterLayer, crs: QgsCoordinateReferenceSystem
) -> Callable[[], list[Label]]:
    """Return what turns a label raster into polygons and classes, in another CRS."""
    path = layer.source().split("|")[0]
    transform = QgsCoordinateTransform(layer.crs(), crs, QgsProject.instance())
    title = layer.name()

    def read() -> list[Label]:
        dataset = open_raster(path)
        band = dataset.GetRasterBand(1)
        names, colors = band.GetCategoryNames() or [], band.GetColorTable()
        shapes = ogr.GetDriverByName("Memory").CreateDataSource("")
        out = shapes.CreateLayer("labels", None, ogr.wkbPolygon)
        out.CreateField(ogr.FieldDefn("value", ogr.OFTInteger))
        gdal.Polygonize(band, band.GetMaskBand(), out, 0)
        if len({feature.GetField(0) for feature in out}) > MOST_VALUES:
            text = tr("{} has more than {} values; it holds no classes.")
            raise ValueError(text.format(title, MOST_VALUES))
        out.ResetReading()
        labels = []
        for feature in out:
            value = feature.GetField(0)
            if value < 1:
                continue
            name = names[value] if value < len(names) and names[value] else f"class {value}"
            color = ""
            if colors is not None and value < colors.GetCount():
                color = "#{:02x}{:02x}{:02x}".format(*colors.GetColorEntry(value)[:3])
            geometry = QgsGeometry()
            geometry.fromWkb(bytes(feature.GetGeometryRef().ExportToWkb()))
            for wkb in _parts(geometry, transform):
                labels.append(Label(wkb, name, color, value))
        return labels

    return read


def _parts(geometry: QgsGeometry, transform: QgsCoordinateTransform) -> list[bytes]:
    """Return the single polygons of a geometry, mended and in the other CRS, as WKB."""
    if geometry.isNull() or geometry.isEmpty():
        return []
    if geometry.type() != QgsWkbTypes.GeometryType.PolygonGeometry:
        return []
    moved = QgsGeometry(geometry)
    if transform.isValid() and not transform.isShortCircuited():
        moved.transform(transform)
    if not moved.isGeosValid():
        moved = moved.makeValid()
    return [
        bytes(part.asWkb())
        for part in moved.asGeometryCollection()
        if part.type() == QgsWkbTypes.GeometryType.PolygonGeometry and part.area() > 0
    ]


def _category_colors(layer: QgsVectorLayer, field: str) -> dict[str, str]:
    renderer = layer.renderer()
    if not isinstance(renderer, QgsCategorizedSymbolRenderer):
        return {}
    if renderer.classAttribute().strip('"') != field:
        return {}
    return {str(c.value()): c.symbol().color().name() for c in renderer.categories() if c.symbol()}
