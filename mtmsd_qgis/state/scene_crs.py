"""The CRS that a user set on a layer; its file, and so the engine, does not have it."""

from __future__ import annotations

from qgis.core import QgsCoordinateReferenceSystem, QgsRasterLayer

from ..common.translation import tr


def overridden_crs(layer: QgsRasterLayer) -> str:
    """Return the sentence that says so; empty where layer and file agree."""
    shown, written = layer.crs(), layer.dataProvider().crs()
    if shown == written:
        return ""
    text = tr(
        "The layer's CRS was set to {shown}, but its file says {written}, which the engine goes "
        "by: polygons would lie elsewhere. Set the layer back to the file's CRS, or write the "
        "right one into the file (Assign Projection) and open it again."
    )
    return text.format(shown=_name(shown), written=_name(written))


def _name(crs: QgsCoordinateReferenceSystem) -> str:
    """Return a short name: its code, else what it is called."""
    return crs.authid() or crs.description() or tr("none")
