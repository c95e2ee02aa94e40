"""How a finished map is looked at: opacity, beside the scene, confidence, legend."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsMapLayer, QgsProject, QgsRasterLayer
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QHideEvent
from qgis.PyQt.QtWidgets import QCheckBox, QSizePolicy, QSlider, QVBoxLayout, QWidget

from ....processing.styling import layer_title, style_confidence
from ....state import layers
from ....state.layer_roles import CONFIDENCE, MAP, role
from ....state.paths import same_file, there
from ....state.workspace import Workspace
from ...widgets.flow import Flow
from ...widgets.section import caption, row
from ...widgets.state_line import StateLine
from .comparison import Comparison
from .legend import MapLegend
from .map_kind import kind_text


class MapView(QWidget):
    """Controls of the newest map layer, and its ``legend``, which is placed by the section."""

    def __init__(
        self, workspace: Workspace, canvas: QgsMapCanvas, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._kind = StateLine(2, self.tr("What the map was made with"))
        self._kind.setObjectName("mtmsdMapKind")
        self._opacity = QSlider(Qt.Orientation.Horizontal)
        self._opacity.setObjectName("mtmsdOpacity")
        self._opacity.setRange(0, 100)
        self._opacity.setValue(100)
        self._opacity.setToolTip(self.tr("Opacity of the map over the scene"))
        self._opacity.valueChanged.connect(self._set_opacity)
        self.comparison = Comparison(canvas, self)
        self._confidence = QCheckBox(self.tr("Con&fidence"))
        self._confidence.setObjectName("mtmsdConfidence")
        self._confidence.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._confidence.setToolTip(self.tr("Map Scene writes the confidence too."))
        self._confidence.toggled.connect(self._set_confidence)
        self.legend = MapLegend()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self._kind)
        layout.addLayout(row(caption(self.tr("Opacit&y"), self._opacity), self._opacity, stretch=1))
        compared = self.comparison
        layout.addLayout(Flow(self._confidence, compared.flicker_button, compared.swipe_button))
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Follow the layers of the project."""
        layer = self.layer()
        self.legend.follow(layer)
        self.comparison.follow(layer)
        for control in (self._opacity, self._confidence):
            control.setEnabled(layer is not None)
        self._kind.setText(self._kind_of(layer) if layer is not None else "")
        if layer is None:
            return
        self._opacity.blockSignals(True)
        self._opacity.setValue(round(100 * layer.opacity()))
        self._opacity.blockSignals(False)
        path = there(self._workspace.state.confidence)
        nodes = [node for node in map(layers.node, self._confidences()) if node is not None]
        self._confidence.blockSignals(True)
        self._confidence.setChecked(any(node.itemVisibilityChecked() for node in nodes))
        self._confidence.blockSignals(False)
        self._confidence.setEnabled(path is not None)
        self._confidence.setToolTip(
            self.tr("Show how sure the classifier is, from 0 to 1")
            if path is not None
            else self.tr("Map Scene writes the confidence too.")
        )

    def _kind_of(self, shown: QgsRasterLayer) -> str:
        layers_here = QgsProject.instance().mapLayers().values()
        mine = (x for x in layers_here if role(x) == MAP and self._workspace.is_of_scene(x))
        others = [layer.source() for layer in mine if layer is not shown]
        has_model = there(self._workspace.state.model) is not None
        return kind_text(shown.source(), others, has_model)

    def _confidences(self) -> list[QgsMapLayer]:
        """Return the layers of confidence that the dock made for this scene."""
        made = QgsProject.instance().mapLayers().values()
        return [x for x in made if role(x) == CONFIDENCE and self._workspace.is_of_scene(x)]

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody compares the map with the scene any more."""
        self.comparison.end()
        super().hideEvent(event)

    def layer(self) -> QgsRasterLayer | None:
        """Return the scene's map that is looked at."""
        return layers.shown_map(self._workspace)

    # what is pressed

    def _set_opacity(self, percent: int) -> None:
        layer = self.layer()
        if layer is not None:
            layer.setOpacity(percent / 100)
            layer.triggerRepaint()

    def _set_confidence(self, on: bool) -> None:
        project = QgsProject.instance()
        path = there(self._workspace.state.confidence)
        for layer in self._confidences():
            node = layers.node(layer)
            if path is None or not same_file(layer.source(), path):
                project.removeMapLayer(layer.id())
            elif node is not None:
                node.setItemVisibilityChecked(on)
                return
        if not on or path is None:
            return
        layer = QgsRasterLayer(
            str(path), layer_title(self.tr("Confidence"), self._workspace.scene.name())
        )
        style_confidence(layer)
        layers.add(layer, CONFIDENCE, above=self.layer())
        self.refresh()  # what followed the new layer came before its place in the tree
