"""A ring in the map window around the point that is looked at."""

from __future__ import annotations

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCsException,
    QgsPointXY,
    QgsProject,
)
from qgis.gui import QgsMapCanvas, QgsVertexMarker
from qgis.PyQt.QtCore import QObject
from qgis.PyQt.QtGui import QColor

RING = 30
"""Pixels across."""
INKS = (("#202020", 7), ("#ffeb3b", 3))
"""A yellow ring on a dark one is seen on any map; the other points are white and small."""


class PointMark(QObject):
    """Shows one place at a time."""

    def __init__(self, canvas: QgsMapCanvas, parent: QObject) -> None:
        super().__init__(parent)
        self._canvas = canvas
        self._rings: list[QgsVertexMarker] = []
        self._shown: tuple[QgsPointXY, QgsCoordinateReferenceSystem] | None = None
        canvas.destinationCrsChanged.connect(self._place)

    def show(self, place: QgsPointXY, crs: QgsCoordinateReferenceSystem) -> None:
        """Mark a place that is given in a CRS."""
        self._shown = (place, crs)
        self._place()

    def hide(self) -> None:
        """Take the ring off the map window."""
        self._shown = None
        self._place()

    def release(self) -> None:
        """Let go of the canvas."""
        self.hide()
        self._canvas.destinationCrsChanged.disconnect(self._place)

    def _place(self) -> None:
        for ring in self._rings:
            self._canvas.scene().removeItem(ring)
        self._rings = []
        if self._shown is None:
            return
        place, crs = self._shown
        target = self._canvas.mapSettings().destinationCrs()
        if crs.isValid() and target.isValid() and crs != target:
            try:
                transform = QgsCoordinateTransform(crs, target, QgsProject.instance())
                place = transform.transform(place)
            except QgsCsException:
                return  # there is no such place in the map window; showing it says so
        for color, width in INKS:
            ring = QgsVertexMarker(self._canvas)
            ring.setIconType(QgsVertexMarker.IconType.ICON_CIRCLE)
            ring.setIconSize(RING)
            ring.setPenWidth(width)
            ring.setColor(QColor(color))
            ring.setCenter(place)
            self._rings.append(ring)
