"""The classes of a map with pixels and areas; each can be hidden or made see-through."""

from __future__ import annotations

from functools import partial
from typing import Any

from qgis.core import QgsRasterLayer
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QPoint, Qt
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QMenu,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from ....common.numbers import number, percent
from ....processing.styling import class_entries, shown_names
from ....state.map_classes import class_colors, set_opacity, set_visible
from ...widgets.section import color_icon, keep_place
from .areas import area_text, pixel_area

ROW_HEIGHT = 22
SHOWN_CLASSES = 6
"""More are scrolled to, so that what is below stays where it is."""
OPACITIES = (1.0, 0.75, 0.5, 0.25)
VALUE_ROLE = Qt.ItemDataRole.UserRole


class MapLegend(QTableWidget):
    """A row a class: shown or not, colour, name, pixels, area."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 4, parent)
        self._layer: QgsRasterLayer | None = None
        self._filling = False
        self.setObjectName("mtmsdLegend")
        self.setHorizontalHeaderLabels(["", self.tr("Class"), self.tr("Pixels"), self.tr("Area")])
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setMinimumSectionSize(24)
        for column in (0, 2, 3):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setToolTip(
            self.tr("Pixels and area of each class in the map; right click: hide it, its opacity")
        )
        line = self.fontMetrics().height() + 12  # the header's hint is too small while it is hidden
        self.setFixedHeight(line + ROW_HEIGHT * SHOWN_CLASSES)
        keep_place(self)
        self.itemChanged.connect(self._checked)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._ask)

    def follow(self, layer: QgsRasterLayer | None) -> None:
        """Show which classes of this layer are seen; it is hidden, but for its place, without."""
        self.setVisible(layer is not None)
        if layer is not self._layer:
            if self._layer is not None and not sip.isdeleted(self._layer):
                self._layer.rendererChanged.disconnect(self._show_style)
            if layer is not None:
                layer.rendererChanged.connect(self._show_style)
            self._layer = layer
        self._show_style()

    def show_counts(self, pixels: dict[str, int]) -> None:
        """Show pixels (by class name) and areas."""
        layer = self._layer
        if layer is None:
            return
        values = {name: value for value, name, _ in class_entries(layer.source())}
        shown = shown_names(layer.source())
        each = pixel_area(layer)
        self._filling = True
        self.setRowCount(len(pixels))
        for index, (written, count) in enumerate(pixels.items()):
            name = shown.get(written, written)
            swatch = QTableWidgetItem()
            swatch.setData(VALUE_ROLE, values.get(name))
            cells = [swatch, QTableWidgetItem(name), QTableWidgetItem(number(count))]
            cells.append(QTableWidgetItem(area_text(count * each) if each else ""))
            for column, cell in enumerate(cells):
                if column > 1:
                    right = int(Qt.AlignmentFlag.AlignRight) | int(Qt.AlignmentFlag.AlignVCenter)
                    cell.setTextAlignment(right)
                self.setItem(index, column, cell)
        self._filling = False
        self._show_style()

    def _show_style(self) -> None:
        """Show colours and boxes as the layer is drawn now; without classes there are no boxes."""
        layer = self._layer
        if layer is None:
            return
        noted = {value: color for value, _, color in class_entries(layer.source())}
        colors, enabled = class_colors(layer), Qt.ItemFlag.ItemIsEnabled
        self._filling = True
        for index in range(self.rowCount()):
            swatch = self.item(index, 0)
            value = swatch.data(VALUE_ROLE)
            known = colors is not None and value in colors
            color = colors[value].name() if known else noted.get(value, "#888888")
            swatch.setIcon(color_icon(color))
            if not known:
                swatch.setData(Qt.ItemDataRole.CheckStateRole, None)
                swatch.setFlags(enabled)
                swatch.setToolTip(self.tr("The map has a style of your own, without classes."))
                continue
            is_seen = colors[value].alpha() > 0
            swatch.setFlags(enabled | Qt.ItemFlag.ItemIsUserCheckable)
            swatch.setCheckState(Qt.CheckState.Checked if is_seen else Qt.CheckState.Unchecked)
            said = percent(colors[value].alphaF(), 0)
            swatch.setToolTip(self.tr("Show the class in the map; its opacity: {}").format(said))
        self._filling = False

    # what is pressed

    def _checked(self, item: QTableWidgetItem) -> None:
        value = item.data(VALUE_ROLE)
        if not self._filling and item.column() == 0 and value is not None and self._layer:
            set_visible(self._layer, {value: item.checkState() == Qt.CheckState.Checked})

    def _ask(self, place: QPoint) -> None:
        index = self.rowAt(place.y())
        value = self.item(index, 0).data(VALUE_ROLE) if index >= 0 else None
        colors = class_colors(self._layer) if self._layer is not None else None
        if colors is not None and value in colors:
            menu = self._menu(value, colors)
            menu.popup(self.viewport().mapToGlobal(place))

    def _menu(self, value: int, colors: dict[int, Any]) -> QMenu:
        """Return what can be done to a class; the menu is deleted once it closes."""
        menu = QMenu(self)
        menu.setObjectName("mtmsdLegendMenu")
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        layer, is_seen = self._layer, colors[value].alpha() > 0
        only = {other: other == value for other in colors}
        for text, visible in (
            (self.tr("Hide the Class") if is_seen else self.tr("Show the Class"),
             {value: not is_seen}),
            (self.tr("Show Only This Class"), only),
            (self.tr("Show All Classes"), dict.fromkeys(colors, True)),
        ):  # fmt: skip
            action = menu.addAction(text)
            action.triggered.connect(partial(_call, set_visible, layer, visible))
        menu.addSeparator()
        for opacity in OPACITIES:
            action = menu.addAction(self.tr("Opacity {}").format(percent(opacity, 0)))
            action.setCheckable(True)
            action.setChecked(abs(colors[value].alphaF() - opacity) < 0.01)
            action.triggered.connect(partial(_call, set_opacity, layer, {value: opacity}))
        return menu


def _call(change: Any, layer: QgsRasterLayer, what: Any, _on: bool = False) -> None:
    """Change a layer, unless it left while the menu was open."""
    if not sip.isdeleted(layer):
        change(layer, what)
