"""Spectra of libraries beside the classes: imported, listed, removed, kept with the scene."""

from __future__ import annotations

from dataclasses import replace
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
from ....state.library_training import distinct, trained
from ....state.training.classes import LandClass
from ....state.training.import_plan import name_key
from ....state.training.imported_spectra import read_kept, resampled
from ....state.training.spectral_library import Spectrum, write_library
from ....state.training.training_layer import TrainingLayer
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
        workspace.library_changed.connect(self._show)
        workspace.classes_changed.connect(self._classes_changed)
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
        self._fill_menu(colors)
        training, count = len(trained(self._workspace)), len(self._spectra)
        text = self.tr("Imported ({}, {} of them train)") if training else self.tr("Imported ({})")
        self._list.setText(text.format(count, training))
        self._list.setVisible(bool(self._spectra or training))
        self._list.setToolTip(
            self.tr("The imported spectra, dashed in the plot; train with them or remove them here")
        )
        self._plot.set_library(
            [Line(c, s.values, name=s.name) for c, s in zip(colors, self._spectra)]
        )

    def _fill_menu(self, colors: list[str]) -> None:
        self._menu.clear()
        classes = trained(self._workspace)
        for spectrum, color in zip(self._spectra, colors):
            name, land_class = spectrum.name.replace("&", "&&"), classes.get(spectrum.name)
            text = name if land_class is None else f"{name} → {land_class.name}"
            menu = self._menu.addMenu(color_icon(color), text)
            self._fill_training(menu, spectrum, land_class)
            menu.addSeparator()
            remove = menu.addAction(self.tr("Remove"))
            remove.triggered.connect(partial(self._remove, spectrum))
        self._menu.addSeparator()
        if classes:
            none = self._menu.addAction(self.tr("Use None for Training"))
            none.triggered.connect(lambda: self._workspace.change(library_classes={}))
        if len(self._spectra) > 1:
            self._menu.addAction(self.tr("Remove All")).triggered.connect(lambda: self._keep([]))

    def _fill_training(self, menu: QMenu, spectrum: Spectrum, now: LandClass | None) -> None:
        """List the classes that a spectrum may train."""
        training = self._workspace.training
        classes = training.classes if training is not None else []
        action = menu.addAction(self.tr("Not Used for Training"))
        action.setCheckable(True)
        action.setChecked(now is None)
        action.triggered.connect(partial(self._train, spectrum, None))
        for land_class in classes:
            text = self.tr("Train {}").format(land_class.name.replace("&", "&&"))
            action = menu.addAction(color_icon(land_class.color), text)
            action.setCheckable(True)
            action.setChecked(land_class == now)
            action.triggered.connect(partial(self._train, spectrum, land_class))
        if all(name_key(c.name) != name_key(spectrum.name) for c in classes):
            action = menu.addAction(self.tr("Train a New Class"))
            action.triggered.connect(partial(self._train_new, spectrum))

    def _train(self, spectrum: Spectrum, land_class: LandClass | None, *_: object) -> None:
        """Let a spectrum train a class, or none; one that lacks bands cannot."""
        lacking = int(np.isnan(spectrum.values).sum())
        if land_class is not None and lacking:
            text = self.tr(
                "{} has no values at {} of the scene's bands, so it cannot train; leave these "
                "bands out, then import it again."
            )
            self._workspace.said.emit(
                text.format(spectrum.name, lacking), Qgis.MessageLevel.Warning
            )
            self._show()
            return
        classes = dict(self._workspace.state.library_classes)
        classes.pop(spectrum.name, None)
        if land_class is not None:
            classes[spectrum.name] = land_class.value
        self._workspace.change(library_classes=classes)

    def _train_new(self, spectrum: Spectrum, *_: object) -> None:
        def add(training: TrainingLayer) -> None:
            land_class = training.add_class(spectrum.name)
            if land_class is not None:
                self._train(spectrum, land_class)

        if np.isnan(spectrum.values).any():
            self._train(spectrum, LandClass(0, spectrum.name, ""))  # says why it cannot
        else:
            self._workspace.with_training(add)

    def _classes_changed(self) -> None:
        """Spectra whose class is gone train no more."""
        training, state = self._workspace.training, self._workspace.state
        if training is not None:
            left = {name: c.value for name, c in trained(self._workspace).items()}
            gone = [name for name in state.library_classes if name not in left]
            if gone:
                text = self.tr("The class is gone that these spectra trained: {}.")
                self._workspace.said.emit(text.format(", ".join(gone)), Qgis.MessageLevel.Warning)
                self._workspace.change(library_classes=left)
        self._show()

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
        names = distinct([s.name for s in found], [s.name for s in self._spectra])
        found = [replace(s, name=name) for s, name in zip(found, names)]
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
            names, before = {s.name for s in spectra}, self._workspace.state.library_classes
            classes = {name: value for name, value in before.items() if name in names}
            self._workspace.change(library=path, library_classes=classes)
        self._spectra = spectra
        self._workspace.library_changed.emit()  # the file may be the same, with other spectra


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
