"""The list of other scenes: which are mapped, where to, and what came of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from qgis.core import Qgis
from qgis.gui import QgsFileWidget
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QDialog,
    QFileDialog,
    QHeaderView,
    QLabel,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ....common.background import Background
from ....state.paths import key_of
from ....state.raster_list import FoundRaster, project_rasters, rasters_in, rasters_of
from ....state.workspace import Workspace
from ...widgets.flow import Flow
from ...widgets.section import caption, row

SCENE, BANDS, RESULT = range(3)
SOURCE = Qt.ItemDataRole.UserRole


class OtherScenesDialog(QDialog):
    """Asks which scenes are mapped; stays open while they are, and shows what came of each."""

    started = pyqtSignal()
    canceled = pyqtSignal()

    def __init__(self, workspace: Workspace, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("mtmsdOthersDialog")
        self.setWindowTitle(self.tr("Map Other Scenes"))
        self.resize(680, 520)
        self._workspace = workspace
        self._is_running = False
        self._classifier = QLabel()
        self._classifier.setObjectName("mtmsdOthersClassifier")
        self._classifier.setWordWrap(True)
        self._table = QTableWidget(0, 3)
        self._table.setObjectName("mtmsdOthersTable")
        self._table.setHorizontalHeaderLabels(
            [self.tr("Scene"), self.tr("Bands"), self.tr("Result")]
        )
        self._table.setToolTip(
            self.tr("Those with as many bands as the scene are ticked; tick or untick others.")
        )
        self._table.verticalHeader().hide()
        self._table.setWordWrap(True)
        self._table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        header = self._table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(RESULT, QHeaderView.ResizeMode.Stretch)
        self._folder = QgsFileWidget()
        self._folder.setObjectName("mtmsdOthersFolder")
        self._folder.setStorageMode(QgsFileWidget.StorageMode.GetDirectory)
        self._folder.setToolTip(self.tr("Gets a class map for each scene, of the scene's name"))
        self._mosaic = QCheckBox(self.tr("One mosaic of all maps, for scenes on one grid"))
        self._mosaic.setObjectName("mtmsdOthersMosaic")
        self._mosaic.setToolTip(self.tr("Where maps overlap, their probabilities are blended."))
        self._masks = QCheckBox(self.tr("Leave out the clouds and shadows that products mark"))
        self._masks.setObjectName("mtmsdOthersMasks")
        self._masks.setToolTip(self.tr("Of scenes of EnMAP, EMIT or PRISMA"))
        self._masks.setChecked(workspace.state.product_masks)
        self._progress = QProgressBar()
        self._progress.setObjectName("mtmsdOthersProgress")
        self._state = QLabel()
        self._state.setObjectName("mtmsdOthersState")
        self._state.setWordWrap(True)
        rows = QVBoxLayout(self)
        rows.addWidget(self._classifier)
        rows.addWidget(self._table, 1)
        rows.addLayout(self._list_buttons())
        folder = caption(self.tr("Folder of the maps"), self._folder)
        rows.addLayout(row(folder, self._folder, stretch=1))
        for part in (self._mosaic, self._masks, self._progress, self._state):
            rows.addWidget(part)
        rows.addLayout(self._end_buttons())
        self._table.itemChanged.connect(self.refresh)
        self._folder.fileChanged.connect(self.refresh)
        workspace.classifier_changed.connect(self.refresh)
        self.set_running(False)

    def _list_buttons(self) -> Flow:
        self._parts: list[QWidget] = [self._table, self._folder, self._mosaic, self._masks]
        flow = Flow()
        for name, text, pressed in (
            ("Files", self.tr("Add Files…"), self._ask_files),
            ("Folder", self.tr("Add Folder…"), self._ask_folder),
            ("All", self.tr("Tick All"), lambda: self._tick(Qt.CheckState.Checked)),
            ("None", self.tr("Untick All"), lambda: self._tick(Qt.CheckState.Unchecked)),
        ):
            button = QPushButton(text)
            button.setObjectName(f"mtmsdOthersAdd{name}")
            button.setAutoDefault(False)
            button.clicked.connect(lambda _on=False, pressed=pressed: pressed())
            self._parts.append(button)
            flow.addWidget(button)
        return flow

    def _end_buttons(self) -> Flow:
        self._start = QPushButton(self.tr("Map Scenes"))
        self._start.setObjectName("mtmsdOthersStart")
        self._start.clicked.connect(lambda: self.started.emit())
        self._cancel = QPushButton(self.tr("Cancel Job"))
        self._cancel.setObjectName("mtmsdOthersCancel")
        self._cancel.setToolTip(self.tr("Finished maps are kept"))
        self._cancel.clicked.connect(lambda: self.canceled.emit())
        close = QPushButton(self.tr("Close"))
        close.setObjectName("mtmsdOthersClose")
        close.setToolTip(self.tr("A job goes on without this window"))
        close.clicked.connect(lambda: self.close())
        for button in (self._start, self._cancel, close):
            button.setAutoDefault(False)
        return Flow(self._start, self._cancel, close)

    # what the user has chosen

    @property
    def folder(self) -> str:
        """The folder of the maps."""
        return str(self._folder.filePath()).strip()

    def set_folder(self, path: Path) -> None:
        """Propose a folder."""
        self._folder.setFilePath(str(path))

    @property
    def wants_mosaic(self) -> bool:
        """Whether one map of all is wanted, too."""
        return self._mosaic.isChecked()

    @property
    def wants_masks(self) -> bool:
        """Whether the masks that come with products are used."""
        return self._masks.isChecked()

    def ticked(self) -> list[str]:
        """Return the sources of the scenes that are ticked."""
        items = [self._table.item(line, SCENE) for line in range(self._table.rowCount())]
        ticked = (item for item in items if item.checkState() == Qt.CheckState.Checked)
        return [str(item.data(SOURCE)) for item in ticked]

    # the list

    def add_layers(self) -> None:
        """List the rasters of the project, but the scene itself."""
        scene = key_of(self._workspace.scene_path)
        self.add(found for found in project_rasters() if key_of(found.source) != scene)

    def add(self, found: Iterable[FoundRaster], *, tick: bool = False) -> None:
        """List rasters that are not in the list yet.

        Those with as many bands as the scene are ticked, and those of which GDAL does not say how
        many they have; with ``tick`` all are.
        """
        listed = {key_of(source) for source in self._sources()}
        wanted = (None, self._workspace.scene.bandCount())
        self._table.blockSignals(True)
        for raster in found:
            if key_of(raster.source) in listed:
                continue
            listed.add(key_of(raster.source))
            is_ticked = tick or raster.bands in wanted
            line = self._table.rowCount()
            self._table.insertRow(line)
            texts = (raster.name, "" if raster.bands is None else str(raster.bands), "")
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(raster.source)
                self._table.setItem(line, column, item)
            item = self._table.item(line, SCENE)
            item.setData(SOURCE, raster.source)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if is_ticked else Qt.CheckState.Unchecked)
        self._table.blockSignals(False)
        self.refresh()

    def show_results(self, made: Mapping[str, str], failed: Mapping[str, str]) -> None:
        """Write beside each scene its map, or why there is none."""
        self._table.blockSignals(True)
        for line, source in enumerate(self._sources()):
            text = failed.get(source) or (
                self.tr("Mapped: {}").format(Path(made[source]).name) if source in made else ""
            )
            item = self._table.item(line, RESULT)
            item.setText(text)
            item.setToolTip(text)
        self._table.blockSignals(False)
        self._table.resizeRowsToContents()

    def _sources(self) -> list[str]:
        lines = range(self._table.rowCount())
        return [str(self._table.item(line, SCENE).data(SOURCE)) for line in lines]

    def _tick(self, state: Qt.CheckState) -> None:
        self._table.blockSignals(True)
        for line in range(self._table.rowCount()):
            self._table.item(line, SCENE).setCheckState(state)
        self._table.blockSignals(False)
        self.refresh()

    def _ask_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, self.tr("Add Scenes"))
        if paths:
            self._read(lambda: rasters_of(paths), tick=True)

    def _ask_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, self.tr("Add the Scenes of a Folder"))
        if path:
            self._read(lambda: rasters_in(Path(path)), tick=False)

    def _read(self, work: Callable[[], list[FoundRaster]], *, tick: bool) -> None:
        def done(found: list[FoundRaster] | None, error: str | None) -> None:
            if found is None:
                self._workspace.said.emit(str(error), Qgis.MessageLevel.Warning)
            else:
                self.add(found, tick=tick)
                if not found:
                    self.say(self.tr("There is no raster in this folder."))

        Background(work, done, self).start()

    # the job

    def set_running(self, is_running: bool) -> None:
        """Show the progress while the scenes are mapped, and what can be chosen before."""
        self._is_running = is_running
        self._progress.setVisible(is_running)
        self._cancel.setVisible(is_running)
        for part in self._parts:
            part.setEnabled(not is_running)
        self.refresh()

    def show_progress(self, percent: float) -> None:
        """Move the bar."""
        self._progress.setValue(round(percent))

    def say(self, text: str) -> None:
        """Write a line below the list."""
        self._state.setText(text)

    def refresh(self, *_: object) -> None:
        """Show whether the job can start, or why not."""
        ticked = self.ticked()
        classifier = self._workspace.state.classifier
        self._classifier.setText(
            self.tr("Classifier: {}").format(classifier.name) if classifier else ""
        )
        reason = ""
        if self._is_running:
            reason = self.tr("Wait until the running job has ended.")
        elif not ticked:
            reason = self.tr("Choose scenes: tick them in the list, or add files or a folder.")
        elif not self.folder:
            reason = self.tr("Choose the folder of the maps.")
        self._start.setEnabled(not reason)
        self._start.setToolTip(reason or self.tr("Map the ticked scenes with this classifier"))
        self._mosaic.setEnabled(not self._is_running and len(ticked) > 1)
