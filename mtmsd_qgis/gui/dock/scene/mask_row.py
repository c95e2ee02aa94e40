"""What is left out of the scene: a layer of clouds, shadow or water, or the product's masks."""

from __future__ import annotations

from pathlib import Path

from qgis.core import Qgis, QgsMapLayerProxyModel, QgsProject
from qgis.gui import QgsMapLayerComboBox
from qgis.PyQt.QtWidgets import QHBoxLayout, QLineEdit, QWidget

from ....state.paths import file_of
from ....state.scene_mask import mask_layer
from ....state.workspace import Workspace


class MaskRow(QWidget):
    """Chooser of the mask, and which bits or values of it count; kept with the scene."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._combo = QgsMapLayerComboBox()
        self._combo.setObjectName("mtmsdMaskLayer")
        self._combo.setFilters(
            QgsMapLayerProxyModel.Filter.RasterLayer | QgsMapLayerProxyModel.Filter.PolygonLayer
        )
        self._combo.setAllowEmptyLayer(True, self.tr("No mask"))
        self._combo.setMinimumWidth(80)
        self._combo.setToolTip(
            self.tr(
                "Clouds, shadow, water to leave out: polygons, a raster on the scene's grid (all "
                "but 0), or the masks that come with a scene of EnMAP, EMIT or PRISMA"
            )
        )
        self._combo.activated.connect(self._chosen)
        self._choice = QLineEdit()
        self._choice.setObjectName("mtmsdMaskChoice")
        self._choice.setPlaceholderText("bits=10,11")
        self._choice.setMinimumWidth(60)
        self._choice.setToolTip(
            self.tr("What of a raster mask is meant: bits=10,11 or values=3,8; empty: all but 0")
        )
        self._choice.editingFinished.connect(
            lambda: workspace.change(mask_choice=self._choice.text().strip())
        )
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo, 1)
        layout.addWidget(self._choice)
        workspace.scene_changed.connect(self._show)
        workspace.mask_changed.connect(self._show)
        QgsProject.instance().layersAdded.connect(self._show)
        QgsProject.instance().layersRemoved.connect(self._show)
        self._show()

    def release(self) -> None:
        """Let go of QGIS's signals."""
        QgsProject.instance().layersAdded.disconnect(self._show)
        QgsProject.instance().layersRemoved.disconnect(self._show)

    def _chosen(self, _index: int) -> None:
        layer, text = self._combo.currentLayer(), self._combo.currentText()
        if layer is not None and not Path(file_of(layer.source())).is_file():
            self._workspace.said.emit(
                self.tr(
                    "A mask is remembered by its file, and the layer {} has none; save it as one."
                ).format(layer.name()),
                Qgis.MessageLevel.Warning,
            )
            self._show()
        elif layer is not None:
            self._workspace.change(mask=Path(layer.source()), product_masks=False)
        elif text in (self._product(), self.tr("No mask"), ""):
            product = text == self._product()
            self._workspace.change(mask=None, mask_choice="", product_masks=product)

    def _show(self, *_: object) -> None:
        state, scene = self._workspace.state, self._workspace.scene
        layer = mask_layer(state)
        lost = [state.mask.name] if state.mask is not None and layer is None else []
        self._combo.blockSignals(True)
        self._combo.setExceptedLayerList([scene] if scene is not None else [])
        self._combo.setAdditionalItems([self._product(), *lost])
        self._combo.setLayer(layer)
        if layer is None:
            words = lost or [self._product() if state.product_masks else self.tr("No mask")]
            self._combo.setCurrentIndex(self._combo.findText(words[0]))
        self._combo.blockSignals(False)
        self._choice.setText(state.mask_choice)
        self._choice.setVisible(state.mask is not None)
        self.setEnabled(scene is not None)

    def _product(self) -> str:
        return self.tr("Masks of the product")
