#!/usr/bin/env python3
"""Make the demo's QGIS project and its picture; run with QGIS's Python, without a screen.

usage: demo_project.py FOLDER, which holds class_map.tif, confidence.tif and results.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsFillSymbol,
    QgsLayoutExporter,
    QgsLayoutItem,
    QgsLayoutItemLabel,
    QgsLayoutItemLegend,
    QgsLayoutItemMap,
    QgsLayoutItemScaleBar,
    QgsLayoutItemShape,
    QgsLayoutPoint,
    QgsLayoutSize,
    QgsLegendRenderer,
    QgsLegendStyle,
    QgsMapLayer,
    QgsMapLayerLegendUtils,
    QgsPrintLayout,
    QgsProject,
    QgsRasterLayer,
    QgsReferencedRectangle,
    QgsTextFormat,
    QgsUnitTypes,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor, QFont

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "resources/sample"
MARGIN, GAP, TOP = 8.0, 6.0, 24.0
PANEL = (90.0, 108.0)
PAGE = (2 * MARGIN + 3 * PANEL[0] + 2 * GAP, TOP + PANEL[1] + 34.0)
INK, PALE, GROUND = QColor("#222222"), QColor("#6b6b6b"), QColor("#ececec")
CREDIT = (
    "EnMAP data © DLR 2022, cut from the EnMAP-Box test data (GPL-3.0); reference derived from "
    "imagery of GeoBasis-DE/LGB and Geoportal Berlin (dl-de/by-2-0). Grey: no data."
)


def load_layers(folder: Path) -> dict[str, QgsMapLayer]:
    """Return the project's layers by name, styled, the topmost first."""
    sys.path.insert(0, str(ROOT / "build"))
    from mtmsd_qgis.processing.styling import style_class_map, style_confidence

    layers: dict[str, QgsMapLayer] = {}
    for title in ("Training polygons", "Validation polygons"):
        name = title.lower().replace(" ", "_")
        path = SAMPLE / f"{name}.gpkg"
        layers[title] = QgsVectorLayer(f"{path}|layername={name}", title, "ogr")
    layers["Class map"] = QgsRasterLayer(str(folder / "class_map.tif"), "Class map")
    layers["Confidence"] = QgsRasterLayer(str(folder / "confidence.tif"), "Confidence")
    layers["EnMAP scene"] = QgsRasterLayer(str(SAMPLE / "enmap_potsdam.tif"), "EnMAP scene")
    for title, layer in layers.items():
        if not layer.isValid():
            sys.exit(f"QGIS cannot open the layer {title}: {layer.source()}")
    style_class_map(layers["Class map"])
    style_confidence(layers["Confidence"])
    return layers


def make_project(layers: dict[str, QgsMapLayer]) -> QgsProject:
    """Put the layers into a project that opens on the whole scene."""
    project = QgsProject.instance()
    project.setTitle("MTMSD: EnMAP Potsdam")
    project.setFilePathStorage(Qgis.FilePathType.Relative)
    scene = layers["EnMAP scene"]
    project.setCrs(scene.crs())
    root = project.layerTreeRoot()
    for title, layer in layers.items():
        project.addMapLayer(layer, False)
        node = root.addLayer(layer)
        node.setExpanded(title == "Class map")
        node.setItemVisibilityChecked(title not in ("Validation polygons", "Confidence"))
    extent = scene.extent().buffered(0.04 * scene.extent().height())
    project.viewSettings().setDefaultViewExtent(QgsReferencedRectangle(extent, scene.crs()))
    return project


