"""The points that are worth a label, one by one: look at it, give it a class, go on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from osgeo import gdal
from qgis.core import (
    Qgis,
    QgsCoordinateTransform,
    QgsCsException,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
    QgsRectangle,
    QgsSettings,
    QgsVectorLayer,
)
from qgis.gui import QgisInterface
from qgis.PyQt.QtGui import QHideEvent, QShowEvent
from qgis.PyQt.QtWidgets import QCheckBox, QMenu, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from ...state.paths import there
from ...state.see_through import SeeThrough
from ...state.training.classes import LandClass
from ...state.training.spectra import map_transform
from ...state.workspace import Workspace
from ..widgets.section import color_icon, keep_place, row
from ..widgets.state_line import StateLine
from .point_mark import PointMark

SEE_THROUGH_SETTING = "mtmsd/dock/seeThrough"
VIEW_PIXELS = 60
"""So many of the scene's pixels are seen across, around a point."""


@dataclass(frozen=True)
class DoubtfulPoint:
    """A place and the two classes that are in doubt there, the likelier one first."""

    place: QgsPointXY
    names: tuple[str, str]
    values: tuple[int, int]


class LabelPoints(QWidget):
    """Steps through the points; hidden, but for its place, while there are none."""

    def __init__(
        self, workspace: Workspace, iface: QgisInterface, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._canvas = iface.mapCanvas()
        self._points: Sequence[DoubtfulPoint] = ()
        self._mark = PointMark(self._canvas, self)
        self.see_through = SeeThrough(workspace, self)
        self._text = StateLine(2, self.tr("The two classes that are in doubt there"))
        self._text.setObjectName("mtmsdPointText")
        self._label = QToolButton()
        self._label.setObjectName("mtmsdPointLabel")
        self._label.setText(self.tr("Label It"))
        self._label.setToolTip(self.tr("Give this pixel a class, as a training polygon"))
        self._label.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu = QMenu(self._label)
        self._menu.setObjectName("mtmsdPointClasses")
        self._menu.aboutToShow.connect(self._fill_menu)
        self._label.setMenu(self._menu)
        self._next = QToolButton()
        self._next.setObjectName("mtmsdPointNext")
        self._next.setText(self.tr("Next Point"))
        self._next.setToolTip(self.tr("Leave this one and go to the next"))
        self._next.clicked.connect(lambda: self.go_to(self._at + 1))
        self._zoom = QToolButton()
        self._zoom.setObjectName("mtmsdPointZoom")
        self._zoom.setText(self.tr("Zoom to It"))
        self._zoom.setToolTip(self.tr("Show the point in the middle of the map window"))
        self._zoom.clicked.connect(self._show_place)
        self._through = QCheckBox(self.tr("See-through map"))
        self._through.setObjectName("mtmsdPointSeeThrough")
        self._through.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._through.setToolTip(
            self.tr("The scene shines through the map while the points are visited")
        )
        self._through.setChecked(QgsSettings().value(SEE_THROUGH_SETTING, True, type=bool))
        self._through.toggled.connect(self._set_through)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._text)
        buttons = row(self._zoom, self._label, self._next)
        buttons.addStretch(1)
        layout.addLayout(buttons)
        layout.addWidget(self._through)
        keep_place(self, self._zoom, self._label, self._next, self._through)
        workspace.scene_changed.connect(self.see_through.end)
        workspace.map_changed.connect(self.see_through.end)
        workspace.scene_changed.connect(self._read)
        workspace.points_changed.connect(self._points_changed)
        self._read()

    def release(self) -> None:
        """Let go of the canvas and the project; the map is as opaque as before."""
        self._mark.release()
        self.see_through.release()

    @property
    def _at(self) -> int:
        return self._workspace.state.points_at

    def _points_changed(self) -> None:
        self._read()
        self._show_place()

    def _read(self) -> None:
        path = there(self._workspace.state.points)
        self._points = read_points(path) if path is not None else ()
        self.refresh()

    def go_to(self, index: int) -> None:
        """Take another point and show it."""
        self._workspace.change(points_at=min(index, len(self._points)))
        self.refresh()
        self._show_place()

    def refresh(self) -> None:
        """Tell which point it is, and between which classes it stands."""
        self.setVisible(bool(self._points))
        left = self._at < len(self._points)
        for button in (self._zoom, self._label, self._next, self._through):
            button.setVisible(left)
        if left and self.isVisible():
            self._mark.show(self._points[self._at].place, self._workspace.scene.crs())
        else:
            self._mark.hide()
            self.see_through.end()
        if left:
            text = self.tr("Point {} of {}: {} or {}?")
            names = self._points[self._at].names
            self._text.setText(text.format(self._at + 1, len(self._points), *names))
        else:
            self._text.setText(self.tr("That was the last point. Map anew to see what it gained."))

    def showEvent(self, event: QShowEvent) -> None:
        """Mark the point again."""
        super().showEvent(event)
        self.refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody steps through the points any more."""
        super().hideEvent(event)
        self._mark.hide()
        self.see_through.end()

    def _set_through(self, on: bool) -> None:
        QgsSettings().setValue(SEE_THROUGH_SETTING, on)
        if on:
            self.see_through.begin()
        else:
            self.see_through.end()

    # the point

    def _show_place(self) -> None:
        """Show the point with its surroundings."""
        if self._at >= len(self._points):
            return
        if self._through.isChecked() and self.isVisible():
            self.see_through.begin()
        scene, place = self._workspace.scene, self._points[self._at].place
        half = VIEW_PIXELS / 2 * max(scene.rasterUnitsPerPixelX(), scene.rasterUnitsPerPixelY())
        around = QgsRectangle(
            place.x() - half, place.y() - half, place.x() + half, place.y() + half
        )
        target = self._canvas.mapSettings().destinationCrs()
        try:
            if scene.crs().isValid() and target.isValid() and scene.crs() != target:
                transform = QgsCoordinateTransform(scene.crs(), target, QgsProject.instance())
                around = transform.transformBoundingBox(around)
        except QgsCsException:
            text = self.tr("The point cannot be brought into the map window's coordinates.")
            self._workspace.said.emit(text, Qgis.MessageLevel.Warning)
            return
        self._canvas.setExtent(around)
        self._canvas.refresh()

    def _fill_menu(self) -> None:
        """Offer the two classes in doubt first, then the others."""
        self._menu.clear()
        training, doubted = self._workspace.training, self._points[self._at].values
        classes = training.classes if training is not None else []
        first = [c for value in doubted for c in classes if c.value == value]
        for part in (first, [c for c in classes if c not in first]):
            for land_class in part:
                action = self._menu.addAction(color_icon(land_class.color), land_class.name)
                action.triggered.connect(lambda _on=False, c=land_class: self._label_it(c))
            self._menu.addSeparator()

    def label_as(self, land_class: LandClass | None) -> None:
        """Give the point a class, if there are both."""
        if land_class is not None and self._at < len(self._points):
            self._label_it(land_class)

    def _label_it(self, land_class: LandClass) -> None:
        place = self._points[self._at].place
        outline = pixel_outline(self._workspace.scene_path, place)
        self._workspace.training.add_polygons([outline], land_class)
        self.go_to(self._at + 1)


def read_points(path: Path) -> list[DoubtfulPoint]:
    """Read what ``mtmsd:nextlabels`` wrote, best first; there are few."""
    layer = QgsVectorLayer(f"{path}|layername={path.stem}", "", "ogr")
    found = sorted(layer.getFeatures(), key=lambda feature: feature["rank"])
    return [
        DoubtfulPoint(
            feature.geometry().asPoint(),
            (feature["class_1"], feature["class_2"]),
            (feature["value_1"], feature["value_2"]),
        )
        for feature in found
    ]


def pixel_outline(path: str, place: QgsPointXY) -> QgsGeometry:
    """Return the outline of the raster's pixel at a place, in the raster's coordinates."""
    transform = map_transform(gdal.Open(path))
    across, down = gdal.ApplyGeoTransform(gdal.InvGeoTransform(transform), place.x(), place.y())
    col, line = math.floor(across), math.floor(down)
    corners = [(col, line), (col + 1, line), (col + 1, line + 1), (col, line + 1)]
    ring = [QgsPointXY(*gdal.ApplyGeoTransform(transform, x, y)) for x, y in corners]
    return QgsGeometry.fromPolygonXY([ring])
