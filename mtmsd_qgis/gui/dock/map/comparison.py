"""The map compared with the scene below it: in turn, or side by side."""

from __future__ import annotations

from qgis.core import QgsMapLayer, QgsProject
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QObject, QTimer
from qgis.PyQt.QtWidgets import QToolButton

from ...map_tools.swipe import Swipe

FLICKER_MS = 700


class Comparison(QObject):
    """The buttons *Flicker* and *Swipe*, of which one at most is on."""

    def __init__(self, canvas: QgsMapCanvas, parent: QObject) -> None:
        super().__init__(parent)
        self._layer_id = ""
        self._swipe = Swipe(canvas, self)
        self.flicker_button = self._button("mtmsdFlicker", self.tr("Flic&ker"))
        self.flicker_button.toggled.connect(self._set_flicker)
        self.swipe_button = self._button("mtmsdSwipe", self.tr("Swipe"))
        self.swipe_button.toggled.connect(self._set_swipe)
        self._timer = QTimer(self)
        self._timer.setInterval(FLICKER_MS)
        self._timer.timeout.connect(self._swap)

    def _button(self, name: str, text: str) -> QToolButton:
        button = QToolButton()
        button.setObjectName(name)
        button.setText(text)
        button.setCheckable(True)
        return button

    def follow(self, layer: QgsMapLayer | None) -> None:
        """Compare this layer from now on; what is on with another one ends."""
        layer_id = layer.id() if layer is not None else ""
        if layer_id != self._layer_id:
            self.end()
            self._layer_id = layer_id
        first = self.tr("Map Scene comes first.")
        for button, tip in (
            (self.flicker_button, self.tr("Show the map and the scene in turn")),
            (self.swipe_button, self.tr("A line in the map window parts the map from the scene")),
        ):
            button.setEnabled(bool(layer_id))
            button.setToolTip(tip if layer_id else first)

    def end(self) -> None:
        """Show the map as it was."""
        self.flicker_button.setChecked(False)
        self.swipe_button.setChecked(False)

    def _set_flicker(self, on: bool) -> None:
        if on:
            self.swipe_button.setChecked(False)
            self._timer.start()
        else:
            self._timer.stop()
            self._show_layer(True)

    def _set_swipe(self, on: bool) -> None:
        if on:
            self.flicker_button.setChecked(False)
            self._show_layer(True)
            self._swipe.begin(self._layer_id)
        else:
            self._swipe.end()

    def _swap(self) -> None:
        node = QgsProject.instance().layerTreeRoot().findLayer(self._layer_id)
        if node is None:
            self.flicker_button.setChecked(False)
        else:
            self._show_layer(not node.itemVisibilityChecked())

    def _show_layer(self, on: bool) -> None:
        node = QgsProject.instance().layerTreeRoot().findLayer(self._layer_id)
        if node is not None:
            node.setItemVisibilityChecked(on)
