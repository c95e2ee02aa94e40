"""The classes: colour, name, polygons, pixels; every step can be undone."""

from __future__ import annotations

from functools import partial
from typing import Any

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsMapLayer,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.gui import QgsColorDialog
from qgis.PyQt.QtCore import Qt, QTimer, pyqtSignal
from qgis.PyQt.QtGui import QColor, QIcon
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QMenu,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QWidget,
)

from ....common.numbers import number
from ....common.plural import polygons_text
from ....state.layer_roles import role
from ....state.library_training import alone, spectra_of_classes
from ....state.training.classes import FEWEST_PIXELS, GOOD_PIXELS, LandClass
from ....state.training.import_plan import ImportPlan
from ....state.training.label_import import Intake
from ....state.training.training_layer import TrainingLayer
from ....state.training_samples import TrainingSamples
from ....state.workspace import Workspace
from ...widgets.section import BUSY, DONE, NEXT, TODO, WARNED, WRONG, Section, color_icon, row
from .area_files import AreaFiles
from .class_schemes import ClassSchemes
from .import_dialog import ImportDialog

COLOR_COLUMN, NAME_COLUMN, POLYGONS_COLUMN, PIXELS_COLUMN = range(4)
ROW_HEIGHT = 24
BUTTON_WIDTH = 22
"""Of the buttons with an icon only."""
SHOWN_CLASSES = 6
"""More are scrolled to, so that what is below stays where it is."""


