"""Does the plugin take all of itself away again."""

from __future__ import annotations

import pytest
from qgis.core import QgsApplication
from qgis.gui import QgsDockWidget
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QCoreApplication, QEvent

import mtmsd_qgis
from mtmsd_qgis.plugin import MtmsdPlugin


def registered() -> object:
    return QgsApplication.processingRegistry().providerById("mtmsd")


@pytest.mark.usefixtures("qgis_processing")
def test_loaded_and_unloaded_three_times_nothing_stays(qgis_iface):
    qgis_iface.addPluginToRasterMenu.reset_mock()
    for count in range(1, 4):
        plugin = mtmsd_qgis.classFactory(qgis_iface)
        assert isinstance(plugin, MtmsdPlugin)
        plugin.initGui()
        dock, action = plugin.dock, plugin.action
        assert isinstance(dock, QgsDockWidget)
        assert dock.objectName() == "mtmsdDock"
        assert registered() is plugin.provider
        assert not action.icon().isNull()
        menu, shown = qgis_iface.addPluginToRasterMenu.call_args.args
        assert (menu, shown) == ("&MTMSD", action)
        plugin.unload()
        assert registered() is None
        assert qgis_iface.removePluginRasterMenu.call_args.args == (menu, action)
        assert qgis_iface.removeRasterToolBarIcon.call_args.args == (action,)
        assert qgis_iface.addRasterToolBarIcon.call_count == count
        QCoreApplication.sendPostedEvents(None, int(QEvent.Type.DeferredDelete))
        assert sip.isdeleted(dock)


def test_qgis_process_gets_the_provider_and_no_widget(qgis_processing):
    plugin = mtmsd_qgis.classFactory(None)
    plugin.initProcessing()
    assert {a.id() for a in registered().algorithms()} == {
        "mtmsd:pretrain",
        "mtmsd:train",
        "mtmsd:classify",
        "mtmsd:assess",
        "mtmsd:map",
        "mtmsd:vectorize",
        "mtmsd:nextlabels",
        "mtmsd:change",
        "mtmsd:export",
        "mtmsd:map_and_report",
        "mtmsd:map_another_scene",
        "mtmsd:assess_and_polygonize",
        "mtmsd:mosaic",
        "mtmsd:classifyscenes",
        "mtmsd:exportpixels",
        "mtmsd:angle",
        "mtmsd:regions",
    }
    assert plugin.dock is None
    plugin.unload()
    assert registered() is None
