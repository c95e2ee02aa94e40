"""Numbers of things in words."""

from __future__ import annotations

from qgis.PyQt.QtCore import QCoreApplication


def polygons_text(count: int) -> str:
    """Return ``1 polygon``, ``2 polygons``."""
    if count == 1:
        return QCoreApplication.translate("plural", "1 polygon")
    return QCoreApplication.translate("plural", "{:,} polygons").format(count)


def pixels_text(count: int) -> str:
    """Return ``1 pixel``, ``2 pixels``."""
    if count == 1:
        return QCoreApplication.translate("plural", "1 pixel")
    return QCoreApplication.translate("plural", "{:,} pixels").format(count)
