"""From QGIS layers to what the engine can open: files.

The functions here are called while an algorithm is prepared, in the thread that owns the
layers; what they return may then be used in any thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qgis.core import (
    NULL,
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransformContext,
    QgsDataProvider,
    QgsExpression,
    QgsExpressionContext,
    QgsExpressionContextUtils,
    QgsFeature,
    QgsFeatureRequest,
    QgsFeatureSink,
    QgsField,
    QgsFields,
    QgsMapLayer,
    QgsProcessingException,
    QgsProviderRegistry,
    QgsRasterLayer,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsVectorLayerFeatureSource,
    QgsWkbTypes,
)

from ..common.foreign_files import is_foreign
from ..common.translation import tr

COLOR_FIELD = "color"
"""The text field in which the engine looks for a class's colour."""

LayerFile = Callable[[Path], str]
"""Given a folder, write there what must be written, and return what the engine opens."""


def raster_source(layer: QgsRasterLayer) -> str:
    """Return what GDAL opens to read this raster.

    Raises
    ------
    QgsProcessingException
        If the engine, another process, cannot read it.
    """
    provider = layer.providerType()
    if provider != "gdal":
        raise QgsProcessingException(
            tr(
                "The raster layer '{name}' comes from the provider '{provider}', which the engine "
                "cannot read; save it as a GeoTIFF and use that."
            ).format(name=layer.name(), provider=provider)
        )
    source = layer.source().split("|")[0]  # open options follow
    if Path(source).exists():
        source = str(Path(source).absolute())  # the engine works in another folder
    if source.startswith("/vsimem/"):
        raise QgsProcessingException(
            tr(
                "The raster layer '{name}' is only in QGIS's memory; save it as a GeoTIFF and use "
                "that."
            ).format(name=layer.name())
        )
    return source


def foreign_file(value: object) -> str:
    """Return a path of another program's training areas, which the engine reads and QGIS does not.

    Empty for anything else.
    """
    return str(Path(value).absolute()) if isinstance(value, str) and is_foreign(value) else ""


def labels_file(layer: QgsMapLayer, *, selected: bool = False) -> LayerFile:
    """Return how to get a file of the labels: a raster's or a plain vector file, or an export.

    A vector layer is exported where its file does not hold what the user sees (a memory layer,
    a database, a subset, unsaved edits, joined or computed fields, another CRS), where only
    its selected features are wanted, and where the layer's categories give the classes their
    colours.

    Raises
    ------
    QgsProcessingException
        If the engine cannot read the raster, or nothing is selected.
    """
    if selected:
        return _Export.of(layer, _selection(layer)).write
    if isinstance(layer, QgsRasterLayer):
        source = raster_source(layer)
        return lambda folder: source
    if not isinstance(layer, QgsVectorLayer):
        raise QgsProcessingException(
            tr("The layer '{name}' is neither a vector nor a raster layer.").format(
                name=layer.name()
            )
        )
    source = _plain_file(layer)
    if source and not isinstance(layer.renderer(), QgsCategorizedSymbolRenderer):
        return lambda folder: source
    return _Export.of(layer).write


def _selection(layer: QgsMapLayer) -> QgsFeatureRequest:
    ids = layer.selectedFeatureIds() if isinstance(layer, QgsVectorLayer) else []
    if not ids:
        raise QgsProcessingException(
            tr(
                "No polygon of the layer '{name}' is selected; select some, or leave 'Selected "
                "polygons only' off."
            ).format(name=layer.name())
        )
    return QgsFeatureRequest().setFilterFids(ids)


def _plain_file(layer: QgsVectorLayer) -> str:
    """Return path and layer name if the file holds all that the layer shows, else nothing."""
    if layer.providerType() != "ogr" or layer.isModified() or layer.subsetString():
        return ""
    fields = layer.fields()
    provider_origin = QgsFields.FieldOrigin.OriginProvider
    if any(fields.fieldOrigin(i) != provider_origin for i in range(fields.count())):
        return ""
    if layer.crs() != layer.dataProvider().crs():
        return ""
    uri = QgsProviderRegistry.instance().decodeUri("ogr", layer.source())
    path, name = uri.get("path") or "", uri.get("layerName") or ""
    if not Path(path).exists() or uri.get("vsiPrefix") or uri.get("layerId") is not None:
        return ""
    path = str(Path(path).absolute())
    siblings = layer.dataProvider().subLayers()  # without such tables as layer_styles
    database = layer.dataProvider().storageType() in ("GPKG", "SQLite")
    if not name and siblings and (database or len(siblings) > 1):  # QGIS has taken the first
        name = siblings[0].split(QgsDataProvider.sublayerSeparator())[1]
    return f"{path}|layername={name}" if name else path


