"""Which field of the reference holds the class, and which class of the map each of them is."""

from __future__ import annotations

from qgis.core import NULL, QgsVectorLayer
from qgis.gui import QgsFieldComboBox
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ....common.class_fields import guess_field, name_field
from ....state.training.import_plan import name_key
from ....state.workspace import Workspace
from ...widgets.section import caption, row

MOST_CLASSES = 200
"""A field of more values holds no classes."""
ROW_HEIGHT, SHOWN_ROWS = 26, 4
LEFT_OUT, NONE = "", "-"


class ReferenceClasses(QWidget):
    """A field chooser and a table; what is matched by hand is kept in the project."""

    changed = pyqtSignal()

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._layer: QgsVectorLayer | None = None
        self._field = QgsFieldComboBox()
        self._field.setObjectName("mtmsdReferenceField")
        self._field.setToolTip(self.tr("The field of the reference that holds the class"))
        self._field.fieldChanged.connect(self._fill)
        self._table = QTableWidget(0, 2)
        self._table.setObjectName("mtmsdReferenceClasses")
        self._table.setHorizontalHeaderLabels([self.tr("Reference"), self.tr("Map")])
        self._table.setToolTip(self.tr("Which class of the map each class of the reference is"))
        self._table.verticalHeader().hide()
        self._table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = self._table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self._table.setFixedHeight(header.sizeHint().height() + ROW_HEIGHT * SHOWN_ROWS + 4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row(caption(self.tr("Class field"), self._field), self._field, stretch=1))
        layout.addWidget(self._table)
        workspace.map_changed.connect(self._fill)
        self.hide()

    @property
    def field(self) -> str:
        """The chosen field."""
        return self._field.currentField()

    def set_layer(self, layer: QgsVectorLayer | None) -> None:
        """Take another reference; hidden without one."""
        if layer is self._layer:
            return
        self._layer = layer
        self._field.blockSignals(True)
        self._field.setLayer(layer)
        if layer is not None:
            self._field.setField(guess_field(layer))
        self._field.blockSignals(False)
        self.setVisible(layer is not None)
        self._fill()

    @property
    def match(self) -> dict[str, str]:
        """What ``mtmsd:assess`` takes: the map's class for each, empty where it is left out."""
        return {key: combo.currentData() for key, combo in self._combos().items()}

    @property
    def unmatched(self) -> list[str]:
        """Classes of the reference that are none of the map's: their pixels count as wrong."""
        return [key for key, combo in self._combos().items() if combo.currentData() == NONE]

    def _combos(self) -> dict[str, QComboBox]:
        rows = range(self._table.rowCount())
        return {
            self._table.item(r, 0).data(Qt.ItemDataRole.UserRole): self._table.cellWidget(r, 1)
            for r in rows
        }

    def _fill(self, *_: object) -> None:
        """List the reference's classes, matched as before, else by name."""
        theirs, ours = self._theirs(), list(self._workspace.state.pixels)
        kept = self._workspace.state.matches.get(self._key(), {})
        training = self._workspace.training
        numbers = {str(c.value): c.name for c in training.classes} if training else {}
        self._table.setRowCount(len(theirs))
        for place, name in enumerate(theirs):
            item = QTableWidgetItem(name)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled)
            item.setToolTip(name)
            item.setData(Qt.ItemDataRole.UserRole, name)
            self._table.setItem(place, 0, item)
            combo = QComboBox()
            combo.addItem(self.tr("none: counts as wrong"), NONE)
            combo.addItem(self.tr("left out"), LEFT_OUT)
            for own in ours:
                combo.addItem(own, own)
            alike = next((own for own in ours if name_key(own) == name_key(name)), NONE)
            alike = numbers.get(name, alike)
            combo.setCurrentIndex(max(0, combo.findData(kept.get(name, alike))))
            combo.setToolTip(self.tr("The map's class for {}").format(name))
            combo.currentIndexChanged.connect(self._chosen)
            self._table.setCellWidget(place, 1, combo)
        self.changed.emit()

    def _theirs(self) -> list[str]:
        """Return the names of the reference's classes, as the engine reads them."""
        layer, field = self._layer, self.field
        if layer is None or not field:
            return []
        shown = (layer.fields().field(field).isNumeric() and name_field(layer, field)) or field
        found = layer.uniqueValues(layer.fields().indexOf(shown), MOST_CLASSES + 1)
        names = {str(value).strip() for value in found if value not in (None, NULL)} - {""}
        return sorted(names) if len(names) <= MOST_CLASSES else []

    def _key(self) -> str:
        return f"{self._layer.name()}|{self.field}" if self._layer is not None else ""

    def _chosen(self) -> None:
        matches = {**self._workspace.state.matches, self._key(): self.match}
        self._workspace.change(matches=matches)
        self.changed.emit()
