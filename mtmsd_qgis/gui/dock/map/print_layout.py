"""A print layout of a class map: legend with areas, scale bar, north, accuracy, attribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qgis.core import (
    QgsFillSymbol,
    QgsLayoutExporter,
    QgsLayoutItem,
    QgsLayoutItemLabel,
    QgsLayoutItemMap,
    QgsLayoutItemPicture,
    QgsLayoutItemScaleBar,
    QgsLayoutItemShape,
    QgsLayoutPoint,
    QgsLayoutSize,
    QgsPrintLayout,
    QgsProject,
    QgsRasterLayer,
    QgsUnitTypes,
)
from qgis.PyQt.QtGui import QColor, QFont

from ....common.translation import tr
from ....processing.styling import distinct

PAGE = (297.0, 210.0)
MARGIN, MAP_TOP, MAP_SIZE = 10.0, 22.0, (200.0, 168.0)
SIDE = MARGIN + MAP_SIZE[0] + 6.0
ROW, LEGEND_HEIGHT = 6.0, 112.0
INK, PALE = "#222222", "#5f6368"
NORTH = ":/images/north_arrows/layout_default_north_arrow.svg"
DPI = 300


@dataclass(frozen=True)
class LegendRow:
    """A class of the map: colour, name, area as a text with its unit."""

    color: str
    name: str
    area: str


def make_layout(
    project: QgsProject,
    title: str,
    layer: QgsRasterLayer,
    under: Sequence[QgsRasterLayer],
    legend: Sequence[LegendRow],
    notes: Sequence[str],
) -> QgsPrintLayout:
    """Add a layout to the project, under a name that no other has, and return it.

    Parameters
    ----------
    layer : QgsRasterLayer
        The class map; all of it is shown.
    under : sequence of QgsRasterLayer
        Drawn below it, such as the scene.
    notes : sequence of str
        Lines at the foot: accuracy, attribution.
    """
    layout = QgsPrintLayout(project)
    layout.initializeDefaults()
    manager = project.layoutManager()
    layout.setName(distinct(title, {other.name() for other in manager.printLayouts()}))
    layout.pageCollection().page(0).setPageSize(QgsLayoutSize(*PAGE))
    sheet = _Sheet(layout)
    sheet.text(title, MARGIN, 8, PAGE[0] - 2 * MARGIN, 15, bold=True)
    shown = sheet.map([layer, *under])
    sheet.legend(legend)
    sheet.scale_bar(shown)
    sheet.north(shown)
    for place, note in enumerate(notes):
        top = MAP_TOP + MAP_SIZE[1] + 3 + 5 * place
        sheet.text(note, MARGIN, top, PAGE[0] - 2 * MARGIN, 8, color=PALE)
    manager.addLayout(layout)
    return layout


def export(layout: QgsPrintLayout, path: Path) -> bool:
    """Write the layout as PDF or PNG, by the ending; return whether that worked."""
    exporter = QgsLayoutExporter(layout)
    if path.suffix.lower() == ".pdf":
        done = exporter.exportToPdf(str(path), QgsLayoutExporter.PdfExportSettings())
    else:
        settings = QgsLayoutExporter.ImageExportSettings()
        settings.dpi = DPI
        done = exporter.exportToImage(str(path), settings)
    return done == QgsLayoutExporter.ExportResult.Success


class _Sheet:
    """Puts the items on the page, in millimetres."""

    def __init__(self, layout: QgsPrintLayout) -> None:
        self._layout = layout

    def _place(
        self, item: QgsLayoutItem, left: float, top: float, width: float, height: float
    ) -> None:
        self._layout.addLayoutItem(item)
        item.attemptMove(QgsLayoutPoint(left, top))
        item.attemptResize(QgsLayoutSize(width, height))

    def text(
        self,
        text: str,
        left: float,
        top: float,
        width: float,
        size: float,
        *,
        color: str = INK,
        bold: bool = False,
    ) -> None:
        label = QgsLayoutItemLabel(self._layout)
        label.setText(text)
        font = QFont()
        font.setPointSizeF(size)
        font.setBold(bold)
        label.setFont(font)
        label.setFontColor(QColor(color))
        label.setMarginX(0)
        self._place(label, left, top, width, size * 0.6)

    def map(self, layers: list[QgsRasterLayer]) -> QgsLayoutItemMap:
        item = QgsLayoutItemMap(self._layout)
        self._place(item, MARGIN, MAP_TOP, *MAP_SIZE)
        item.setId("map")
        item.setCrs(layers[0].crs())
        item.setLayers(layers)
        item.setKeepLayerSet(True)
        item.setExtent(layers[0].extent())  # which fits the item to it, so once more:
        item.attemptResize(QgsLayoutSize(*MAP_SIZE))
        item.zoomToExtent(layers[0].extent())
        item.setFrameEnabled(True)
        return item

    def legend(self, rows: Sequence[LegendRow]) -> None:
        """Draw a swatch, the name and the area of each class; many are drawn smaller."""
        width = PAGE[0] - SIDE - MARGIN
        self.text(tr("Classes and areas"), SIDE, MAP_TOP, width, 10, bold=True)
        step = min(ROW, LEGEND_HEIGHT / max(1, len(rows)))
        size = min(9.0, step * 1.45)
        for place, entry in enumerate(rows):
            top = MAP_TOP + 7 + place * step
            swatch = QgsLayoutItemShape(self._layout)
            swatch.setShapeType(QgsLayoutItemShape.Shape.Rectangle)
            style = {"color": entry.color, "outline_color": PALE, "outline_width": "0.1"}
            swatch.setSymbol(QgsFillSymbol.createSimple(style))
            self._place(swatch, SIDE, top, 6, step * 0.7)
            self.text(entry.name, SIDE + 8, top - 0.2, width - 30, size)
            self.text(entry.area, PAGE[0] - MARGIN - 21, top - 0.2, 21, size)

    def scale_bar(self, shown: QgsLayoutItemMap) -> None:
        bar = QgsLayoutItemScaleBar(self._layout)
        bar.setLinkedMap(shown)
        bar.applyDefaultSize(QgsUnitTypes.DistanceUnit.DistanceMeters)
        bar.setStyle("Single Box")
        self._place(bar, SIDE, MAP_TOP + MAP_SIZE[1] - 16, PAGE[0] - SIDE - MARGIN, 14)

    def north(self, shown: QgsLayoutItemMap) -> None:
        arrow = QgsLayoutItemPicture(self._layout)
        arrow.setPicturePath(NORTH)
        arrow.setLinkedMap(shown)
        arrow.setNorthMode(QgsLayoutItemPicture.NorthMode.TrueNorth)
        self._place(arrow, SIDE, MAP_TOP + MAP_SIZE[1] - 42, 20, 22)
