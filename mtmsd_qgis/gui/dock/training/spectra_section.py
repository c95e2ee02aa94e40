"""The classes' spectra, the pixel under the cursor, and which classes look alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from qgis.core import QgsCoordinateTransform, QgsCsException, QgsPointXY, QgsProject
from qgis.gui import QgisInterface
from qgis.PyQt.QtCore import Qt, QTimer
from qgis.PyQt.QtGui import QColor
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from ....common.background import Background
from ....common.numbers import number
from ....state.training.spectra import SpectraReader
from ....state.training_samples import TrainingSamples, reader_of
from ....state.workspace import Workspace
from ...widgets.section import DONE, NEXT, TODO, WRONG, Section, color_icon, keep_place
from ...widgets.spectra_plot import Line, SpectraPlot
from ..scene.band_display import wavelengths
from .spectra_import import SpectraImport
from .spectra_pins import SpectraPins
from .spectra_view import SpectraView

ALIKE = 1.0
"""Classes with a smaller Jeffries–Matusita distance are hard to tell apart by their spectra."""
ROW_HEIGHT = 22
SHOWN_CLASSES = 6
"""More are scrolled to, so that what is below stays where it is."""


class SpectraSection(Section):
    """Plot and separability table."""

    def __init__(
        self,
        workspace: Workspace,
        samples: TrainingSamples,
        iface: QgisInterface,
        parent: QWidget,
    ) -> None:
        super().__init__("mtmsdSpectra", parent, is_open=False)
        self.set_title(self.tr("5  Spectra"))
        self._workspace = workspace
        self._samples = samples
        self._canvas = iface.mapCanvas()
        self._reader: SpectraReader | None = None
        self._reading = False
        self._place: QgsPointXY | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(40)
        self._timer.timeout.connect(self._read_cursor)
        self._plot = SpectraPlot()
        self._plot.setObjectName("mtmsdSpectraPlot")
        self._plot.setToolTip(
            self.tr(
                "Mean and standard deviation of each class; dashed: the pixel at the cursor. The "
                "wheel or a drag zooms, a double click goes back"
            )
        )
        self.rows.addWidget(self._plot)
        self._view = SpectraView(workspace, self._plot, self)
        self.rows.addWidget(self._view)
        self._table = QTableWidget()
        self._table.setObjectName("mtmsdSeparability")
        self._table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self._table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self._table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._table.setToolTip(
            self.tr("Jeffries–Matusita distance of two classes: 0 alike, 2 well apart")
        )
        for header in (self._table.horizontalHeader(), self._table.verticalHeader()):
            header.setMinimumSectionSize(ROW_HEIGHT)
            header.setDefaultSectionSize(ROW_HEIGHT)
        self._table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        height = self._table.horizontalHeader().sizeHint().height() + ROW_HEIGHT * SHOWN_CLASSES + 4
        self._table.setFixedHeight(height)
        keep_place(self._table)
        self._table.hide()
        self.rows.addWidget(self._table)
        self.pins = SpectraPins(workspace, samples, iface, self._plot, self)
        self.rows.addWidget(self.pins)
        self._canvas.xyCoordinates.connect(self._moved)
        workspace.scene_changed.connect(self._scene_changed)
        workspace.facts_changed.connect(self._scene_changed)
        workspace.classes_changed.connect(self._show_classes)
        samples.ready.connect(self._show_classes)
        self._scene_changed()
        self.imported = SpectraImport(
            workspace, self._plot, self.pins, self
        )  # told after the plot's axis is
        self.rows.addWidget(self.imported)

    def release(self) -> None:
        """Let go of the canvas."""
        self.pins.release()
        self._canvas.xyCoordinates.disconnect(self._moved)

    def _scene_changed(self) -> None:
        facts = self._workspace.facts
        self._reader = None
        if facts is None:
            self._plot.set_axis([], [], "")
        else:
            waves = wavelengths(facts)
            known = all(wave is not None for wave in waves.values())
            axis = list(waves.values()) if known else list(waves)
            self._plot.set_axis(axis, list(waves), self.tr("nm") if known else self.tr("band"))
        self._view.restore()
        self._show_classes()

    def _show_classes(self) -> None:
        training, samples = self._workspace.training, self._samples
        classes = training.classes if training is not None else []
        shown = [c for c in classes if c.value in samples.spectra]
        self._plot.set_lines(
            [
                Line(c.color, found.mean, found.deviation, c.name)
                for c, found in ((c, samples.spectra[c.value]) for c in shown)
            ]
        )
        self._fill_table([c for c in shown if any(c.value in pair for pair in samples.apart)])
        names = {c.value: c.name for c in classes}
        pairs = {p: d for p, d in samples.apart.items() if p[0] in names and p[1] in names}
        if self._workspace.scene is None:
            self.set_state(TODO, self.tr("Choose a scene first."))
        elif not shown:
            self.set_state(NEXT, self.tr("Point at the map; classes appear with their polygons."))
        elif not pairs:
            self.set_state(NEXT, self.tr("Two classes of 5 pixels or more can be compared."))
        else:
            (a, b), least = min(pairs.items(), key=lambda pair: pair[1])
            text = self.tr("Most alike: {} and {} ({} of 2)")
            text = text.format(names[a], names[b], number(least, 2))
            self.set_state(WRONG if least < ALIKE else DONE, text)

    def _fill_table(self, classes: list[Any]) -> None:
        self._table.setVisible(len(classes) > 1)
        count = len(classes)
        self._table.setRowCount(count)
        self._table.setColumnCount(count)
        for i, first in enumerate(classes):
            for header in (self._table.setHorizontalHeaderItem, self._table.setVerticalHeaderItem):
                item = QTableWidgetItem("")
                item.setIcon(color_icon(first.color))
                item.setToolTip(first.name)
                header(i, item)
            for j, second in enumerate(classes):
                pair = (min(first.value, second.value), max(first.value, second.value))
                distance = self._samples.apart.get(pair)
                item = QTableWidgetItem("" if distance is None else number(distance, 1))
                item.setTextAlignment(int(Qt.AlignmentFlag.AlignCenter))
                if distance is not None:
                    item.setToolTip(f"{first.name} – {second.name}: {number(distance, 2)}")
                    item.setBackground(_shade(distance))
                self._table.setItem(i, j, item)

    # the cursor

    def _moved(self, point: QgsPointXY) -> None:
        if self.is_open and self._plot.isVisible() and self._workspace.facts is not None:
            self._place = point
            if not self._timer.isActive():
                self._timer.start()

    def _read_cursor(self) -> None:
        facts, point = self._workspace.facts, self._place
        if facts is None or point is None:
            return
        if self._reading:
            self._timer.start()
            return
        source, target = self._canvas.mapSettings().destinationCrs(), self._workspace.scene.crs()
        try:
            if source.isValid() and target.isValid() and source != target:
                point = QgsCoordinateTransform(source, target, QgsProject.instance()).transform(
                    point
                )
        except QgsCsException:
            return
        self._reading = True
        x, y = point.x(), point.y()
        path, reader = self._workspace.scene_path, self._reader

        def work() -> tuple[str, SpectraReader, np.ndarray | None]:
            opened = reader or reader_of(path, facts)
            return path, opened, opened.pixel(x, y)

        def done(answer: Any, error: str | None) -> None:
            self._reading = False
            if error is None and answer[0] == self._workspace.scene_path:
                self._reader = answer[1]
                self._plot.set_cursor(answer[2])

        Background(work, done, self).start()


def _shade(distance: float) -> QColor:
    """Return red for alike, nothing for apart; it lies over the theme's own ground."""
    return QColor(217, 48, 37, round(230 * max(0.0, 1.0 - distance / 2.0)))
