"""How the results look when QGIS loads them."""

from __future__ import annotations

import json

from osgeo import gdal
from qgis.core import (
    QgsMapLayer,
    QgsPalettedRasterRenderer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsRasterLayer,
)
from qgis.PyQt.QtGui import QColor

from ..engine.folders import RESOURCES

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


def class_entries(path: str) -> list[tuple[int, str, str]]:
    """Return value, name and ``#rrggbb`` of each class, from the engine's note in a class map.

    The note is in the GeoTIFF itself; category names lie beside it and may get lost.
    """
    try:
        dataset = gdal.Open(path)
        note = json.loads(dataset.GetMetadataItem(METADATA_TAG))
        return [(int(c["value"]), str(c["name"]), str(c["color"])) for c in note["classes"]]
    except (RuntimeError, AttributeError, TypeError, ValueError, KeyError):
        return []  # not a class map of ours: QGIS's own style is as good as any


class _Style(QgsProcessingLayerPostProcessorInterface):
    """Styles a layer that was just loaded, and gives it a name that no other layer has.

    It holds nothing of a single run: the provider makes one of each on the main thread and
    keeps it, for QGIS does not.
    """

    def postProcessLayer(
        self, layer: QgsMapLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        """Style and name one loaded output; QGIS calls this on the main thread."""
        if isinstance(layer, QgsRasterLayer) and layer.isValid():
            self.apply(layer)
        project = context.project()
        others = project.mapLayers().values() if project is not None else []
        layer.setName(distinct(layer.name(), {o.name() for o in others if o.id() != layer.id()}))

    def apply(self, layer: QgsRasterLayer) -> None:
        """Set the layer's renderer."""


class ClassMapStyle(_Style):
    """For class maps."""

    def apply(self, layer: QgsRasterLayer) -> None:
        """Set names and colours of the classes."""
        style_class_map(layer)


class ConfidenceStyle(_Style):
    """For confidence layers."""

    def apply(self, layer: QgsRasterLayer) -> None:
        """Set the ramp."""
        style_confidence(layer)


class PlainStyle(_Style):
    """For layers that QGIS styles well by itself; only the name is seen to."""


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
