#!/usr/bin/env python3
"""Write class colours and default styles into resources/sample; run with QGIS's Python.

Done once per change of classes.json: the results are part of the repository.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from qgis.core import (
    QgsApplication,
    QgsCategorizedSymbolRenderer,
    QgsContrastEnhancement,
    QgsField,
    QgsFillSymbol,
    QgsMapLayer,
    QgsMultiBandColorRenderer,
    QgsRasterLayer,
    QgsRasterMinMaxOrigin,
    QgsRendererCategory,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QVariant

SAMPLE = Path(__file__).resolve().parent.parent / "resources/sample"
TRUE_COLOUR = (45, 29, 9)
"""Bands at 647, 556 and 459 nm."""


def style_polygons(path: Path, classes: list[dict]) -> None:
    """Give every polygon a ``color`` and the layer a default style."""
    layer = QgsVectorLayer(str(path), path.stem, "ogr")
    if layer.fields().indexOf("color") < 0:
        layer.dataProvider().addAttributes([QgsField("color", QVariant.String)])
        layer.updateFields()
    index = layer.fields().indexOf("color")
    colors = {c["value"]: c["color"] for c in classes}
    layer.dataProvider().changeAttributeValues(
        {feature.id(): {index: colors[feature["class_id"]]} for feature in layer.getFeatures()}
    )
    categories = []
    for info in classes:
        symbol = QgsFillSymbol.createSimple(
            {
                "color": f"{info['color']}",
                "outline_color": "white",
                "outline_width": "0.1",
            }
        )
        categories.append(QgsRendererCategory(info["value"], symbol, info["name"]))
    layer.setRenderer(QgsCategorizedSymbolRenderer("class_id", categories))
    save_style(layer, path)


def style_scene(path: Path) -> None:
    """Write the scene's default style, true colour, beside it."""
    layer = QgsRasterLayer(str(path), path.stem)
    layer.setRenderer(QgsMultiBandColorRenderer(layer.dataProvider(), *TRUE_COLOUR))
    layer.setContrastEnhancement(
        QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchToMinimumMaximum,
        QgsRasterMinMaxOrigin.Limits.CumulativeCut,
    )
    save_style(layer, path)


def save_style(layer: QgsMapLayer, path: Path) -> None:
    """Write the layer's symbols as the style that QGIS takes for the file by itself.

    Beside a GeoPackage rather than inside: there it would be one more table to choose from.
    """
    symbols = QgsMapLayer.StyleCategory.Symbology
    message, done = layer.saveNamedStyle(str(path.with_suffix(".qml")), symbols)
    if not done:
        sys.exit(message)


def main() -> None:
    """Style the scene and both polygon layers."""
    application = QgsApplication([], False)
    application.initQgis()
    classes = json.loads((SAMPLE / "classes.json").read_text(encoding="utf-8"))
    style_scene(SAMPLE / "enmap_potsdam.tif")
    for name in ("training_polygons.gpkg", "validation_polygons.gpkg"):
        style_polygons(SAMPLE / name, classes)
    application.exitQgis()


if __name__ == "__main__":
    main()
