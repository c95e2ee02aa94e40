"""Pixels whose spectra stay in the plot, and what is shown written to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsCoordinateTransform, QgsCsException, QgsPointXY, QgsProject
from qgis.gui import QgisInterface, QgsMapToolEmitPoint
from qgis.PyQt.QtWidgets import QFileDialog, QToolButton, QVBoxLayout, QWidget

from ....common.background import Background
from ....state.training.spectral_library import Axis, Spectrum, write_library
from ....state.training_samples import TrainingSamples, reader_of
from ....state.workspace import Workspace
from ...widgets.flow import Flow
from ...widgets.spectra_plot import Line, SpectraPlot
from ..scene.band_display import wavelengths

COLORS = ("#8e24aa", "#00897b", "#6d4c41", "#3949ab", "#c0ca33", "#d81b60")


class SpectraPins(QWidget):
    """Buttons below the plot: pin by a click in the map, drop the pins, export."""

    def __init__(
        self,
        workspace: Workspace,
        samples: TrainingSamples,
        iface: QgisInterface,
        plot: SpectraPlot,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._workspace, self._samples, self._plot = workspace, samples, plot
        self._canvas = iface.mapCanvas()
        self._pins: list[Spectrum] = []
        self._tool = QgsMapToolEmitPoint(self._canvas)
        self._tool.canvasClicked.connect(lambda point, _button: self._pin(point))
        self._pin_button = self._button("mtmsdSpectraPin", self.tr("Pin"))
        self._pin_button.setCheckable(True)
        self._pin_button.clicked.connect(self._set_tool)
        self._tool.setButton(self._pin_button)
        self._drop = self._button("mtmsdSpectraDrop", self.tr("Remove Pins"))
        self._drop.clicked.connect(lambda: self._set_pins([]))
        self._export = self._button("mtmsdSpectraExport", self.tr("Export Spectra…"))
        self._export.clicked.connect(lambda: self._write())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(Flow(self._pin_button, self._drop, self._export))
        workspace.scene_changed.connect(lambda: self._set_pins([]))
        workspace.facts_changed.connect(self.refresh)
        samples.ready.connect(self.refresh)
        self.refresh()

    def _button(self, name: str, text: str) -> QToolButton:
        button = QToolButton()
        button.setObjectName(name)
        button.setText(text)
        return button

    @property
    def pinned(self) -> list[Spectrum]:
        """The pinned spectra."""
        return self._pins

    def release(self) -> None:
        """Take the map tool away."""
        self._canvas.unsetMapTool(self._tool)
        self._tool.deleteLater()

    def refresh(self) -> None:
        """Show what can be done, and the pins."""
        known = self._workspace.facts is not None
        first = self.tr("Choose a scene first.")
        pin = self.tr("Click pixels in the map: their spectra stay in the plot")
        self._pin_button.setEnabled(known)
        self._pin_button.setToolTip(pin if known else first)
        self._drop.setEnabled(bool(self._pins))
        none = self.tr("There are no pinned spectra.")
        drop = self.tr("Take the pinned spectra out of the plot")
        self._drop.setToolTip(drop if self._pins else none)
        some = known and bool(self._pins or self._samples.spectra)
        self._export.setEnabled(some)
        export = self.tr("Classes (mean, standard deviation) and pins as CSV, .sli or GeoPackage")
        nothing = self.tr("There are no spectra yet: draw polygons, or pin pixels.")
        self._export.setToolTip(export if some else nothing)
        colors = (COLORS[place % len(COLORS)] for place in range(len(self._pins)))
        self._plot.set_pins(
            [Line(c, pin.values, name=pin.name) for c, pin in zip(colors, self._pins)]
        )

    def _set_tool(self, on: bool) -> None:
        if on:
            self._canvas.setMapTool(self._tool)
        else:
            self._canvas.unsetMapTool(self._tool)

    def _set_pins(self, pins: list[Spectrum]) -> None:
        self._pins = pins
        self.refresh()

    def _pin(self, point: QgsPointXY) -> None:
        """Read the spectrum at a place of the map."""
        workspace, facts = self._workspace, self._workspace.facts
        if facts is None:
            return
        source, target = self._canvas.mapSettings().destinationCrs(), workspace.scene.crs()
        try:
            if source.isValid() and target.isValid() and source != target:
                transform = QgsCoordinateTransform(source, target, QgsProject.instance())
                point = transform.transform(point)
        except QgsCsException:
            return
        path, x, y = workspace.scene_path, point.x(), point.y()

        def done(values: Any, error: str | None) -> None:
            if path != workspace.scene_path:
                return
            if values is None:
                text = error or self.tr("There is no data at that place.")
                workspace.said.emit(text, Qgis.MessageLevel.Info)
                return
            name = self.tr("pin {}").format(len(self._pins) + 1)
            self._set_pins([*self._pins, Spectrum(name, values, place=(x, y))])

        Background(lambda: reader_of(path, facts).pixel(x, y), done, self).start()

    def _write(self) -> None:
        filters = "CSV (*.csv);;ENVI (*.sli);;GeoPackage (*.gpkg)"
        title = self.tr("Export Spectra")
        path, chosen = QFileDialog.getSaveFileName(self, title, "spectra.csv", filters)
        if not path:
            return
        file = Path(path)
        if not file.suffix:
            file = Path(path + chosen.rpartition("*")[2].rstrip(")"))
        spectra, axis = self._spectra(), axis_of(self._workspace)

        def done(_answer: Any, error: str | None) -> None:
            text = self.tr("{} spectra were written to {}.").format(len(spectra), file)
            level = Qgis.MessageLevel.Warning if error else Qgis.MessageLevel.Info
            self._workspace.said.emit(error or text, level)

        Background(lambda: write_library(file, spectra, axis), done, self).start()

    def _spectra(self) -> list[Spectrum]:
        training = self._workspace.training
        found = self._samples.spectra
        classes = [
            Spectrum(c.name, found[c.value].mean, found[c.value].deviation, found[c.value].count)
            for c in (training.classes if training is not None else [])
            if c.value in found
        ]
        return [*classes, *self._pins]


def axis_of(workspace: Workspace) -> Axis:
    """Return the bands of the present scene."""
    scene, waves = workspace.scene, wavelengths(workspace.facts)
    known = all(wave is not None for wave in waves.values())
    crs = scene.crs().toWkt() if scene.crs().isValid() else ""
    centres = tuple(waves.values()) if known else ()
    return Axis(tuple(waves), centres, Path(workspace.scene_path).name, crs)
