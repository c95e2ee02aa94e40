"""What QGIS loads: the provider, the dock and its actions; ``unload`` takes all of it away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QCoreApplication, Qt
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QAction

from .common.folders import icon_path
from .common.translation import install_translator, tr
from .processing.provider import MtmsdProvider

if TYPE_CHECKING:
    from qgis.gui import QgisInterface

    from .gui.dock.dock import MtmsdDock
    from .gui.engine.options_page import EngineOptionsFactory
    from .gui.engine.setup_runner import EngineSetUp


class MtmsdPlugin:
    """The plugin; in ``qgis_process``, which has no window, only its provider."""

    def __init__(self, iface: QgisInterface) -> None:
        self._iface = iface
        self._translator = install_translator()
        self._menu = tr("&MTMSD")
        self.provider: MtmsdProvider | None = None
        self.set_up: EngineSetUp | None = None
        self.options: EngineOptionsFactory | None = None
        self.dock: MtmsdDock | None = None
        self.action: QAction | None = None
        self._actions: list[QAction] = []

    def initProcessing(self) -> None:
        """Add the provider; the only thing that ``qgis_process`` calls."""
        self.provider = MtmsdProvider()
        QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self) -> None:
        """Add provider, dock, menu entries, toolbar button and the page among the options."""
        self.initProcessing()
        from .gui.dock.dock import MtmsdDock  # widgets are of no use to qgis_process
        from .gui.engine.options_page import PAGE, EngineOptionsFactory
        from .gui.engine.setup_runner import EngineSetUp

        self.set_up = EngineSetUp(self.provider.engine)
        self.options = EngineOptionsFactory(self.set_up)
        self._iface.registerOptionsWidgetFactory(self.options)
        self.dock = MtmsdDock(self._iface, self.set_up)
        self._iface.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.dock)
        # The dock's own action is checked when it shows and unchecked when the user closes it.
        self.action = self.dock.toggleViewAction()
        self.action.setText(tr("MTMSD Classification"))
        self.action.setIcon(QIcon(icon_path("mtmsd")))
        self.action.setToolTip(tr("Show or hide the MTMSD dock"))
        dock = self.dock
        for text, triggered in (
            (tr("Try the &Sample Scene"), dock.try_sample),
            (tr("&Tutorial"), lambda: dock.open_page("tutorial")),
            (tr("&Help"), lambda: dock.open_page("index")),
            (tr("&Engine…"), lambda: self._iface.showOptionsDialog(None, PAGE)),
        ):
            action = QAction(text, self._iface.mainWindow())
            action.triggered.connect(lambda _on=False, triggered=triggered: triggered())
            self._actions.append(action)
        for action in (*self._actions, self.action):
            self._iface.addPluginToRasterMenu(self._menu, action)
        self._iface.addRasterToolBarIcon(self.action)

    def unload(self) -> None:
        """Remove everything that was added."""
        for action in self._actions:
            self._iface.removePluginRasterMenu(self._menu, action)
            action.deleteLater()
        self._actions = []
        if self.action is not None:
            self._iface.removePluginRasterMenu(self._menu, self.action)
            self._iface.removeRasterToolBarIcon(self.action)
            self.action = None
        if self.dock is not None:
            self.dock.release()
            self._iface.removeDockWidget(self.dock)
            self.dock.deleteLater()
            self.dock = None
        if self.options is not None:
            self._iface.unregisterOptionsWidgetFactory(self.options)
            self.options = None
        if self.set_up is not None:
            self.set_up.release()
            self.set_up.deleteLater()
            self.set_up = None
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None
        if self._translator is not None:
            QCoreApplication.removeTranslator(self._translator)
            self._translator = None
