"""Classes of a map layer hidden or made see-through; all else that the user styled stays."""

from __future__ import annotations

from collections.abc import Mapping

from qgis.core import QgsPalettedRasterRenderer, QgsRasterLayer
from qgis.PyQt.QtGui import QColor

from ..processing.styling import class_entries, style_class_map

BEFORE = "mtmsd/alpha/{}"
"""Custom property of a layer: the opacity of a class before it was hidden."""


def class_colors(layer: QgsRasterLayer) -> dict[int, QColor] | None:
    """Return the colour of each class, with its opacity; None where the style has no classes."""
    renderer = layer.renderer()
    if not isinstance(renderer, QgsPalettedRasterRenderer):
        return None
    return {int(c.value): c.color for c in renderer.classes()}


def set_opacity(layer: QgsRasterLayer, opacities: Mapping[int, float]) -> None:
    """Give classes an opacity, 0 to 1."""
    known = class_colors(layer) or {}
    colors = {value: QColor(known[value]) for value in opacities if value in known}
    for value, color in colors.items():
        color.setAlphaF(opacities[value])
    _recolor(layer, colors)


def set_visible(layer: QgsRasterLayer, visible: Mapping[int, bool]) -> None:
    """Show classes, as opaque as they were, or hide them."""
    opacities = {}
    for value, color in (class_colors(layer) or {}).items():
        name = BEFORE.format(value)
        if visible.get(value, color.alpha() > 0) == (color.alpha() > 0):
            continue
        if visible[value]:
            opacities[value] = float(layer.customProperty(name, 1.0))
            layer.removeCustomProperty(name)
        else:
            layer.setCustomProperty(name, color.alphaF())
            opacities[value] = 0.0
    set_opacity(layer, opacities)


def replace_file(layer: QgsRasterLayer, path: str) -> None:
    """Show another class map in the layer, with what the user had changed of its style."""
    before = layer.renderer().clone()
    then = {value: QColor(color) for value, _, color in class_entries(layer.source())}
    layer.setDataSource(path, layer.name(), "gdal")
    if then and not isinstance(before, QgsPalettedRasterRenderer):
        before.setInput(layer.dataProvider())
        layer.setRenderer(before)
        return
    style_class_map(layer)
    now, kept = class_colors(layer) or {}, {}
    for shown in before.classes() if then else ():
        value, color = int(shown.value), QColor(shown.color)
        if value in now and color != then.get(value):
            if color.rgb() == then.get(value, color).rgb():  # but for its opacity
                color = QColor(now[value])
                color.setAlpha(shown.color.alpha())
            kept[value] = color
    _recolor(layer, kept)


def _recolor(layer: QgsRasterLayer, colors: Mapping[int, QColor]) -> None:
    renderer = layer.renderer()
    if not colors or not isinstance(renderer, QgsPalettedRasterRenderer):
        return
    classes = [
        QgsPalettedRasterRenderer.Class(c.value, colors.get(int(c.value), c.color), c.label)
        for c in renderer.classes()
    ]
    new = QgsPalettedRasterRenderer(layer.dataProvider(), renderer.band(), classes)
    new.copyCommonProperties(renderer)
    ramp = renderer.sourceColorRamp()
    if ramp is not None:
        new.setSourceColorRamp(ramp.clone())
    layer.setRenderer(new)
    layer.triggerRepaint()
