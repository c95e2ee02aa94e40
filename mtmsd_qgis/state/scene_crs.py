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
        "Set to {shown}, its file says {written}: set the layer back, or the file "
        "right (Assign Projection), else polygons lie elsewhere for the engine, which reads the "
        "file."
    )
    return text.format(shown=_name(shown), written=_name(written))


def _name(crs: QgsCoordinateReferenceSystem) -> str:
    """Return a short name: its code, else what it is called."""
    return crs.authid() or crs.description() or tr("none")
