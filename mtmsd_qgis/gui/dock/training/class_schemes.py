"""Loads and saves class schemes from the menu of the classes."""

from __future__ import annotations

from pathlib import Path

from qgis.core import Qgis
from qgis.PyQt.QtCore import QObject
from qgis.PyQt.QtWidgets import QFileDialog, QMenu, QWidget

from ....state.training.class_scheme import read_scheme, write_scheme
from ....state.training.training_layer import TrainingLayer
from ....state.workspace import Workspace


class ClassSchemes(QObject):
    """Two entries of a menu."""

    def __init__(self, workspace: Workspace, parent: QWidget) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._filters = self.tr("Class schemes (*.csv *.qml)")

    def add_to(self, menu: QMenu) -> None:
        """Add the entries."""
        menu.addSeparator()
        load = menu.addAction(self.tr("Load a Class Scheme…"))
        load.setToolTip(self.tr("Classes from a CSV (value, name, colour) or a style (QML)"))
        load.triggered.connect(lambda: self._load())
        save = menu.addAction(self.tr("Save the Class Scheme…"))
        save.setToolTip(self.tr("The classes as a CSV (value, name, colour) or a style (QML)"))
        training = self._workspace.training
        save.setEnabled(training is not None and bool(training.classes))
        save.triggered.connect(lambda: self._save())

    def _load(self) -> None:
        title = self.tr("Load a Class Scheme")
        path, _ = QFileDialog.getOpenFileName(self.parent(), title, "", self._filters)
        if not path:
            return
        try:
            classes = read_scheme(Path(path))
        except (OSError, ValueError) as error:
            self._workspace.said.emit(str(error), Qgis.MessageLevel.Warning)
            return

        def take(training: TrainingLayer) -> None:
            moved = training.take_scheme(classes)
            text = self.tr("{} classes were loaded from {}.").format(len(classes), Path(path).name)
            if moved:
                text += " " + self.tr("Of another number than in the file: {}.").format(
                    ", ".join(f"{c.name} ({c.value})" for c in moved)
                )
            self._workspace.said.emit(text, Qgis.MessageLevel.Info)

        self._workspace.with_training(take)

    def _save(self) -> None:
        title = self.tr("Save the Class Scheme")
        path, _ = QFileDialog.getSaveFileName(self.parent(), title, "classes.csv", self._filters)
        if not path:
            return
        file = Path(path) if Path(path).suffix else Path(f"{path}.csv")
        try:
            write_scheme(file, self._workspace.training.classes)
        except OSError as error:
            self._workspace.said.emit(str(error), Qgis.MessageLevel.Warning)
            return
        text = self.tr("The classes were saved to {}.").format(file)
        self._workspace.said.emit(text, Qgis.MessageLevel.Info)