class Sheet:
    """The print layout: three panels with titles, one legend for each, scale and credit."""

    def __init__(self, project: QgsProject, name: str) -> None:
        self.layout = QgsPrintLayout(project)
        self.layout.initializeDefaults()
        self.layout.setName(name)
        self.layout.pageCollection().page(0).setPageSize(QgsLayoutSize(*PAGE))
        project.layoutManager().addLayout(self.layout)

    def _place(
        self, item: QgsLayoutItem, left: float, top: float, width: float, height: float
    ) -> None:
        self.layout.addLayoutItem(item)
        item.attemptMove(QgsLayoutPoint(left, top))
        item.attemptResize(QgsLayoutSize(width, height))

    def text(
        self, text: str, left: float, top: float, width: float, size: float, color: QColor
    ) -> None:
        """Write one or more lines."""
        label = QgsLayoutItemLabel(self.layout)
        label.setText(text)
        label.setFont(font(size, size > 10))
        label.setFontColor(color)
        label.setMarginX(0)
        self._place(label, left, top, width, size * 1.1)

    def panel(self, number: int, title: str, layers: list[QgsMapLayer]) -> QgsLayoutItemMap:
        """Draw layers, with a title above."""
        left = MARGIN + number * (PANEL[0] + GAP)
        self.text(title, left, TOP - 6, PANEL[0], 9.5, INK)
        panel = QgsLayoutItemMap(self.layout)
        self._place(panel, left, TOP, *PANEL)
        panel.setLayers(layers)
        panel.setKeepLayerSet(True)
        panel.setExtent(layers[-1].extent())
        panel.setBackgroundColor(GROUND)
        return panel

    def class_legend(self, number: int, layer: QgsRasterLayer) -> None:
        """Draw the classes' colours and names under their panel, in columns of three."""
        for place, entry in enumerate(layer.renderer().classes()):
            left = MARGIN + number * (PANEL[0] + GAP) + (place // 3) * PANEL[0] / 2
            top = TOP + PANEL[1] + 3 + (place % 3) * 5.5
            swatch = QgsLayoutItemShape(self.layout)
            swatch.setShapeType(QgsLayoutItemShape.Shape.Rectangle)
            color, edge = entry.color.name(), PALE.name()
            swatch.setSymbol(
                QgsFillSymbol.createSimple(
                    {"color": color, "outline_color": edge, "outline_width": "0.1"}
                )
            )
            self._place(swatch, left, top, 5.5, 3.6)
            self.text(entry.label, left + 7.5, top - 0.4, PANEL[0] / 2 - 8, 8.5, INK)

    def ramp_legend(self, number: int, layer: QgsRasterLayer) -> None:
        """Draw a colour ramp and its ends under their panel."""
        legend = QgsLayoutItemLegend(self.layout)
        legend.setAutoUpdateModel(False)
        group = legend.model().rootGroup()
        group.removeAllChildren()
        node = group.addLayer(layer)
        QgsLegendRenderer.setNodeLegendStyle(node, QgsLegendStyle.Style.Hidden)
        last = len(legend.model().layerLegendNodes(node)) - 1
        QgsMapLayerLegendUtils.setLegendNodeOrder(node, [last])  # not the band's name
        legend.model().refreshLayerLegend(node)
        legend.setBoxSpace(0)
        legend.setStyleFont(QgsLegendStyle.Style.SymbolLabel, font(8.5, False))
        legend.setBackgroundEnabled(False)
        self._place(legend, MARGIN + number * (PANEL[0] + GAP), TOP + PANEL[1] + 3, PANEL[0], 18)

    def scale_bar(self, panel: QgsLayoutItemMap) -> None:
        """Draw one kilometre under the first panel."""
        bar = QgsLayoutItemScaleBar(self.layout)
        bar.setLinkedMap(panel)
        bar.setStyle("Line Ticks Up")
        bar.setUnits(QgsUnitTypes.DistanceUnit.DistanceKilometers)
        bar.setUnitLabel("km")
        bar.setUnitsPerSegment(1)
        bar.setNumberOfSegments(1)
        bar.setNumberOfSegmentsLeft(0)
        text = QgsTextFormat()
        text.setFont(font(8, False))
        text.setSize(8)
        text.setColor(INK)
        bar.setTextFormat(text)
        bar.setHeight(1.6)
        bar.setBoxContentSpace(0)
        bar.setBackgroundEnabled(False)
        self._place(bar, MARGIN, TOP + PANEL[1] + 2.5, 40, 10)

    def export(self, path: Path) -> None:
        """Write the sheet as a PNG."""
        image = QgsLayoutExporter(self.layout).renderPageToImage(0, QSize(), 150)
        if not image.save(str(path)):
            sys.exit(f"The picture {path} cannot be written.")


def font(size: float, bold: bool) -> QFont:
    """Return the sheet's font in points."""
    made = QFont("DejaVu Sans")
    made.setPointSizeF(size)
    made.setBold(bold)
    return made


def accuracy_line(accuracy: dict) -> str:
    """Say the accuracy and the best baseline's in one line."""
    best = max(accuracy["baselines"], key=lambda b: b["overall"])
    return (
        f"On the validation polygons: overall accuracy {accuracy['overall']:.1%}, "
        f"average {accuracy['average']:.1%}, kappa {accuracy['kappa']:.3f}   "
        f"(best spectral baseline, {best['title']}: {best['overall']:.1%}, "
        f"{best['average']:.1%}, {best['kappa']:.3f})"
    )


def main() -> None:
    """Make potsdam.qgz and map.png in the folder."""
    folder = Path(sys.argv[1]).resolve()
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    application = QgsApplication([], False)
    application.initQgis()
    layers = load_layers(folder)
    project = make_project(layers)
    sheet = Sheet(project, "Map")
    width = PAGE[0] - 2 * MARGIN
    sheet.text("EnMAP scene of Potsdam, classified by MTMSD", MARGIN, 5, width, 14, INK)
    sheet.text(accuracy_line(results["accuracy"]), MARGIN, 12, width, 8.5, PALE)
    scene, training = layers["EnMAP scene"], layers["Training polygons"]
    first = sheet.panel(0, "Scene in true colour, training polygons", [training, scene])
    sheet.panel(1, "Class map", [layers["Class map"]])
    sheet.panel(2, "Confidence", [layers["Confidence"]])
    sheet.scale_bar(first)
    sheet.class_legend(1, layers["Class map"])
    sheet.ramp_legend(2, layers["Confidence"])
    sheet.text(CREDIT, MARGIN, PAGE[1] - 8, width, 6.5, PALE)
    sheet.export(folder / "map.png")
    if not project.write(str(folder / "potsdam.qgz")):
        sys.exit(f"The project cannot be written: {project.error()}")
    project.clear()
    application.exitQgis()


if __name__ == "__main__":
    main()
