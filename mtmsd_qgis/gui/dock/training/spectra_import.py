"""Spectra of libraries beside the classes: imported, listed, removed, kept with the scene."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from qgis.core import Qgis
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QListWidget,
    QMenu,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ....common.background import Background
from ....common.translation import tr
from ....engine.interpreter import OUTDATED, READY
from ....state.training.imported_spectra import read_kept, resampled
from ....state.training.spectral_library import Spectrum, write_library
from ....state.workspace import Workspace
from ...widgets.flow import Flow
from ...widgets.section import color_icon
from ...widgets.spectra_plot import Line, SpectraPlot
from ..scene.band_display import wavelengths
from .spectra_pins import SpectraPins, axis_of
from .spectral_angle import SpectralAngle

COLORS = ("#fb8c00", "#5e35b1", "#43a047", "#e53935", "#1e88e5", "#8d6e63", "#00acc1")
MANY = 12
"""Of more spectra the user chooses: the plot cannot show them all."""
FILTERS = "*.sli *.hdr *.csv *.txt *.asd"


class SpectraImport(QWidget):
    """A button that imports, and a menu of what was imported."""

    def __init__(
        self, workspace: Workspace, plot: SpectraPlot, pins: SpectraPins, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._workspace, self._plot = workspace, plot
        angle = SpectralAngle(workspace, lambda: [*pins.pinned, *self._spectra])
        self._spectra: list[Spectrum] = []
        self._import = QToolButton()
        self._import.setObjectName("mtmsdSpectraImport")
        self._import.setText(self.tr("Import Spectra…"))
        self._import.clicked.connect(lambda: self._ask())
        self._list = QToolButton()
        self._list.setObjectName("mtmsdSpectraImported")
        self._list.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu = QMenu(self._list)
        self._list.setMenu(self._menu)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(Flow(self._import, self._list, angle))
        workspace.facts_changed.connect(self._scene_known)
        workspace.scene_changed.connect(self._scene_known)
        self._scene_known()

    def _scene_known(self) -> None:
        """Take the spectra that were kept with the scene."""
        self._spectra = []
        path, facts = self._workspace.state.library, self._workspace.facts
        if facts is not None and path is not None and path.is_file():
            with self._workspace.saying_errors():
                self._spectra = read_kept(path, list(wavelengths(facts)))
        self._show()

    def _show(self) -> None:
        known = self._workspace.facts is not None
        tip = self.tr(
            "Spectra of a library, at the scene's bands and in its units: ENVI (.sli), CSV, text "
            "of the USGS or of ECOSTRESS, ASD"
        )
        self._import.setEnabled(known)
        self._import.setToolTip(tip if known else self.tr("Choose a scene first."))
        colors = [COLORS[i % len(COLORS)] for i in range(len(self._spectra))]
        self._menu.clear()
        for spectrum, color in zip(self._spectra, colors):
            text = self.tr("Remove {}").format(spectrum.name.replace("&", "&&"))
            action = self._menu.addAction(color_icon(color), text)
            action.triggered.connect(partial(self._remove, spectrum))
        if len(self._spectra) > 1:
            self._menu.addSeparator()
            self._menu.addAction(self.tr("Remove All")).triggered.connect(lambda: self._keep([]))
        self._list.setText(self.tr("Imported ({})").format(len(self._spectra)))
        self._list.setVisible(bool(self._spectra))
        self._list.setToolTip(self.tr("The imported spectra, dashed in the plot; remove them here"))
        self._plot.set_library(
            [Line(c, s.values, name=s.name) for c, s in zip(colors, self._spectra)]
        )

    def _ask(self) -> None:
        title, kinds = self.tr("Import Spectra"), self.tr("Spectral libraries")
        chosen = f"{kinds} ({FILTERS});;{self.tr('All files')} (*)"
        files, _ = QFileDialog.getOpenFileNames(self, title, "", chosen)
        engine, scene = self._workspace.engine.state(), self._workspace.scene_path
        if not files:
            return
        if engine.status not in (READY, OUTDATED):
            self._workspace.said.emit(engine.sentence, Qgis.MessageLevel.Warning)
            return

        def done(answer: Any, error: str | None) -> None:
            self._import.setEnabled(True)
            if scene != self._workspace.scene_path or self._workspace.facts is None:
                return
            if error is not None:
                self._workspace.said.emit(error, Qgis.MessageLevel.Warning)
            else:
                self._take(*answer)

        self._import.setEnabled(False)
        Background(lambda: resampled(engine.python, scene, files), done, self).start()

    def _take(self, bands: list[int], spectra: list[Spectrum], notes: list[str]) -> None:
        """Show spectra beside those that are there; bands that the dock leaves out are left out."""
        place = {band: i for i, band in enumerate(bands)}
        used = list(wavelengths(self._workspace.facts))
        if not set(used) <= set(place):
            text = self.tr("The engine sees other bands of the scene now; open it again.")
            self._workspace.said.emit(text, Qgis.MessageLevel.Warning)
            return
        order = np.array([place[band] for band in used])
        found = [Spectrum(s.name, s.values[order]) for s in spectra]
        if len(found) > MANY:
            names = chosen_of([s.name for s in found], self)
            found = [found[i] for i in names]
        if found:
            self._keep([*self._spectra, *found])
            text = self.tr("{} spectra were imported.").format(len(found))
            self._workspace.said.emit(" ".join([text, *notes]), Qgis.MessageLevel.Info)

    def _remove(self, spectrum: Spectrum, *_: object) -> None:
        self._keep([other for other in self._spectra if other is not spectrum])

    def _keep(self, spectra: list[Spectrum]) -> None:
        """Take spectra as the imported ones, and write them beside the scene."""
        with self._workspace.saying_errors():
            path = self._workspace.state.library or self._workspace.new_file("library", ".csv")
            write_library(path, spectra, axis_of(self._workspace))
            self._workspace.change(library=path)
        self._spectra = spectra
        self._show()


def chosen_of(names: list[str], parent: QWidget) -> list[int]:
    """Ask which of many spectra are wanted; none if the dialog is cancelled."""
    dialog = QDialog(parent)
    dialog.setObjectName("mtmsdSpectraChoice")
    dialog.setWindowTitle(tr("Choose Spectra"))
    listed = QListWidget()
    listed.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
    listed.addItems(names)
    buttons = QDialogButtonBox(
        QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
    )
    buttons.accepted.connect(dialog.accept)
    buttons.rejected.connect(dialog.reject)
    layout = QVBoxLayout(dialog)
    layout.addWidget(listed)
    layout.addWidget(buttons)
    taken = dialog.exec() == QDialog.DialogCode.Accepted
    rows = sorted(listed.row(item) for item in listed.selectedItems()) if taken else []
    dialog.deleteLater()
    return rows
