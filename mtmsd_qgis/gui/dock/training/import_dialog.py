"""Shows what would be taken from a layer before anything is: field, classes, what is outside."""

from __future__ import annotations

from functools import partial
from typing import Any

from qgis.core import QgsMapLayer, QgsVectorLayer
from qgis.gui import QgsFieldComboBox
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ....common.background import Background
from ....common.class_fields import guess_field
from ....common.numbers import number
from ....common.plural import pixels_text, polygons_text
from ....common.translation import tr
from ....state.training.classes import Source
from ....state.training.import_plan import ImportPlan, plan
from ....state.training.label_sources import raster_reader, vector_reader
from ....state.training.spectra import SpectraReader
from ....state.workspace import Workspace
from ...widgets.section import caption, color_icon, row


class ImportDialog(QDialog):
    """Asks which field holds the classes of a layer, and shows what comes of them.

    ``field`` is the one that the file says, if it does; ``noticed`` was told when it was read.
    """

    accepted_plan = pyqtSignal(object)
    """The :class:`.ImportPlan` that the user has taken."""

    def __init__(
        self,
        layer: QgsMapLayer,
        workspace: Workspace,
        parent: QWidget,
        field: str = "",
        noticed: tuple[str, ...] = (),
    ) -> None:
        super().__init__(parent)
        self._noticed = noticed
        self.setObjectName("mtmsdImportDialog")
        self.setWindowTitle(self.tr("Take Polygons from {}").format(layer.name()))
        self.resize(460, 380)
        self._layer, self._workspace = layer, workspace
        self._source: Source | None = None
        self._plan: ImportPlan | None = None
        self._question = 0
        rows = QVBoxLayout(self)
        self._field = QgsFieldComboBox()
        self._field.setObjectName("mtmsdImportField")
        self._field.setToolTip(self.tr("Numbers or names of the classes"))
        self._guessed = QLabel()
        self._guessed.setObjectName("mtmsdImportGuess")
        self._guessed.setWordWrap(True)
        if isinstance(layer, QgsVectorLayer):
            self._field.setLayer(layer)
            guess = field or guess_field(layer)
            self._field.setField(guess)
            if guess and not field:
                text = self.tr("The field {} was guessed by its name.")
                self._guessed.setText(text.format(guess))
            label = caption(self.tr("Class &field"), self._field)
            rows.addLayout(row(label, self._field, stretch=1))
            rows.addWidget(self._guessed)
        self._table = QTableWidget(0, 4)
        self._table.setObjectName("mtmsdImportTable")
        self._table.setHorizontalHeaderLabels(
            [self.tr("In the layer"), self.tr("Polygons"), self.tr("Pixels"), self.tr("Becomes")]
        )
        self._table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self._table.verticalHeader().hide()
        self._table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        rows.addWidget(self._table, 1)
        self._merge = QCheckBox(self.tr("&Merge names that differ in capitals or blanks only"))
        self._merge.setObjectName("mtmsdImportMerge")
        self._merge.hide()
        rows.addWidget(self._merge)
        self._notes = QLabel()
        self._notes.setObjectName("mtmsdImportNotes")
        self._notes.setWordWrap(True)
        rows.addWidget(self._notes)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self._take = buttons.addButton(
            self.tr("&Take Polygons"), QDialogButtonBox.ButtonRole.AcceptRole
        )
        self._take.setObjectName("mtmsdImportTake")
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        rows.addWidget(buttons)
        self._field.fieldChanged.connect(self._read)
        self._merge.toggled.connect(self._make_plan)
        self._read()

    def _read(self, *_: Any) -> None:
        """Read the layer's polygons and their classes, in a thread."""
        self._source = None
        crs, field = self._workspace.scene.crs(), self._field.currentField()
        if isinstance(self._layer, QgsVectorLayer):
            if not field:
                self._show_error(self.tr("Choose the field that holds the classes."))
                return
            read = vector_reader(self._layer, field, crs)
        else:
            read = raster_reader(self._layer, crs)
        self._ask(read, self._take_source)

    def _take_source(self, source: Source) -> None:
        self._source = source
        self._make_plan()

    def _make_plan(self, *_: Any) -> None:
        if self._source is None:
            return
        workspace = self._workspace
        training = workspace.training
        classes = training.classes if training is not None else workspace.state.classes
        source, path, merge = self._source, workspace.scene_path, self._merge.isChecked()
        work = partial(_planned, source, list(classes), path, merge)
        self._ask(work, self._show_plan)

    def _ask(self, work: Any, then: Any) -> None:
        """Do something in a thread; what was asked before is not waited for any more."""
        self._question += 1
        question, self._plan = self._question, None
        self._take.setEnabled(False)
        self._notes.setText(self.tr("Reading…"))

        def done(answer: Any, error: str | None) -> None:
            if question != self._question:
                return
            if error is not None:
                self._show_error(error)
            else:
                then(answer)

        Background(work, done, self).start()

    def _show_error(self, sentence: str) -> None:
        self._table.setRowCount(0)
        self._notes.setText(sentence)
        self._take.setEnabled(False)

    def _show_plan(self, found: ImportPlan) -> None:
        self._plan = found
        self._table.setRowCount(len(found.planned))
        for index, planned in enumerate(found.planned):
            title = f"{planned.number}  {planned.name}" if planned.number else planned.name
            target = f"{planned.becomes.value}  {planned.becomes.name}"
            cells = (title, number(planned.polygons), number(planned.pixels), target)
            for column, text in enumerate(cells):
                item = QTableWidgetItem(text)
                if column == len(cells) - 1:
                    item.setIcon(color_icon(planned.becomes.color))
                self._table.setItem(index, column, item)
        self._merge.setVisible(bool(found.alike))
        self._notes.setText("\n".join([*self._noticed, *self._source.notes, *_notes(found)]))
        self._take.setEnabled(bool(found.polygons))

    def _accept(self) -> None:
        if self._plan is not None:
            self.accepted_plan.emit(self._plan)
        self.accept()


def _planned(source: Source, classes: list[Any], path: str, merge: bool) -> ImportPlan:
    return plan(source, classes, SpectraReader(path, [1]), merge=merge)


def _notes(found: ImportPlan) -> list[str]:
    inside = len(found.polygons)
    if not inside:
        text = tr("None of the {} lies in the scene.")
        return (
            [text.format(polygons_text(found.outside))]
            if found.outside
            else [tr("The layer has no polygons with a class.")]
        )
    notes = [tr("Inside the scene: {}").format(polygons_text(inside))]
    if found.outside:
        notes.append(tr("Outside, not taken: {}").format(polygons_text(found.outside)))
    if found.left_out:
        text = tr("Without a class or a shape, not taken: {}")
        notes.append(text.format(polygons_text(found.left_out)))
    if found.contested:
        text = tr("In two classes: {}; the later polygon counts")
        notes.append(text.format(pixels_text(found.contested)))
    for planned in found.planned:
        if planned.number and planned.number != planned.becomes.value:
            text = tr("{number} is another class here, so {name} becomes {new}.")
            notes.append(
                text.format(number=planned.number, name=planned.name, new=planned.becomes.value)
            )
    for names in found.alike:
        notes.append(tr("Alike: {}").format(", ".join(f"'{name}'" for name in names)))
    return notes