@dataclass(frozen=True)
class _Export:
    """A vector layer as it was when the algorithm was prepared."""

    name: str
    features: QgsVectorLayerFeatureSource
    request: QgsFeatureRequest
    fields: QgsFields
    geometry_type: QgsWkbTypes.Type
    crs: QgsCoordinateReferenceSystem
    category_of: QgsExpression | None
    context: QgsExpressionContext
    colors: dict[str, str]
    color_field: QgsField

    @classmethod
    def of(cls, layer: QgsVectorLayer, request: QgsFeatureRequest | None = None) -> _Export:
        renderer, expression, colors = layer.renderer(), None, {}
        if isinstance(renderer, QgsCategorizedSymbolRenderer):
            attribute = renderer.classAttribute()
            field = layer.fields().lookupField(attribute)
            expression = QgsExpression(
                QgsExpression.quotedColumnRef(attribute) if field >= 0 else attribute
            )
            colors = _category_colors(renderer)
        return cls(
            layer.name(),
            QgsVectorLayerFeatureSource(layer),
            request or QgsFeatureRequest(),
            QgsFields(layer.fields()),
            layer.wkbType(),
            layer.crs(),
            expression,
            QgsExpressionContext(QgsExpressionContextUtils.globalProjectLayerScopes(layer)),
            colors,
            _text_field(COLOR_FIELD),
        )

    def write(self, folder: Path) -> str:
        """Write the features into a GeoPackage in the folder and return its path."""
        path = _free_path(folder, self.name)
        fields = QgsFields(self.fields)
        if self.colors and fields.lookupField(COLOR_FIELD) < 0:
            fields.append(self.color_field)
        color_index = fields.lookupField(COLOR_FIELD) if self.colors else -1
        if color_index >= 0 and fields.at(color_index).type() != self.color_field.type():
            color_index = -1  # the user's own field of that name means something else
        options = QgsVectorFileWriter.SaveVectorOptions()
        options.driverName = "GPKG"
        options.layerName = path.stem
        options.layerOptions = ["FID=mtmsd_fid"]  # leaves a field of the user's called fid alone
        writer = QgsVectorFileWriter.create(
            str(path),
            fields,
            self.geometry_type,
            self.crs,
            QgsCoordinateTransformContext(),
            options,
        )
        if writer.hasError() != QgsVectorFileWriter.WriterError.NoError:
            self._fail(writer.errorMessage())
        for feature in self.features.getFeatures(self.request):
            values = feature.attributes()[: self.fields.count()]
            values += [None] * (fields.count() - len(values))
            if color_index >= 0:
                values[color_index] = self._color(feature)
            written = QgsFeature(fields)
            written.setGeometry(feature.geometry())
            written.setAttributes(values)
            if not writer.addFeature(written, QgsFeatureSink.Flag.FastInsert):
                self._fail(writer.errorMessage())
        if not writer.flushBuffer():
            self._fail(writer.errorMessage())
        del writer
        return f"{path}|layername={path.stem}"

    def _color(self, feature: QgsFeature) -> str | None:
        if self.category_of is None:
            return None
        context = QgsExpressionContext(self.context)
        context.setFeature(feature)
        context.setFields(self.fields)
        return self.colors.get(_category_key(self.category_of.evaluate(context)))

    def _fail(self, reason: str) -> None:
        raise QgsProcessingException(
            tr("The layer '{name}' could not be written for the engine: {reason}").format(
                name=self.name, reason=reason
            )
        )


def _text_field(name: str) -> QgsField:
    """Return a text field; the name of the type itself is not the same in Qt 5 and Qt 6."""
    return QgsVectorLayer(f"NoGeometry?field={name}:string", "", "memory").fields().at(0)


def _category_colors(renderer: QgsCategorizedSymbolRenderer) -> dict[str, str]:
    colors: dict[str, str] = {}
    for category in renderer.categories():
        if category.symbol() is None:
            continue
        values = category.value() if isinstance(category.value(), list) else [category.value()]
        for value in values:
            if _category_key(value):
                colors[_category_key(value)] = category.symbol().color().name()
    return colors


def _category_key(value: object) -> str:
    """Return the text under which 3, 3.0 and '3' are one category; empty for no value."""
    if value is None or value == NULL:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def _free_path(folder: Path, name: str) -> Path:
    """Return a file named like the layer, for the engine's sentences name the file."""
    stem = re.sub(r"[^\w -]", "_", name).strip()[:60] or "labels"
    number, path = 1, folder / f"{stem}.gpkg"
    while path.exists():
        number += 1
        path = folder / f"{stem} {number}.gpkg"
    return path
