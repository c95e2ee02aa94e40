"""Geometries of another layer in the scene's CRS; a layer without one lies in the scene's."""

from __future__ import annotations

from math import isfinite

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCsException,
    QgsGeometry,
    QgsMapLayer,
    QgsProject,
)

from ...common.numbers import number
from ...common.translation import tr

UNDEFINED = ("Undefined geographic SRS", "Undefined Cartesian SRS", "Undefined SRS")
"""What a GeoPackage calls the CRS of a layer that has none."""


class Placement:
    """Brings geometries of a layer into a CRS; made on the main thread, used in any."""

    def __init__(self, layer: QgsMapLayer, crs: QgsCoordinateReferenceSystem) -> None:
        self._name, own = layer.name(), layer.crs()
        self._systems = [c.userFriendlyIdentifier() for c in (own, crs)]
        transform = QgsCoordinateTransform(own, crs, QgsProject.instance())
        moves = own.description() not in UNDEFINED and not transform.isShortCircuited()
        self._transform = transform if moves else None
        self._has_none = not own.isValid() or own.description() in UNDEFINED
        self._assumed = not moves and own != crs and crs.isValid()

    def moved(self, geometry: QgsGeometry) -> QgsGeometry | None:
        """Return a geometry in the CRS, or None where it has no place in it."""
        moved = QgsGeometry(geometry)
        if self._transform is None or moved.isNull() or moved.isEmpty():
            return moved
        try:
            moved.transform(self._transform)
        except QgsCsException:
            return None
        box = moved.boundingBox()
        ends = (box.xMinimum(), box.xMaximum(), box.yMinimum(), box.yMaximum())
        return moved if all(map(isfinite, ends)) else None

    def notes(self, unplaced: int, *, everything: bool) -> tuple[str, ...]:
        """Say what was assumed, and how many features have no place.

        Raises
        ------
        ValueError
            If that is true of all.
        """
        if unplaced and everything:
            text = tr(
                "{layer} cannot be brought from its coordinate system, {own}, to the scene's, "
                "{scene}; check both."
            )
            own, scene = self._systems
            raise ValueError(text.format(layer=self._name, own=own, scene=scene))
        notes = []
        if self._assumed:
            text = tr("The coordinate system of {}, {}, is of no place; the scene's was taken.")
            if self._has_none:
                text = tr("{} has no coordinate system; the scene's was taken.")
            notes.append(text.format(self._name, self._systems[0]))
        if unplaced:
            text = tr("Without a place in the scene's coordinate system, not taken: {}")
            notes.append(text.format(number(unplaced)))
        return tuple(notes)
