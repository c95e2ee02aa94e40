"""The chooser of the class field in Processing's dialogs.

QGIS's own field chooser ends QGIS when its parent parameter, which may be a vector or a raster
layer, holds a raster (``QgsProcessingFieldWidgetWrapper::setParentLayerWrapperValue`` takes the
id of a vector layer that is not there; so in 3.22 and still in 3.44). This one does not.
"""

from __future__ import annotations

from typing import Any

from processing.gui.wrappers import DIALOG_STANDARD, WidgetWrapper
from processing.tools import dataobjects
from qgis.core import QgsMapLayer, QgsProcessingUtils, QgsVectorLayer
from qgis.gui import QgsFieldComboBox
from qgis.PyQt.QtWidgets import QLineEdit, QWidget

LABELS = "LABELS"


class ClassFieldWidget(WidgetWrapper):
    """Fields of the labels' layer in a dialog; a line to type in for batch and models."""

    def createWidget(self, **kwargs: Any) -> QWidget:
        """Return the widget; called by the base class."""
        if self.dialogType != DIALOG_STANDARD:
            return QLineEdit()
        chooser = QgsFieldComboBox()
        chooser.setAllowEmptyFieldName(True)
        chooser.fieldChanged.connect(lambda name: self.widgetValueHasChanged.emit(self))
        return chooser

    def postInitialize(self, wrappers: list[Any]) -> None:
        """Follow the labels' layer."""
        if self.dialogType != DIALOG_STANDARD:
            return
        for wrapper in wrappers:
            if wrapper.parameterDefinition().name() == LABELS:
                wrapper.widgetValueHasChanged.connect(self._take_layer)
                self._take_layer(wrapper)

    def _take_layer(self, wrapper: Any) -> None:
        value = wrapper.parameterValue()
        # A layer that is not in the project belongs to the context it was opened in.
        self._context = dataobjects.createContext()
        layer = (
            value
            if isinstance(value, QgsMapLayer)
            else QgsProcessingUtils.mapLayerFromString(str(value or ""), self._context)
        )
        self.widget.setLayer(layer if isinstance(layer, QgsVectorLayer) else None)
        self.widget.setEnabled(isinstance(layer, QgsVectorLayer))

    def setValue(self, value: Any) -> None:
        """Show a field's name."""
        if self.dialogType == DIALOG_STANDARD:
            self.widget.setField(str(value or ""))
        else:
            self.widget.setText(str(value or ""))

    def value(self) -> str | None:
        """Return the chosen field's name, None for none."""
        if self.dialogType == DIALOG_STANDARD:
            return self.widget.currentField() or None
        return self.widget.text().strip() or None
