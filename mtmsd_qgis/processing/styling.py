"""How the results look when QGIS loads them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from osgeo import gdal
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsFeatureRequest,
    QgsFillSymbol,
    QgsMapLayer,
    QgsMarkerSymbol,
    QgsPalettedRasterRenderer,
    QgsPalLayerSettings,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsRasterLayer,
    QgsRendererCategory,
    QgsSingleSymbolRenderer,
    QgsTextBufferSettings,
    QgsTextFormat,
    QgsVectorLayer,
    QgsVectorLayerSimpleLabeling,
)
from qgis.PyQt.QtGui import QColor

from ..common.folders import RESOURCES
from ..common.translation import tr

METADATA_TAG = "MTMSD"
"""The GeoTIFF tag in which the engine notes the classes, as JSON."""


def style_class_map(layer: QgsRasterLayer) -> None:
    """Give a class map the names and colours that are in its file; 0 stays transparent."""
    classes = class_entries(layer.source())
    if not classes:
        return
    entries = [
        QgsPalettedRasterRenderer.Class(value, QColor(color), name)
        for value, name, color in classes
    ]
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, entries))
    layer.triggerRepaint()


def style_confidence(layer: QgsRasterLayer) -> None:
    """Give a confidence layer its ramp from 0 to 1."""
    layer.loadNamedStyle(str(RESOURCES / "styles" / "confidence.qml"))
    layer.triggerRepaint()


def style_polygons(layer: QgsVectorLayer) -> None:
    """Give the regions of a map the names and colours that each of them carries."""
    style_regions(layer, _classes_of(layer))


def _classes_of(layer: QgsVectorLayer) -> list[tuple[int, str, str]]:
    """Return number, name and colour of each class that regions carry."""
    found = {
        (f["class_id"], f["class_name"], f["color"])
        for f in layer.getFeatures(
            QgsFeatureRequest()
            .setFlags(QgsFeatureRequest.Flag.NoGeometry)
            .setSubsetOfAttributes(["class_id", "class_name", "color"], layer.fields())
        )
    }
    return sorted(found)


def style_regions(layer: QgsVectorLayer, classes: Iterable[tuple[int, str, str]]) -> None:
    """Outline the regions of a map in the colours of these classes, under their names."""
    categories = []
    for value, name, color in classes:
        ink = color or "#888888"
        outline = {"color": ink, "style": "no", "outline_color": ink, "outline_width": "0.4"}
        symbol = QgsFillSymbol.createSimple(outline)
        categories.append(QgsRendererCategory(value, symbol, name or str(value)))
    layer.setRenderer(QgsCategorizedSymbolRenderer("class_id", categories))
    layer.triggerRepaint()


def style_edges(layer: QgsVectorLayer) -> None:
    """Tint learnt regions in the colours that they carry; white edges part those of one class."""
    categories = []
    for value, name, color in _classes_of(layer):
        ink = QColor(color or "#888888")
        fill = f"{ink.red()},{ink.green()},{ink.blue()},90"
        symbol = QgsFillSymbol.createSimple(
            {"color": fill, "outline_color": "#ffffff", "outline_width": "0.2"}
        )
        categories.append(QgsRendererCategory(value, symbol, name or str(value)))
    layer.setRenderer(QgsCategorizedSymbolRenderer("class_id", categories))
    layer.triggerRepaint()


def style_points(layer: QgsVectorLayer) -> None:
    """Give points to label a mark that is seen on any map, with the rank beside it."""
    mark = {"name": "circle", "color": "#ffffff", "outline_color": "#d81b60", "size": "3.2",
            "outline_width": "0.7"}  # fmt: skip
    layer.setRenderer(QgsSingleSymbolRenderer(QgsMarkerSymbol.createSimple(mark)))
    labels = QgsPalLayerSettings()
    labels.fieldName = "rank"
    text, buffer = QgsTextFormat(), QgsTextBufferSettings()
    buffer.setEnabled(True)
    text.setBuffer(buffer)
    labels.setFormat(text)
    layer.setLabeling(QgsVectorLayerSimpleLabeling(labels))
    layer.setLabelsEnabled(True)
    layer.triggerRepaint()


def class_entries(path: str) -> list[tuple[int, str, str]]:
    """Return value, name and ``#rrggbb`` of each class, from the engine's note in a class map.

    The note is in the GeoTIFF itself; category names lie beside it and may get lost.
    """
    found, shown = map_note(path), shown_names(path)
    try:
        return [
            (int(c["value"]), shown.get(c["name"], str(c["name"])), str(c["color"]))
            for c in found["classes"]
        ]
    except (TypeError, ValueError, KeyError):
        return []  # not a class map of ours: QGIS's own style is as good as any


def shown_names(path: str) -> dict[str, str]:
    """Return what the class of doubtful pixels is called in the user's language, by its name."""
    note = map_note(path)
    try:
        return {c["name"]: tr("unknown") for c in note["classes"] if c["value"] == note["unknown"]}
    except (TypeError, KeyError):
        return {}


def map_note(path: str) -> dict[str, Any]:
    """Return what the engine has noted in a class map; empty where that is not one of ours."""
    try:
        note = json.loads(gdal.Open(path).GetMetadataItem(METADATA_TAG))
    except (RuntimeError, AttributeError, TypeError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


class _Style(QgsProcessingLayerPostProcessorInterface):
    """Styles a layer that was just loaded, and gives it a name that no other layer has.

    It holds nothing of a single run: the provider makes one of each on the main thread and
    keeps it, for QGIS does not.
    """

    def postProcessLayer(
        self, layer: QgsMapLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        """Style and name one loaded output; QGIS calls this on the main thread."""
        if layer.isValid():
            self.apply(layer)
        project = context.project()
        others = project.mapLayers().values() if project is not None else []
        layer.setName(distinct(layer.name(), {o.name() for o in others if o.id() != layer.id()}))

    def apply(self, layer: QgsMapLayer) -> None:
        """Set the layer's renderer."""


class ClassMapStyle(_Style):
    """For class maps."""

    def apply(self, layer: QgsMapLayer) -> None:
        """Set names and colours of the classes."""
        style_class_map(layer)


class ConfidenceStyle(_Style):
    """For confidence layers."""

    def apply(self, layer: QgsMapLayer) -> None:
        """Set the ramp."""
        style_confidence(layer)


class PlainStyle(_Style):
    """For layers that QGIS styles well by itself; only the name is seen to."""


class PolygonStyle(_Style):
    """For the regions of a class map."""

    def apply(self, layer: QgsMapLayer) -> None:
        """Set the colours that are in the file."""
        style_polygons(layer)


class RegionStyle(_Style):
    """For learnt regions."""

    def apply(self, layer: QgsMapLayer) -> None:
        """Set outlines that the class map below is seen through."""
        style_edges(layer)


class PointStyle(_Style):
    """For points to label."""

    def apply(self, layer: QgsMapLayer) -> None:
        """Set a mark that is seen on any map, with the rank beside it."""
        style_points(layer)


def distinct(name: str, taken: set[str]) -> str:
    """Return the name, or the name with the first number that makes it new."""
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name} ({number})"
    return candidate


def layer_title(what: str, scene: str) -> str:
    """Return the name of a result: what it is, and of which scene."""
    return f"{what} – {scene}"
