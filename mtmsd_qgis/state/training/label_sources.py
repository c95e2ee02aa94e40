"""Polygons and classes out of an existing vector layer or label raster, read in a thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from osgeo import gdal, ogr
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsFeatureRequest,
    QgsGeometry,
    QgsRasterLayer,
    QgsVectorLayer,
    QgsVectorLayerFeatureSource,
    QgsWkbTypes,
)

from ...common.class_fields import color_field, name_field
from ...common.numbers import number, plain
from ...common.translation import tr
from .classes import Label, Source
from .placement import Placement
from .spectra import open_raster

MOST_VALUES = 256
"""A raster with more values is a picture, not labels."""
MOST_REGIONS = 20_000
"""A raster with more regions is a map to train with as it is, not polygons to edit."""


LARGEST_VALUE = 65535
"""The engine's largest class number."""


def vector_reader(
    layer: QgsVectorLayer, field: str, crs: QgsCoordinateReferenceSystem
) -> Callable[[], Source]:
    """Return what reads the layer's polygons in a thread, in another CRS.

    It raises ValueError for a class that the engine would refuse.
    """
    source = QgsVectorLayerFeatureSource(layer)
    is_number = layer.fields().field(field).isNumeric()
    names, color_name = name_field(layer, field) if is_number else "", color_field(layer, field)
    colors = _category_colors(layer, field)
    title = layer.name()
    into = Placement(layer, crs)

    def read() -> Source:
        labels, left_out, unplaced = [], 0, 0
        for feature in source.getFeatures(QgsFeatureRequest()):
            key = feature.attribute(field)
            geometry = into.moved(feature.geometry())
            if geometry is None:
                unplaced += 1
                continue
            parts = _parts(geometry)
            if not isinstance(key, (int, float, str)) or not str(key).strip() or not parts:
                left_out += 1
                continue
            value = _class_number(key, field, title) if is_number else 0
            name = feature.attribute(names) if names else ""
            name = str(name).strip() if isinstance(name, str) else ""
            name = name if is_number else str(key).strip()
            color = feature.attribute(color_name) if color_name else None
            color = color if isinstance(color, str) and color else colors.get(str(key), "")
            labels += [Label(wkb, name, color, value) for wkb in parts]
        notes = into.notes(unplaced, everything=not labels)
        return Source(_usually_named(labels) if is_number else labels, left_out, notes)

    return read


def _class_number(key: float | str, field: str, title: str) -> int:
    value = float(key)
    if value != int(value) or not 1 <= value <= LARGEST_VALUE:
        text = tr(
            "The field '{field}' of '{layer}' holds the class {value}; classes are whole numbers "
            "from 1 to {most}. Choose another field, or renumber them."
        )
        raise ValueError(
            text.format(field=field, layer=title, value=plain(value), most=LARGEST_VALUE)
        )
    return int(value)


def _usually_named(labels: list[Label]) -> list[Label]:
    """Give each number the name and the colour that most of its polygons have."""
    names: dict[int, Counter[str]] = {}
    colors: dict[int, Counter[str]] = {}
    for label in labels:
        names.setdefault(label.value, Counter()).update([label.name] if label.name else [])
        colors.setdefault(label.value, Counter()).update([label.color] if label.color else [])
    name = {v: c.most_common(1)[0][0] if c else tr("class {}").format(v) for v, c in names.items()}
    color = {v: c.most_common(1)[0][0] if c else "" for v, c in colors.items()}
    return [replace(x, name=name[x.value], color=color[x.value]) for x in labels]


def raster_reader(layer: QgsRasterLayer, crs: QgsCoordinateReferenceSystem) -> Callable[[], Source]:
    """Return what turns a label raster into polygons and classes, in another CRS."""
    path = layer.source().split("|")[0]
    into, title = Placement(layer, crs), layer.name()

    def read() -> Source:
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
        if out.GetFeatureCount() > MOST_REGIONS:
            text = tr(
                "{} has {} regions, too many to be edited as polygons; train with the raster "
                "itself, in the Processing Toolbox."
            )
            raise ValueError(text.format(title, number(out.GetFeatureCount())))
        out.ResetReading()
        labels, unplaced = [], 0
        for feature in out:
            value = feature.GetField(0)
            if value < 1:
                continue
            name = names[value] if value < len(names) else ""
            name = name or tr("class {}").format(value)
            color = ""
            if colors is not None and value < colors.GetCount():
                color = "#{:02x}{:02x}{:02x}".format(*colors.GetColorEntry(value)[:3])
            geometry = QgsGeometry()
            geometry.fromWkb(bytes(feature.GetGeometryRef().ExportToWkb()))
            moved = into.moved(geometry)
            unplaced += moved is None
            for wkb in _parts(moved or QgsGeometry()):
                labels.append(Label(wkb, name, color, value))
        return Source(labels, notes=into.notes(unplaced, everything=not labels))

    return read


def _parts(geometry: QgsGeometry) -> list[bytes]:
    """Return the single polygons of a geometry, mended, as WKB."""
    if geometry.isNull() or geometry.isEmpty():
        return []
    if geometry.type() != QgsWkbTypes.GeometryType.PolygonGeometry:
        return []
    if not geometry.isGeosValid():
        geometry = geometry.makeValid()
    return [
        bytes(part.asWkb())
        for part in geometry.asGeometryCollection()
        if part.type() == QgsWkbTypes.GeometryType.PolygonGeometry and part.area() > 0
    ]


def _category_colors(layer: QgsVectorLayer, field: str) -> dict[str, str]:
    renderer = layer.renderer()
    if not isinstance(renderer, QgsCategorizedSymbolRenderer):
        return {}
    if renderer.classAttribute().strip('"') != field:
        return {}
    return {str(c.value()): c.symbol().color().name() for c in renderer.categories() if c.symbol()}
