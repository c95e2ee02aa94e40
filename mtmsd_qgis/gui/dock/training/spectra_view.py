"""How the spectra are shown, remembered for each scene."""

from __future__ import annotations

from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QComboBox, QWidget

from ....state.training.spectra_scale import CONTINUUM, RANGE, READ, REFLECTANCE, SCALES
from ....state.workspace import Workspace
from ...widgets.plot_zoom import Zoom
from ...widgets.section import caption, row
from ...widgets.spectra_plot import SpectraPlot

KEEP_MS = 400
"""A zoom is kept once the wheel has rested so long."""


class SpectraView(QWidget):
    """The plot's scale to choose; :meth:`restore` is called once the plot has its axis."""

    def __init__(self, workspace: Workspace, plot: SpectraPlot, parent: QWidget) -> None:
        super().__init__(parent)
        self._workspace, self._plot = workspace, plot
        self._scene = ""
        self._box = QComboBox()
        self._box.setObjectName("mtmsdSpectraScale")
        self._box.setToolTip(self.tr("Scale of the plot alone; what is exported stays as read"))
        texts = {
            READ: self.tr("As read"),
            REFLECTANCE: self.tr("Reflectance, 0 to 1"),
            RANGE: self.tr("Min–max of each"),
            CONTINUUM: self.tr("Continuum removed"),
        }
        for scale in SCALES:
            self._box.addItem(texts[scale], scale)
        self._box.activated.connect(lambda _index: self._choose(self._box.currentData()))
        layout = row(caption(self.tr("Scale"), self._box), self._box, stretch=1)
        self.setLayout(layout)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(KEEP_MS)
        self._timer.timeout.connect(self._keep_zoom)
        plot.zoom_changed.connect(self._timer.start)

    def restore(self) -> None:
        """Show the scene's spectra as they were looked at last."""
        self._timer.stop()
        state, self._scene = self._workspace.state, self._workspace.scene_path
        scale = state.spectra_scale if state.spectra_scale in SCALES else READ
        self._box.setCurrentIndex(self._box.findData(scale))
        self._plot.set_scale(scale)
        self._plot.set_zoom(Zoom.from_dict(state.spectra_zoom))
        self._timer.stop()  # nothing has changed

    def _choose(self, scale: str) -> None:
        self._plot.set_scale(scale)
        self._workspace.change(spectra_scale=scale, spectra_zoom=self._plot.zoom.as_dict())

    def _keep_zoom(self) -> None:
        if self._scene == self._workspace.scene_path:
            self._workspace.change(spectra_zoom=self._plot.zoom.as_dict())