class ClassesSection(Section):
    """A table of the classes; the selected one is drawn."""

    current_changed = pyqtSignal()

    def __init__(self, workspace: Workspace, samples: TrainingSamples, parent: QWidget) -> None:
        super().__init__("mtmsdClasses", parent)
        self.set_title(self.tr("3  Classes"))
        self._workspace = workspace
        self._samples = samples
        self._filling = False
        self.importing = False
        self._keys: list[str] = []
        self._table = QTableWidget(0, 4)
        self._table.setObjectName("mtmsdClassTable")
        self._table.setHorizontalHeaderLabels(
            ["", self.tr("Name"), self.tr("Polygons"), self.tr("Pixels")]
        )
        self._table.setToolTip(
            self.tr("Double-click a name or a colour to change it; the selected class is drawn")
        )
        self._table.verticalHeader().hide()
        self._table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = self._table.horizontalHeader()
        header.setMinimumSectionSize(24)
        for column in (COLOR_COLUMN, POLYGONS_COLUMN, PIXELS_COLUMN):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(NAME_COLUMN, QHeaderView.ResizeMode.Stretch)
        self._table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self._table.setTabKeyNavigation(False)
        self._table.itemChanged.connect(self._item_changed)
        self._table.itemSelectionChanged.connect(self._selection_changed)
        self._table.cellDoubleClicked.connect(self._double_clicked)
        self._table.setFixedHeight(header.sizeHint().height() + ROW_HEIGHT * SHOWN_CLASSES + 4)
        self.rows.addWidget(self._table)

        self._import = QPushButton(self.tr("From &Layer"))
        self._import.setObjectName("mtmsdImport")
        self._schemes = ClassSchemes(workspace, self)
        self._files = AreaFiles(workspace, self._ask, self)
        self._menu = QMenu(self._import)
        self._menu.setObjectName("mtmsdImportMenu")
        self._menu.setToolTipsVisible(True)
        self._menu.aboutToShow.connect(self._fill_menu)
        self._import.setMenu(self._menu)
        self._buttons = {
            "add": self._button("mtmsdClassAdd", "symbologyAdd", self.add),
            "merge": self._button("mtmsdClassMerge", "mActionMergeFeatures", self._merge),
            "delete": self._button("mtmsdClassDelete", "symbologyRemove", self._delete),
            "assign": self._button("mtmsdClassAssign", "mActionEditNodesItem", self._assign),
        }
        assign = self.tr("Give the selected polygons this class")
        self._buttons["assign"].setProperty("tip", assign)
        buttons = row(*self._buttons.values(), self._import, stretch=4)
        buttons.setSpacing(2)
        self.rows.addLayout(buttons)

        workspace.scene_changed.connect(self.refresh)
        workspace.classes_changed.connect(self.refresh)
        workspace.training_changed.connect(self._refresh_buttons)
        workspace.library_changed.connect(self._counts_changed)
        samples.ready.connect(self._counts_changed)
        self.refresh()

    def _button(self, name: str, icon: str, pressed: Any) -> QToolButton:
        button = QToolButton()
        button.setObjectName(name)
        button.setIcon(QgsApplication.getThemeIcon(f"/{icon}.svg"))
        button.setFixedWidth(BUTTON_WIDTH)
        button.clicked.connect(lambda: pressed())
        return button

    @property
    def current(self) -> LandClass | None:
        """The class that is drawn; none while polygons are taken from a layer."""
        values = [] if self.importing else self._selected()
        training = self._workspace.training
        return training.of(values[0]) if values and training is not None else None

    def select(self, value: int) -> None:
        """Make a class the current one."""
        for index in range(self._table.rowCount()):
            if self._value(index) == value:
                self._table.selectRow(index)

    def select_row(self, place: int) -> None:
        """Make the class in a row of the table, from 0, the current one."""
        if place < self._table.rowCount():
            self._table.clearSelection()
            self._table.selectRow(place)

    def show_keys(self, keys: list[str]) -> None:
        """Say which key takes the class of each row."""
        if keys != self._keys:
            self._keys = keys
            self.refresh()

    # what is shown

    def refresh(self) -> None:
        """Fill the table again."""
        training = self._workspace.training
        classes = training.classes if training is not None else []
        selected = self._selected()
        self._filling = True
        self._table.setRowCount(len(classes))
        for index, land_class in enumerate(classes):
            color = QTableWidgetItem()
            color.setIcon(color_icon(land_class.color))
            color.setData(Qt.ItemDataRole.UserRole, land_class.value)
            color.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            color.setToolTip(self.tr("Class {}; double-click to recolour").format(land_class.value))
            name = QTableWidgetItem(land_class.name)
            key = self._keys[index] if index < len(self._keys) else ""
            name.setToolTip(self.tr("{} (key {})").format(land_class.name, key) if key else "")
            self._table.setItem(index, COLOR_COLUMN, color)
            self._table.setItem(index, NAME_COLUMN, name)
            for column in (POLYGONS_COLUMN, PIXELS_COLUMN):
                count = QTableWidgetItem("")
                count.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
                count.setTextAlignment(
                    int(Qt.AlignmentFlag.AlignRight) | int(Qt.AlignmentFlag.AlignVCenter)
                )
                self._table.setItem(index, column, count)
            if land_class.value in selected:
                self._table.selectRow(index)
        self._filling = False
        self._counts_changed()
        if classes and not self._selected():
            self._table.selectRow(0)
        self._selection_changed()

    def _counts_changed(self) -> None:
        counts, library = self._samples.counts, spectra_of_classes(self._workspace)
        self._filling = True
        for index in range(self._table.rowCount()):
            value = self._value(index)
            pixels = counts.pixels.get(value, 0)
            self._table.item(index, POLYGONS_COLUMN).setText(number(counts.polygons.get(value, 0)))
            cell = self._table.item(index, PIXELS_COLUMN)
            cell.setText(number(pixels))
            spectra = self.tr("Spectra of a library: {}").format(library[value])
            warning = "" if library[value] and not pixels else self._too_few(pixels)
            cell.setToolTip(warning or (spectra if library[value] else ""))
            cell.setIcon(QgsApplication.getThemeIcon("/mIconWarning.svg") if warning else QIcon())
        self._filling = False
        self._show_state()

    def _too_few(self, pixels: int) -> str:
        if pixels < FEWEST_PIXELS:
            return self.tr("Too few: at least {} pixels are needed").format(FEWEST_PIXELS)
        if pixels < GOOD_PIXELS:
            return self.tr("Few: draw some more, {} pixels or so").format(GOOD_PIXELS)
        return ""

    def _show_state(self) -> None:
        training, samples = self._workspace.training, self._samples
        self._refresh_buttons()
        if self._workspace.scene is None:
            self.set_state(TODO, self.tr("Choose a scene first."))
        elif self.importing:
            self.set_state(BUSY, self.tr("Reading the layer…"))
        elif training is None or not training.classes:
            self.set_state(NEXT, self.tr("Add a class, or take classes from a layer."))
        elif samples.error:
            self.set_state(WRONG, samples.error)
        elif len(training.classes) < 2:
            self.set_state(NEXT, self.tr("One class; add a second one."))
        else:
            pixels = samples.counts.pixels
            library = alone(self._workspace, samples.counts.polygons)
            few = [c.name for c in training.classes if pixels.get(c.value, 0) < FEWEST_PIXELS]
            few = [name for name in few if name not in library]
            total = sum(pixels.values())
            if few:
                text = self.tr("Too few pixels: {}").format(", ".join(few[:3]))
                self.set_state(WRONG if total else NEXT, text)
            else:
                text, doubts = self.tr("{} classes, {} pixels"), self._doubts()
                said = [text.format(len(training.classes), number(total))]
                if library:
                    said += [self.tr("from a library alone: {}").format(", ".join(library))]
                self.set_state(WARNED if doubts else DONE, " · ".join([*said, *doubts]))

    def _doubts(self) -> list[str]:
        """What the engine will leave out or decide, in the words of the state's line."""
        counts, doubts = self._samples.counts, []
        if counts.contested:
            text = self.tr("{} are in two classes: the later polygon counts")
            doubts.append(text.format(number(counts.contested)))
        if counts.empty:
            text = self.tr("{} outside the scene or without data")
            doubts.append(text.format(polygons_text(counts.empty)))
        if self._workspace.training.classless:
            text = self.tr("{} without a class")
            doubts.append(text.format(polygons_text(self._workspace.training.classless)))
        return doubts

    def _refresh_buttons(self) -> None:
        scene, training = self._workspace.scene, self._workspace.training
        held = training.held if training is not None else ""
        count = len(self._selected())
        first = self.tr("Choose a scene first.")
        wait = self.tr("Wait until the layer has been read.")
        two = self.tr("Select two or more classes (Ctrl and click).")
        one = self.tr("Select a class.")
        for key, can, tip, reason in (
            ("add", scene is not None, self.tr("Add a class"), first),
            ("merge", count > 1, self.tr("Merge the selected classes into the first"), two),
            ("delete", count > 0, self.tr("Delete the selected classes and their polygons"), one),
            ("assign", count == 1, self._buttons["assign"].property("tip"), one),  # with its key
        ):
            self._buttons[key].setEnabled(can and not self.importing and not held)
            self._buttons[key].setToolTip(
                wait if self.importing else held or (tip if can else reason)
            )
        self._import.setEnabled(scene is not None and not self.importing and not held)
        tip = self.tr("Take classes and polygons from a polygon layer or a label raster")
        self._import.setToolTip(held or (tip if scene is not None else first))
        usual = self._table.EditTrigger.DoubleClicked | self._table.EditTrigger.EditKeyPressed
        self._table.setEditTriggers(self._table.EditTrigger.NoEditTriggers if held else usual)

    # what is pressed

    def add(self) -> None:
        """Add a class and begin to edit its name."""
        self._workspace.with_training(self._add_to)

    def _add_to(self, training: TrainingLayer) -> None:
        new = training.add_class()
        self.select(new.value)
        index = self._table.currentRow()
        self._table.setCurrentCell(index, NAME_COLUMN)
        self._table.editItem(self._table.item(index, NAME_COLUMN))

    def _merge(self) -> None:
        self._workspace.training.merge(self._selected())

    def _assign(self) -> None:
        training, current = self._workspace.training, self.current
        chosen = training.layer.selectedFeatureIds()
        if chosen:
            training.assign(chosen, current)
        else:
            self._workspace.said.emit(self.tr("Select polygons first."), Qgis.MessageLevel.Info)

    def _delete(self) -> None:
        names = [c.name for c in self._workspace.training.classes if c.value in self._selected()]
        self._workspace.training.delete_classes(self._selected())
        text = self.tr("Deleted {} with all polygons; Undo brings them back.")
        self._workspace.said.emit(text.format(", ".join(names)), Qgis.MessageLevel.Info)

    def _item_changed(self, item: QTableWidgetItem) -> None:
        if self._filling or item.column() != NAME_COLUMN:
            return
        value, name = self._value(item.row()), item.text().strip()
        training = self._workspace.training
        if not name:
            self.refresh()
        elif any(c.name == name and c.value != value for c in training.classes):
            text = self.tr("There is a class '{}' already; merge the two instead.")
            self._workspace.said.emit(text.format(name), Qgis.MessageLevel.Warning)
            self.refresh()
        else:
            training.rename(value, name)

    def _double_clicked(self, index: int, column: int) -> None:
        if column != COLOR_COLUMN:
            return
        land_class = self._workspace.training.of(self._value(index))
        color = QgsColorDialog.getColor(
            QColor(land_class.color), self, self.tr("Colour of {}").format(land_class.name)
        )
        if color.isValid():
            self._workspace.training.recolor(land_class.value, color.name())

    def _selection_changed(self) -> None:
        if not self._filling:
            self._refresh_buttons()
            self.current_changed.emit()

    def _selected(self) -> list[int]:
        model = self._table.selectionModel()
        rows = sorted(index.row() for index in model.selectedRows()) if model else []
        return [value for value in map(self._value, rows) if value is not None]

    def _value(self, index: int) -> int | None:
        item = self._table.item(index, COLOR_COLUMN)
        return item.data(Qt.ItemDataRole.UserRole) if item is not None else None

    # import

    def _fill_menu(self) -> None:
        self._menu.clear()
        for layer in QgsProject.instance().mapLayers().values():
            polygons = (
                isinstance(layer, QgsVectorLayer)
                and layer.geometryType() == QgsWkbTypes.GeometryType.PolygonGeometry
            )
            raster = isinstance(layer, QgsRasterLayer) and layer.bandCount() == 1
            if (polygons or raster) and not role(layer):
                action = self._menu.addAction(f"{layer.name()}…")
                action.triggered.connect(partial(self._ask_for, layer.id()))
        if self._menu.isEmpty():
            none = self._menu.addAction(self.tr("No polygon layer or label raster in the project"))
            none.setEnabled(False)
        self._files.add_to(self._menu)
        self._schemes.add_to(self._menu)

    def _ask_for(self, layer_id: str, *_: Any) -> None:
        self._ask(QgsProject.instance().mapLayer(layer_id))

    def _ask(self, layer: QgsMapLayer, field: str = "", noticed: tuple[str, ...] = ()) -> None:
        """Show what would come of a layer."""
        dialog = ImportDialog(layer, self._workspace, self, field, noticed)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted_plan.connect(partial(self._take, title=layer.name()))
        dialog.open()

    def _take(self, plan: ImportPlan, title: str) -> None:
        """Make a file where there is none, in a thread, then add what was planned."""
        self._set_importing(True)

        def ready(_training: TrainingLayer) -> None:
            QTimer.singleShot(0, lambda: self._put(plan, title))

        self._workspace.with_training(ready, lambda: self._set_importing(False))

    def _put(self, plan: ImportPlan, title: str) -> None:
        training = self._workspace.training
        if training is None:
            self._set_importing(False)
            return

        def ended(count: int) -> None:
            self._set_importing(False)
            text = self.tr("{} taken from {}.").format(polygons_text(count), title)
            self._workspace.said.emit(text, Qgis.MessageLevel.Info)

        intake = Intake(training, plan, self)
        intake.ended.connect(ended)
        intake.start()

    def _set_importing(self, on: bool) -> None:
        self.importing = on
        self._show_state()
        self.current_changed.emit()
