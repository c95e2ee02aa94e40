"""Which polygons the classes are learned from."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsFieldProxyModel, QgsMapLayerProxyModel, QgsVectorLayer
from qgis.gui import QgsFieldComboBox, QgsMapLayerComboBox
from qgis.PyQt.QtWidgets import QWidget

from .section import DONE, NEXT, TODO, WRONG, Section, caption, row
from .workspace import Workspace

CLASS_FIELDS = ("class_id", "class", "class_name", "label", "level_1", "landcover")


class TrainingSection(Section):
    """Layer and class field."""

    def __init__(self, workspace: Workspace, parent: QWidget) -> None:
        super().__init__("mtmsdTraining", parent)
        self.set_title(self.tr("3  Training polygons"))
        self._workspace = workspace
        self._layer = QgsMapLayerComboBox()
        self._layer.setObjectName("mtmsdTrainingLayer")
        self._layer.setFilters(QgsMapLayerProxyModel.Filter.PolygonLayer)
        self._layer.setAllowEmptyLayer(True, self.tr("No polygons chosen"))
        self._layer.setMinimumWidth(80)
        self._layer.setToolTip(self.tr("Polygons whose class is known; any coordinate system"))
        self._field = QgsFieldComboBox()
        self._field.setObjectName("mtmsdClassField")
        self._field.setMinimumWidth(80)
        self._field.setFilters(
            QgsFieldProxyModel.Filter.Int
            | QgsFieldProxyModel.Filter.LongLong
            | QgsFieldProxyModel.Filter.String
        )
        self._field.setToolTip(self.tr("The field that holds the class: a number or a name"))
        self.rows.addLayout(row(caption(self.tr("&Layer"), self._layer), self._layer, stretch=1))
        self.rows.addLayout(row(caption(self.tr("&Field"), self._field), self._field, stretch=1))
        self._layer.layerChanged.connect(self._layer_chosen)
        self._field.fieldChanged.connect(self._field_chosen)
        workspace.scene_changed.connect(self._scene_changed)
        workspace.training_changed.connect(self.refresh)
        self._layer.setLayer(None)
        self.refresh()

    def choose(self, layer: QgsVectorLayer) -> None:
        """Take a layer as the training polygons."""
        self._layer.setLayer(layer)

    def _layer_chosen(self, layer: Any) -> None:
        self._field.setLayer(layer)
        if isinstance(layer, QgsVectorLayer):
            self._field.setField(guess_field(layer))
        self._field_chosen(self._field.currentField())

    def _field_chosen(self, field: str) -> None:
        layer = self._layer.currentLayer()
        self._workspace.set_training(layer if isinstance(layer, QgsVectorLayer) else None, field)

    def _scene_changed(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Show what is missing or how many polygons there are."""
        layer, field = self._workspace.training, self._workspace.class_field
        self._field.setEnabled(layer is not None)
        if layer is None:
            kind = NEXT if self._workspace.scene is not None else TODO
            self.set_state(kind, self.tr("Choose a polygon layer with a class field."))
        elif not field:
            self.set_state(WRONG, self.tr("Choose the field that holds the class."))
        elif layer.featureCount() == 0:
            self.set_state(WRONG, self.tr("The layer has no polygons."))
        else:
            classes = len(layer.uniqueValues(layer.fields().indexOf(field), 1000))
            text = self.tr("{} polygons in {} classes").format(layer.featureCount(), classes)
            self.set_state(DONE, text)


def guess_field(layer: QgsVectorLayer) -> str:
    """Return the field that probably holds the class."""
    names = {field.name().lower(): field.name() for field in layer.fields()}
    for name in CLASS_FIELDS:
        if name in names:
            return names[name]
    keys = {layer.fields().at(index).name() for index in layer.primaryKeyAttributes()}
    others = [field.name() for field in layer.fields() if field.name() not in keys]
    return others[0] if others else ""
