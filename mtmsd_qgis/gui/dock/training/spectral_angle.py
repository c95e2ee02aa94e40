"""A button that measures the spectral angle of the scene to pinned and imported spectra."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsProcessingUtils
from qgis.PyQt.QtWidgets import QToolButton

from ....state.training.spectral_library import Spectrum, write_library
from ....state.workspace import Workspace
from .spectra_pins import axis_of


class SpectralAngle(QToolButton):
    """Opens ``mtmsd:angle`` with the scene and a library of the spectra in the plot."""

    def __init__(self, workspace: Workspace, spectra: Callable[[], Sequence[Spectrum]]) -> None:
        super().__init__()
        self._workspace, self._spectra = workspace, spectra
        self.setObjectName("mtmsdSpectralAngle")
        self.setText(self.tr("Spectral Angle…"))
        self.clicked.connect(lambda: self._open())
        workspace.scene_changed.connect(self._refresh)
        workspace.facts_changed.connect(self._refresh)
        self._refresh()

    def _refresh(self) -> None:
        known = self._workspace.facts is not None
        self.setEnabled(known)
        tip = self.tr("How far each pixel is from the pinned and imported spectra, as a layer")
        self.setToolTip(tip if known else self.tr("Choose a scene first."))

    def _open(self) -> None:
        import processing  # QGIS's own plugin, loaded after this one

        workspace, spectra = self._workspace, self._spectra()
        axis = axis_of(workspace)
        if not spectra or not axis.wavelengths:
            none = self.tr("There are no spectra to measure by: pin pixels, or import spectra.")
            unknown = self.tr("The scene has no wavelengths, by which spectra are compared.")
            workspace.said.emit(unknown if spectra else none, Qgis.MessageLevel.Info)
            return
        library = Path(QgsProcessingUtils.generateTempFilename("spectra.csv"))
        with workspace.saying_errors():
            write_library(library, spectra, axis)
            values = {"INPUT": workspace.scene.id(), "LIBRARY": str(library)}
            dialog: Any = processing.createAlgorithmDialog("mtmsd:angle", values)
            dialog.show()
