"""Are training polygons seen on any map, also on one of their own class's colour."""

from __future__ import annotations

import numpy as np
import pytest
from qgis.core import (
    QgsFeature,
    QgsFillSymbol,
    QgsGeometry,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor

from mtmsd_qgis.state.training.classes import PALETTE, LandClass
from mtmsd_qgis.state.training.training_style import restyle, symbol_of

SIDE = 60
OUTLINE = 20
"""The polygon's left edge, pixels."""


def layer_of(color: str) -> QgsVectorLayer:
    layer = QgsVectorLayer("Polygon?crs=EPSG:32633&field=class_id:integer", "", "memory")
    feature = QgsFeature(layer.fields())
    feature.setGeometry(QgsGeometry.fromRect(QgsRectangle(OUTLINE, 20, 40, 40)))
    feature.setAttribute(0, 1)
    layer.dataProvider().addFeature(feature)
    restyle(layer, [LandClass(1, "grass", color)], [])
    return layer


def lightness(layer: QgsVectorLayer, ground: str) -> tuple[np.ndarray, np.ndarray]:
    """Render over a ground of one colour; return lightness and colour of the middle row."""
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(layer.crs())
    settings.setExtent(QgsRectangle(0, 0, SIDE, SIDE))
    settings.setOutputSize(QSize(SIDE, SIDE))
    settings.setBackgroundColor(QColor(ground))
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    picture = job.renderedImage()
    row = [picture.pixelColor(x, SIDE // 2) for x in range(SIDE)]
    rgb = np.array([(c.red(), c.green(), c.blue()) for c in row], float)
    return rgb @ [0.299, 0.587, 0.114], rgb


@pytest.mark.parametrize("color", [*PALETTE, "#ffffff", "#000000", "#808080"])
def test_a_polygon_on_a_map_of_its_own_colour_has_light_and_dark_in_its_outline(color):
    light, _ = lightness(layer_of(color), color)
    ground = light[2]
    edge = light[OUTLINE - 4 : OUTLINE + 5]
    assert max(edge.max() - ground, ground - edge.min()) > 90, f"{edge} on {ground}"
    assert edge.max() - edge.min() > 110, f"no dark line beside a light one: {edge}"
    assert abs(light[30] - ground) < 2, "the map inside is painted over"


@pytest.mark.parametrize("ground", ["#ffffff", "#000000", "#808080", "#33a02c"])
def test_the_class_is_told_by_the_colour_of_the_outline_on_other_grounds(ground):
    _, rgb = lightness(layer_of("#e31a1c"), ground)
    apart = np.abs(rgb[OUTLINE - 4 : OUTLINE + 5] - (0xE3, 0x1A, 0x1C)).max(axis=1)
    assert apart.min() < 60, f"no red in the outline: {rgb[OUTLINE - 4 : OUTLINE + 5]}"


def test_polygons_of_an_earlier_version_get_the_outline_and_the_users_own_do_not():
    layer = layer_of("#33a02c")
    old = {"color": "51,160,44,90", "outline_color": "#33a02c", "outline_width": "0.5"}
    layer.renderer().updateCategorySymbol(0, QgsFillSymbol.createSimple(old))
    grass = [LandClass(1, "grass", "#33a02c")]
    restyle(layer, grass, grass)
    category = layer.renderer().categories()[0]
    assert category.symbol().symbolLayerCount() == symbol_of("#33a02c").symbolLayerCount() == 3
    layer.renderer().updateCategorySymbol(0, QgsFillSymbol.createSimple(old | {"style": "cross"}))
    restyle(layer, grass, grass)
    category = layer.renderer().categories()[0]
    assert category.symbol().symbolLayerCount() == 1, "the user's own symbol was replaced"


def test_an_outline_that_the_user_changed_stays_and_the_halo_keeps_its_colour():
    layer = layer_of("#33a02c")
    category = layer.renderer().categories()[0]
    mine = category.symbol().clone()
    mine.symbolLayer(2).setWidth(0.9)
    layer.renderer().updateCategorySymbol(0, mine)
    restyle(layer, [LandClass(1, "grass", "#123456")], [LandClass(1, "grass", "#33a02c")])
    category = layer.renderer().categories()[0]
    symbol = category.symbol()
    assert symbol.symbolLayer(2).width() == 0.9
    assert symbol.color().name() == "#123456"
    colors = [symbol.symbolLayer(index).color().name() for index in (1, 2)]
    assert colors == ["#ffffff", "#202020"], "the halo was recoloured"
