"""How a finished map is looked at: opacity, flicker, confidence, legend with areas."""

from __future__ import annotations

from typing import Any

from osgeo import gdal
from qgis.core import (
    QgsDistanceArea,
    QgsGeometry,
    QgsMapLayer,
    QgsPointXY,
    QgsProject,
    QgsRasterLayer,
    QgsUnitTypes,
)
from qgis.PyQt.QtCore import Qt, QTimer
from qgis.PyQt.QtGui import QHideEvent
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHeaderView,
    QSizePolicy,
    QSlider,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ....common.numbers import number
from ....processing.styling import class_entries, layer_title, shown_names, style_confidence
from ....state import layers
from ....state.layer_roles import CONFIDENCE, MAP, PREVIEW, role
from ....state.paths import same_file, there
from ....state.training.spectra import map_transform
from ....state.workspace import Workspace
from ...widgets.section import caption, color_icon, keep_place, row
from ...widgets.state_line import StateLine
from .map_kind import kind_text

FLICKER_MS = 700
ROW_HEIGHT = 22
SHOWN_CLASSES = 6
"""More are scrolled to, so that what is below stays where it is."""


class MapView(QWidget):
    """Controls of the newest map layer, and its ``legend``, which is placed by the section."""

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._pixels: dict[str, int] = {}
        self._kind = StateLine(2, self.tr("What the map was made with"))
        self._kind.setObjectName("mtmsdMapKind")
        self._opacity = QSlider(Qt.Orientation.Horizontal)
        self._opacity.setObjectName("mtmsdOpacity")
        self._opacity.setRange(0, 100)
        self._opacity.setValue(100)
        self._opacity.setToolTip(self.tr("Opacity of the map over the scene"))
        self._opacity.valueChanged.connect(self._set_opacity)
        self._flicker = QToolButton()
        self._flicker.setObjectName("mtmsdFlicker")
        self._flicker.setText(self.tr("Flic&ker"))
        self._flicker.setCheckable(True)
        self._flicker.toggled.connect(self._set_flicker)
        self._confidence = QCheckBox(self.tr("Con&fidence"))
        self._confidence.setObjectName("mtmsdConfidence")
        self._confidence.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._confidence.setToolTip(self.tr("Map Scene writes the confidence too."))
        self._confidence.toggled.connect(self._set_confidence)
        self._timer = QTimer(self)
        self._timer.setInterval(FLICKER_MS)
        self._timer.timeout.connect(self._swap)
        self.legend = QTableWidget(0, 4)
        self.legend.setObjectName("mtmsdLegend")
        self.legend.setHorizontalHeaderLabels(
            ["", self.tr("Class"), self.tr("Pixels"), self.tr("Area")]
        )
        self.legend.verticalHeader().hide()
        self.legend.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = self.legend.horizontalHeader()
        header.setMinimumSectionSize(24)
        for column in (0, 2, 3):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.legend.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.legend.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.legend.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.legend.setToolTip(self.tr("Pixels and area of each class in the map"))
        line = self.fontMetrics().height() + 12  # the header's hint is too small while it is hidden
        self.legend.setFixedHeight(line + ROW_HEIGHT * SHOWN_CLASSES)
        keep_place(self.legend)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self._kind)
        layout.addLayout(
            row(
                caption(self.tr("Opacit&y"), self._opacity), self._opacity, self._flicker, stretch=1
            )
        )
        layout.addWidget(self._confidence)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Follow the layers of the project."""
        layer = self.layer()
        self.legend.setVisible(layer is not None)
        for control in (self._opacity, self._flicker, self._confidence):
            control.setEnabled(layer is not None)
        shown = self.tr("Show the map and the scene in turn")
        self._flicker.setToolTip(shown if layer is not None else self.tr("Map Scene comes first."))
        self._kind.setText(self._kind_of(layer) if layer is not None else "")
        if layer is None:
            self._flicker.setChecked(False)
            return
        self._opacity.blockSignals(True)
        self._opacity.setValue(round(100 * layer.opacity()))
        self._opacity.blockSignals(False)
        path = there(self._workspace.state.confidence)
        nodes = [node for node in map(layers.node, self._confidences()) if node is not None]
        self._confidence.blockSignals(True)
        self._confidence.setChecked(any(node.itemVisibilityChecked() for node in nodes))
        self._confidence.blockSignals(False)
        self._confidence.setEnabled(path is not None)
        self._confidence.setToolTip(
            self.tr("Show how sure the classifier is, from 0 to 1")
            if path is not None
            else self.tr("Map Scene writes the confidence too.")
        )

    def _kind_of(self, shown: QgsRasterLayer) -> str:
        layers_here = QgsProject.instance().mapLayers().values()
        mine = (x for x in layers_here if role(x) == MAP and self._workspace.is_of_scene(x))
        others = [layer.source() for layer in mine if layer is not shown]
        has_model = there(self._workspace.state.model) is not None
        return kind_text(shown.source(), others, has_model)

    def _confidences(self) -> list[QgsMapLayer]:
        """Return the layers of confidence that the dock made for this scene."""
        made = QgsProject.instance().mapLayers().values()
        return [x for x in made if role(x) == CONFIDENCE and self._workspace.is_of_scene(x)]

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody sees the map and the scene in turn any more."""
        self._flicker.setChecked(False)
        super().hideEvent(event)

    def layer(self) -> QgsRasterLayer | None:
        """Return the scene's preview, else its map that is highest in the layer tree."""
        found: dict[str, QgsRasterLayer] = {}
        for layer in QgsProject.instance().layerTreeRoot().layerOrder():
            if isinstance(layer, QgsRasterLayer) and self._workspace.is_of_scene(layer):
                found.setdefault(role(layer), layer)
        return found.get(PREVIEW) or found.get(MAP)

    def show_counts(self, pixels: dict[str, int]) -> None:
        """Show pixels (by class name) and areas."""
        layer = self.layer()
        if layer is None:
            return
        colors = {name: color for _, name, color in class_entries(layer.source())}
        shown = shown_names(layer.source())
        each = pixel_area(layer)
        self.legend.setRowCount(len(pixels))
        for index, (written, count) in enumerate(pixels.items()):
            name = shown.get(written, written)
            swatch = QTableWidgetItem()
            swatch.setIcon(color_icon(colors.get(name, "#888888")))
            cells = [swatch, QTableWidgetItem(name), QTableWidgetItem(number(count))]
            cells.append(QTableWidgetItem(area_text(count * each) if each else ""))
            for column, cell in enumerate(cells):
                if column > 1:
                    right = int(Qt.AlignmentFlag.AlignRight) | int(Qt.AlignmentFlag.AlignVCenter)
                    cell.setTextAlignment(right)
                self.legend.setItem(index, column, cell)

    # what is pressed

    def _set_opacity(self, percent: int) -> None:
        layer = self.layer()
        if layer is not None:
            layer.setOpacity(percent / 100)
            layer.triggerRepaint()

    def _set_flicker(self, on: bool) -> None:
        if on:
            self._timer.start()
            return
        self._timer.stop()
        self._show_layer(True)

    def _swap(self) -> None:
        node = layers.node(self.layer())
        if node is None:
            self._flicker.setChecked(False)
        else:
            self._show_layer(not node.itemVisibilityChecked())

    def _show_layer(self, on: bool) -> None:
        node = layers.node(self.layer())
        if node is not None:
            node.setItemVisibilityChecked(on)

    def _set_confidence(self, on: bool) -> None:
        project = QgsProject.instance()
        path = there(self._workspace.state.confidence)
        for layer in self._confidences():
            node = layers.node(layer)
            if path is None or not same_file(layer.source(), path):
                project.removeMapLayer(layer.id())
            elif node is not None:
                node.setItemVisibilityChecked(on)
                return
        if not on or path is None:
            return
        layer = QgsRasterLayer(
            str(path), layer_title(self.tr("Confidence"), self._workspace.scene.name())
        )
        style_confidence(layer)
        layers.add(layer, CONFIDENCE, above=self.layer())
        self.refresh()  # what followed the new layer came before its place in the tree


