"""A list of readable names in Processing's dialogs, for values that scripts and models keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from processing.gui.wrappers import WidgetWrapper
from qgis.PyQt.QtWidgets import QComboBox


class ChoiceWidget(WidgetWrapper):
    """Shows the names and gives the values, in a dialog, in batch and in models alike."""

    def createWidget(self, names: Sequence[Sequence[str]], **_: Any) -> QComboBox:
        """Return the list; called by the base class with what the parameter's metadata hold."""
        combo = QComboBox()
        for value, name in names:  # pairs: a map would come back in another order
            combo.addItem(name, value)
        combo.currentIndexChanged.connect(lambda _at: self.widgetValueHasChanged.emit(self))
        return combo

    def setValue(self, value: Any) -> None:
        """Show the name of a value."""
        self.widget.setCurrentIndex(self.widget.findData(str(value)))

    def value(self) -> str | None:
        """Return the value whose name is shown."""
        return self.widget.currentData()
