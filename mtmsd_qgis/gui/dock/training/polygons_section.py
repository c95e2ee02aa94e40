"""Draws training polygons of the current class on the map."""

from __future__ import annotations

from typing import Any

import numpy as np
from qgis.core import (
    Qgis,
    QgsCoordinateTransform,
    QgsCsException,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
    QgsWkbTypes,
)
from qgis.gui import QgisInterface
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import (
    QAbstractButton,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ....common.background import Background
from ....common.numbers import percent
from ....common.plural import pixels_text, polygons_text
from ....state.workspace import Workspace
from ...map_tools.draw_tools import FREEHAND, GROW, RECTANGLE, DrawTool
from ...map_tools.polygon_tool import PolygonTool
from ...map_tools.region_growing import Seed, grow, outline, read_seed
from ...widgets.section import DONE, NEXT, TODO, Section, caption, row, tool_button
from ...widgets.state_line import StateLine
from .classes_section import ClassesSection

POLYGON = "polygon"


class PolygonsSection(Section):
    """Polygon, rectangle, freehand, grow from a click; QGIS's own editing for the rest."""

    def __init__(
        self,
        workspace: Workspace,
        classes: ClassesSection,
        iface: QgisInterface,
        parent: QWidget,
    ) -> None:
        super().__init__("mtmsdPolygons", parent)
        self.set_title(self.tr("4  Polygons"))
        self._workspace = workspace
        self._classes = classes
        self._iface = iface
        self._canvas = iface.mapCanvas()
        self._seed: Seed | None = None
        self._region: QgsGeometry | None = None
        self._tools: dict[str, DrawTool | PolygonTool] = {}
        self._buttons: dict[str, QToolButton] = {}
        draw = []
        for kind, icon, tip in (
            (
                POLYGON,
                "mActionAddPolygon",
                self.tr("Draw a polygon; right or double click ends it"),
            ),
            (RECTANGLE, "mActionAddBasicRectangle", self.tr("Drag a rectangle")),
            (FREEHAND, "mActionStreamingDigitize", self.tr("Drag an outline freehand")),
            (GROW, "mActionSelectRadius", self.tr("Click a pixel: similar neighbours join it")),
        ):
            button = tool_button(f"mtmsdDraw_{kind}", icon, tip)
            button.setCheckable(True)
            button.clicked.connect(lambda on, kind=kind: self._draw(kind, on))
            tool = PolygonTool(iface) if kind == POLYGON else DrawTool(self._canvas, kind)
            tool.setButton(button)
            self._tools[kind], self._buttons[kind] = tool, button
            draw.append(button)
        self._tools[POLYGON].drawn.connect(self._take_polygon)
        self._tools[RECTANGLE].drawn.connect(self._drawn)
        self._tools[FREEHAND].drawn.connect(self._drawn)
        self._tools[GROW].clicked.connect(self._grow_from)
        self._tools[GROW].accepted.connect(self._accept_region)
        self._tools[GROW].dropped.connect(self._drop_region)
        edit = []
        for key, icon, tip, pressed in (
            ("undo", "mActionUndo", self.tr("There is nothing to undo."), self._undo),
            ("redo", "mActionRedo", self.tr("There is nothing to redo."), self._redo),
            ("select", "mActionSelectRectangle", self.tr("Select polygons"), self._select),
            ("vertex", "mActionVertexTool", self.tr("Move vertices of a polygon"), self._vertex),
            ("move", "mActionMoveFeature", self.tr("Move polygons"), self._move),
            (
                "remove",
                "mActionDeleteSelectedFeatures",
                self.tr("Delete the selected polygons"),
                self._delete,
            ),
            ("save", "mActionSaveEdits", self.tr("Save the polygons to their file"), self._save),
        ):
            name = {"undo": "mtmsdUndo", "redo": "mtmsdRedo"}.get(key, f"mtmsdEdit_{key}")
            button = tool_button(name, icon, tip)
            button.clicked.connect(lambda _on=False, pressed=pressed: pressed())
            self._buttons[key] = button
            edit.append(button)
        tools = QHBoxLayout()
        tools.setSpacing(2)
        for button in draw:
            tools.addWidget(button)
        tools.addStretch(1)
        for button in edit:
            tools.addWidget(button)
        self.rows.addLayout(tools)

        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setObjectName("mtmsdTolerance")
        self._slider.setRange(1, 60)
        self._slider.setValue(12)
        self._slider.setToolTip(self.tr("How far a pixel's spectrum may be from the clicked one"))
        self._slider.valueChanged.connect(self._regrow)
        self._percent = QLabel()
        self._percent.setMinimumWidth(self.fontMetrics().horizontalAdvance(percent(1, 0)))
        self._take = QPushButton(self.tr("Add Re&gion"))
        self._take.setObjectName("mtmsdTakeRegion")
        tip = self.tr("Take the shown region as a polygon (right click, Enter)")
        self._take.setProperty("tip", tip)
        self._take.clicked.connect(self._accept_region)
        self._grow_box = QWidget()
        box = QVBoxLayout(self._grow_box)
        box.setContentsMargins(0, 0, 0, 0)
        label = caption(self.tr("Tolerance"), self._slider)
        box.addLayout(row(label, self._slider, self._percent, stretch=1))
        box.addWidget(self._take)
        self._grow_box.setEnabled(False)
        self._show_tolerance()
        self.rows.addWidget(self._grow_box)
        self._hint = StateLine()
        self._hint.setObjectName("mtmsdDrawHint")
        self.rows.addWidget(self._hint)

        workspace.scene_changed.connect(self.refresh)
        workspace.training_changed.connect(self.refresh)
        workspace.classes_changed.connect(self.refresh)
        classes.current_changed.connect(self.refresh)
        self._canvas.mapToolSet.connect(self._tool_set)
        self.refresh()

    def release(self) -> None:
        """Take the map tools away."""
        self._canvas.mapToolSet.disconnect(self._tool_set)
        for tool in self._tools.values():
            self._canvas.unsetMapTool(tool)
            tool.remove()

    def refresh(self) -> None:
        """Show what can be drawn."""
        workspace, current = self._workspace, self._classes.current
        reason = ""
        if workspace.scene is None:
            reason = self.tr("Choose a scene first.")
        elif self._classes.importing:
            reason = self.tr("Wait until the layer has been read.")
        elif workspace.training is not None and workspace.training.held:
            reason = workspace.training.held
        elif current is None:
            reason = self.tr("Add a class first, and select it.")
        for kind in self._tools:
            grow_reason = reason
            if kind == GROW and not reason and workspace.facts is None:
                grow_reason = self.tr("Waiting for the raster's bands.")
            self._enable(self._buttons[kind], grow_reason)
            if current is not None and kind != POLYGON:
                self._tools[kind].set_color(current.color)
        count = workspace.training.layer.featureCount() if workspace.training is not None else 0
        none = "" if count else self.tr("There are no polygons yet.")
        held = workspace.training.held if workspace.training is not None else ""
        self._enable(self._buttons["select"], none)
        for key in ("vertex", "move", "remove"):
            self._enable(self._buttons[key], none or held)
        layer = workspace.training.layer if workspace.training is not None else None
        unsaved = layer is not None and layer.isEditable() and layer.isModified()
        self._enable(self._buttons["save"], "" if unsaved else self.tr("All polygons are saved."))
        self._refresh_undo()
        if reason:
            self.set_state(TODO, reason)
        elif not count:
            self.set_state(NEXT, self.tr("Draw some polygons of {}.").format(current.name))
        else:
            text = self.tr("{}; drawing {}").format(polygons_text(count), current.name)
            self.set_state(DONE, text + (" · " + self.tr("not saved") if unsaved else ""))

    def _enable(self, button: QAbstractButton, reason: str) -> None:
        button.setEnabled(not reason)
        button.setToolTip(reason or button.property("tip"))

    def _refresh_undo(self) -> None:
        training = self._workspace.training
        editing = training is not None and training.layer.isEditable()
        stack = training.undo_stack if editing else None
        undo = stack is not None and stack.canUndo() and not self._classes.importing
        redo = stack is not None and stack.canRedo() and not self._classes.importing
        for key, can, text in (
            ("undo", undo, self.tr("Undo: {}").format(stack.undoText()) if undo else ""),
            ("redo", redo, self.tr("Redo: {}").format(stack.redoText()) if redo else ""),
        ):
            button = self._buttons[key]
            button.setEnabled(can)
            said = text and text + (button.property("key") or "")
            button.setToolTip(said or button.property("tip"))

    # drawing

    def finish(self) -> None:
        """End the polygon that is drawn, or take the grown region."""
        if (tool := self._canvas.mapTool()) in self._tools.values():
            tool.finish()

    def _draw(self, kind: str, on: bool) -> None:
        tool = self._tools[kind]
        if not on:
            self._canvas.unsetMapTool(tool)
            return
        if self._workspace.training is None:
            self._buttons[kind].setChecked(False)
            return
        layer = self._own()  # QGIS's own Undo, Ctrl+Z, is that of the active layer
        if kind == POLYGON:
            tool.draw_on(layer)
        self._canvas.setMapTool(tool)
        self._canvas.setFocus()

    def _tool_set(self, new: Any, _old: Any = None) -> None:
        kind = next((k for k, tool in self._tools.items() if tool is new), "")
        hints = {
            POLYGON: self.tr("Click the corners; right or double click ends, Escape drops it."),
            RECTANGLE: self.tr("Drag from corner to corner."),
            FREEHAND: self.tr("Hold the button and go around."),
            GROW: self.tr("Click a pixel, then move the slider; right click takes the region."),
        }
        self._hint.setText(hints.get(kind, ""))  # empty where another tool is on
        self._grow_box.setEnabled(kind == GROW)
        self._show_tolerance()

    def _drawn(self, geometry: QgsGeometry) -> None:
        """Take a polygon in the canvas's CRS."""
        if self._workspace.training is None:
            return
        moved = QgsGeometry(geometry)
        transform = self._to_layer()
        try:
            if transform is not None:
                moved.transform(transform)
        except QgsCsException:
            self._warn(self.tr("The polygon cannot be brought into the scene's coordinates."))
            return
        self._take_polygon(moved)

    def _take_polygon(self, moved: QgsGeometry) -> None:
        """Take a polygon in the training layer's CRS."""
        workspace, current = self._workspace, self._classes.current
        training, scene = workspace.training, workspace.scene
        if training is None or current is None or scene is None:
            return
        if not moved.intersects(QgsGeometry.fromRect(scene.extent())):
            self._warn(self.tr("The polygon is outside the scene and was not added."))
            return
        parts = [moved]
        if not moved.isGeosValid():
            mended = moved.makeValid().asGeometryCollection()
            polygon = QgsWkbTypes.GeometryType.PolygonGeometry
            parts = [part for part in mended if part.type() == polygon and part.area() > 0]
            text = self.tr("The polygon crossed itself and was mended into {} parts.")
            self._warn(text.format(len(parts)), Qgis.MessageLevel.Info)
        training.add_polygons(parts, current)

    def _to_layer(self) -> QgsCoordinateTransform | None:
        source = self._canvas.mapSettings().destinationCrs()
        target = self._workspace.training.layer.crs()
        if source == target or not source.isValid() or not target.isValid():
            return None
        return QgsCoordinateTransform(source, target, QgsProject.instance())

    def _warn(self, text: str, level: Any = Qgis.MessageLevel.Warning) -> None:
        self._workspace.said.emit(text, level)

    # growing

    def _grow_from(self, point: QgsPointXY) -> None:
        facts, transform = self._workspace.facts, self._to_layer()
        if facts is None:
            return
        place = transform.transform(point) if transform is not None else point
        path, used = self._workspace.scene_path, facts["used"]

        def done(seed: Any, error: str | None) -> None:
            self._drop_region()
            if error is not None:
                self._warn(error)
                return
            self._seed = seed
            self._regrow()

        Background(lambda: read_seed(path, used, place.x(), place.y()), done, self).start()

    def _regrow(self) -> None:
        self._show_tolerance()
        seed, tolerance = self._seed, self._slider.value() / 100
        if seed is None:
            return

        def work() -> tuple[int, bytes]:
            region = grow(seed, tolerance)
            return int(np.count_nonzero(region)), outline(region, seed)

        def done(answer: Any, error: str | None) -> None:
            if error is not None:
                self._warn(error)
            elif seed is self._seed and tolerance == self._slider.value() / 100:
                self._show_region(*answer)

        Background(work, done, self).start()

    def _show_region(self, pixels: int, wkb: bytes) -> None:
        region = QgsGeometry()
        region.fromWkb(wkb)
        self._region = region
        shown = QgsGeometry(region)
        transform = self._to_layer()
        if transform is not None:
            shown.transform(transform, Qgis.TransformDirection.Reverse)
        self._tools[GROW].preview(shown)
        text = self.tr("{}; right click or Add Region takes the region.")
        self._hint.setText(text.format(pixels_text(pixels)))
        self._show_tolerance()

    def _accept_region(self) -> None:
        training, current, region = self._workspace.training, self._classes.current, self._region
        if training is None or current is None or region is None:
            return
        training.add_polygons([region], current)
        self._tools[GROW].drop()

    def _drop_region(self) -> None:
        self._seed, self._region = None, None
        self._show_tolerance()
        self._tools[GROW].preview(None)

    def _show_tolerance(self) -> None:
        self._percent.setText(percent(self._slider.value() / 100, 0))
        none = self.tr("There is no region yet: press the tool that grows, then click a pixel.")
        self._enable(self._take, none if self._region is None else "")

    # QGIS's own editing

    def _own(self) -> Any:
        layer = self._workspace.training.layer
        self._iface.setActiveLayer(layer)
        return layer

    def _edit(self) -> Any:
        layer = self._own()
        layer.startEditing()  # it stays as it is where it is edited already
        return layer

    def _undo(self) -> None:
        self._workspace.training.undo_stack.undo()

    def _redo(self) -> None:
        self._workspace.training.undo_stack.redo()

    def _select(self) -> None:
        self._own()
        self._iface.actionSelect().trigger()

    def _vertex(self) -> None:
        self._edit()
        self._iface.actionVertexTool().trigger()

    def _move(self) -> None:
        self._edit()
        self._iface.actionMoveFeature().trigger()

    def _delete(self) -> None:
        layer = self._edit()
        chosen = layer.selectedFeatureIds()
        if not chosen:
            self._warn(self.tr("Select polygons first."), Qgis.MessageLevel.Info)
            return
        layer.beginEditCommand(self.tr("Delete polygons"))
        layer.deleteFeatures(chosen)
        layer.endEditCommand()
        layer.triggerRepaint()

    def _save(self) -> None:
        layer = self._workspace.training.layer
        if not self._workspace.training.save():
            self._warn("; ".join(layer.commitErrors()), Qgis.MessageLevel.Critical)
        self.refresh()