def pixel_area(layer: QgsRasterLayer) -> float | None:
    """Return the area (m²) of the pixel in the middle of a map; None without a CRS.

    In degrees it is measured on the ellipsoid. QGIS's own size of a pixel would be wrong for a
    rotated raster, which it shows resampled.
    """
    crs, dataset = layer.crs(), gdal.Open(layer.source())
    if not crs.isValid() or dataset is None:
        return None
    transform = map_transform(dataset)
    col, row = dataset.RasterXSize // 2, dataset.RasterYSize // 2
    corners = [(col, row), (col + 1, row), (col + 1, row + 1), (col, row + 1)]
    ring = [QgsPointXY(*gdal.ApplyGeoTransform(transform, x, y)) for x, y in corners]
    measure = QgsDistanceArea()
    measure.setSourceCrs(crs, QgsProject.instance().transformContext())
    if crs.isGeographic():
        measure.setEllipsoid(crs.ellipsoidAcronym() or "WGS84")
    square = QgsUnitTypes.AreaUnit.AreaSquareMeters
    return measure.convertAreaMeasurement(
        measure.measureArea(QgsGeometry.fromPolygonXY([ring])), square
    )


def area_text(square_metres: float) -> str:
    """Return an area in ha or km², as the user's language writes it."""
    unit, size = QgsUnitTypes.AreaUnit.AreaHectares, 1e4
    if square_metres >= 1e7:
        unit, size = QgsUnitTypes.AreaUnit.AreaSquareKilometers, 1e6
    return QgsDistanceArea.formatArea(square_metres / size, 1, unit, keepBaseUnit=True)
