"""The engine's page among QGIS's options."""

from __future__ import annotations

from qgis.gui import QgsOptionsPageWidget, QgsOptionsWidgetFactory
from qgis.PyQt.QtCore import QCoreApplication
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QVBoxLayout, QWidget

from ...common.folders import icon_path
from .panel import EnginePanel
from .setup_runner import EngineSetUp

PAGE = "mtmsdOptions"


class EngineOptionsPage(QgsOptionsPageWidget):
    """The panel; what it does is done at once, so OK has nothing to apply."""

    def __init__(self, set_up: EngineSetUp, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setObjectName(PAGE)
        column = QVBoxLayout(self)
        column.addWidget(EnginePanel(set_up, "mtmsdOptionsEngine", self, is_small=False))
        column.addStretch(1)

    def apply(self) -> None:
        """Nothing is left to be applied."""


class EngineOptionsFactory(QgsOptionsWidgetFactory):
    """Makes the page each time that QGIS opens its options."""

    def __init__(self, set_up: EngineSetUp) -> None:
        title = QCoreApplication.translate("Engine", "MTMSD Engine")
        super().__init__(title, QIcon(icon_path("mtmsd")))
        self._set_up = set_up

    def icon(self) -> QIcon:
        """Return the plugin's icon."""
        return QIcon(icon_path("mtmsd"))

    def createWidget(self, parent: QWidget | None = None) -> QgsOptionsPageWidget:
        """Return a new page."""
        return EngineOptionsPage(self._set_up, parent)
