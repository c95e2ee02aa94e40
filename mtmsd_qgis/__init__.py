"""MTMSD for QGIS: hyperspectral class maps from a few polygons."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qgis.gui import QgisInterface

    from .plugin import MtmsdPlugin


def classFactory(iface: QgisInterface) -> MtmsdPlugin:
    """Return the plugin; QGIS calls this by its name."""
    from .plugin import MtmsdPlugin

    return MtmsdPlugin(iface)
