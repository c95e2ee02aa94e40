"""How training polygons are drawn: each class in its colour; what the user changed stays."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsFillSymbol,
    QgsRendererCategory,
    QgsSimpleLineSymbolLayer,
    QgsSymbol,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

from ...common.translation import tr
from .classes import LandClass
from .training_file import VALUE

STYLED = "mtmsd/styled"
"""Custom property of a layer that was given its first style: another one is the user's."""


GREY = "#808080"
HALO, INK = "#ffffff", "#202020"


def restyle(
    layer: QgsVectorLayer,
    classes: Sequence[LandClass],
    before: Sequence[LandClass],
    *,
    classless: bool = False,
) -> None:
    """Draw each class in its colour, under its name.

    Symbols and legend texts that are not as this function makes them are the user's: they stay,
    but for the colour of a class that was recoloured. A renderer of another kind stays whole.

    Parameters
    ----------
    before : sequence of LandClass
        The classes as they were when the layer was last styled.
    classless : bool
        Whether there are polygons without a class, which are drawn in grey.
    """
    renderer = layer.renderer()
    is_by_class = isinstance(renderer, QgsCategorizedSymbolRenderer) and (
        renderer.classAttribute().strip('"') == VALUE
    )
    categories: list[QgsRendererCategory] = renderer.categories() if is_by_class else []
    if not is_by_class and layer.customProperty(STYLED):
        return
    known = {category.value(): category for category in categories}
    then = {c.value: c for c in before}
    new = [_category(c, known.get(c.value), then.get(c.value)) for c in classes]
    values = {c.value for c in (*classes, *before)}
    own = [QgsRendererCategory(c) for value, c in known.items() if value not in values]
    if classless and None not in known:
        own.append(QgsRendererCategory(None, symbol_of(GREY), tr("No class")))
    if is_by_class and [c.dump() for c in (*new, *own)] == [c.dump() for c in categories]:
        return  # a renderer that is set marks the project as changed
    layer.setCustomProperty(STYLED, True)
    layer.setRenderer(QgsCategorizedSymbolRenderer(VALUE, [*new, *own]))


def _category(
    land_class: LandClass, known: QgsRendererCategory | None, then: LandClass | None
) -> QgsRendererCategory:
    if known is None:
        return QgsRendererCategory(land_class.value, symbol_of(land_class.color), land_class.name)
    symbol = known.symbol().clone()
    if _is_plain(symbol):
        symbol = symbol_of(land_class.color)
    elif then is not None and then.color != land_class.color:
        color = QColor(land_class.color)
        color.setAlpha(symbol.color().alpha())
        symbol.setColor(color)
    is_own_text = then is not None and known.label() != then.name
    label = known.label() if is_own_text else land_class.name
    return QgsRendererCategory(land_class.value, symbol, label, known.renderState())


def symbol_of(color: str) -> QgsFillSymbol:
    """Return the symbol of a class: a thin veil of it within an outline seen on any ground.

    A dark line on a light one lies in the middle of the wide outline in the colour of the class.
    """
    symbol = _veiled(color, "1.7")
    for ink, width in ((HALO, "1.0"), (INK, "0.5")):
        line = QgsSimpleLineSymbolLayer.create({"line_color": ink, "line_width": width})
        line.setLocked(True)  # another colour for the symbol is one for the class
        symbol.appendSymbolLayer(line)
    return symbol


def _veiled(color: str, width: str) -> QgsFillSymbol:
    fill = QColor(color)
    return QgsFillSymbol.createSimple(
        {
            "color": f"{fill.red()},{fill.green()},{fill.blue()},90",
            "outline_color": color,
            "outline_width": width,
        }
    )


def _is_plain(symbol: QgsSymbol) -> bool:
    """Whether a symbol is one of :func:`symbol_of`, or as earlier versions made them."""
    if not hasattr(symbol.symbolLayer(0), "strokeColor"):
        return False
    color = symbol.symbolLayer(0).strokeColor().name()
    return _shown(symbol) in (_shown(symbol_of(color)), _shown(_veiled(color, "0.5")))


def _shown(symbol: QgsSymbol) -> tuple[float, list[tuple[bool, dict[str, str]]]]:
    layers = symbol.symbolLayers()
    return symbol.opacity(), [(layer.enabled(), layer.properties()) for layer in layers]
