"""The models of a scene: looked at, used, renamed, exported, deleted; and its disk space."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsFileUtils
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFileDialog,
    QHeaderView,
    QInputDialog,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from ....common.background import Background
from ....jobs.running_jobs import RunningJobs
from ....jobs.runs import DONE, Ended, Run
from ....state.model_files import (
    ModelFile,
    copied,
    disk_bytes,
    is_worked_in,
    list_models,
    noted_files,
    remove_all,
    renamed,
    shown_files,
    unneeded,
)
from ....state.model_header import CLASSIFIER
from ....state.paths import key_of, same_file, there
from ....state.workspace import Workspace
from ...widgets.flow import Flow
from .model_card import card, date_of, method_of


class ModelsDialog(QDialog):
    """Lists the models in the scene's folder, and those in use from elsewhere."""

    classifier_wanted = pyqtSignal(object)
    """The path of a classifier that shall map the scene."""

    def __init__(self, workspace: Workspace, running: RunningJobs, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("mtmsdModelsDialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Models of {}").format(workspace.scene.name()))
        self.resize(720, 460)
        self._workspace, self._running = workspace, running
        self._scene = workspace.scene_path
        self._models: list[ModelFile] = []
        self._table = QTableWidget(0, 5)
        self._table.setObjectName("mtmsdModelTable")
        self._table.setHorizontalHeaderLabels(
            [self.tr("Name"), self.tr("Kind"), self.tr("Size"), self.tr("Date"), self.tr("Scene")]
        )
        self._table.verticalHeader().hide()
        self._table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self._table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self._table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        header = self._table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        self._table.itemSelectionChanged.connect(self._show_chosen)
        self._card = QTextBrowser()
        self._card.setObjectName("mtmsdModelCard")
        rows = QVBoxLayout(self)
        rows.addWidget(self._table, 1)
        rows.addWidget(self._card, 1)
        self._buttons: dict[str, QPushButton] = {}
        for name, text, pressed in (
            ("Use", self.tr("&Use"), self._use),
            ("Rename", self.tr("Re&name…"), self._rename),
            ("Export", self.tr("E&xport…"), self._export),
            ("Delete", self.tr("&Delete…"), self._delete),
            ("Free", self.tr("&Free Disk Space…"), self._free),
        ):
            button = QPushButton(text)
            button.setObjectName(f"mtmsdModel{name}")
            button.setAutoDefault(False)
            button.clicked.connect(lambda _on=False, pressed=pressed: pressed())
            self._buttons[name] = button
        rows.addLayout(Flow(*self._buttons.values()))
        workspace.scene_changed.connect(self.close)
        workspace.model_changed.connect(self.read)
        workspace.classifier_changed.connect(self.read)
        self._show_chosen()
        self.read()

    # what there is

    def read(self, chosen: Path | None = None) -> None:
        """List the files again; their headers are read in a thread."""
        state = self._workspace.state
        used = [path for path in (there(state.classifier), there(state.model)) if path]
        before = self._chosen()
        wanted = chosen or (before.path if before else next(iter(used), None))

        def done(models: Any, error: str | None) -> None:
            if error is not None:
                self._say(error)
                return
            self._models = models
            self._fill()
            for row, model in enumerate(models):
                if wanted is not None and same_file(model.path, wanted):
                    self._table.selectRow(row)
            self._show_chosen()

        Background(lambda: list_models(state.folder, used), done, self).start()

    def _fill(self) -> None:
        self._table.setRowCount(len(self._models))
        for row, model in enumerate(self._models):
            size = QgsFileUtils.representFileSize(model.size)
            use = self._use_of(model)
            texts = (model.path.name, method_of(model.metadata), size, date_of(model), model.scene)
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(use or str(model.path))
                font = item.font()
                font.setBold(bool(use))
                item.setFont(font)
                self._table.setItem(row, column, item)

    def _chosen(self) -> ModelFile | None:
        row = self._table.currentRow()
        selected = self._table.selectionModel().hasSelection()
        return self._models[row] if selected and 0 <= row < len(self._models) else None

    def _use_of(self, model: ModelFile) -> str:
        """Say what needs a model; empty if nothing does."""
        key = key_of(str(model.path))
        for path, state in self._workspace.states().items():
            if key in noted_files(state):
                return self.tr("In use for {}.").format(Path(path).name)
        return ""

    def _show_chosen(self) -> None:
        model = self._chosen()
        self._card.setHtml(card(model) if model else self.tr("No model is selected."))
        pick = "" if model else self.tr("Select a model.")
        use = self._use_of(model) if model else ""
        is_classifier = model is not None and model.metadata.get("kind") == CLASSIFIER
        folder = self._workspace.state.folder
        tips = {
            "Use": (
                pick or (use if not is_classifier else ""),
                self.tr("Map the scene with this classifier now")
                if is_classifier
                else self.tr("Take this diffusion model for the scene"),
            ),
            "Rename": (pick or use, self.tr("Give the file another name")),
            "Export": (
                pick,
                self.tr("Copy the file; one with a network also as ONNX"),
            ),
            "Delete": (pick or use, self.tr("Delete the file, after a question")),
            "Free": (
                "" if folder and folder.is_dir() else self.tr("The scene has no folder yet."),
                self.tr(
                    "Delete earlier maps, reports and checkpoints of this scene that nothing "
                    "shows or needs any more, after a question; models and polygons stay"
                ),
            ),
        }
        for name, (reason, tip) in tips.items():
            self._buttons[name].setEnabled(not reason)
            self._buttons[name].setToolTip(reason or tip)

    # what is done with one

    def _use(self) -> None:
        model = self._chosen()
        if model.metadata.get("kind") == CLASSIFIER:
            self.classifier_wanted.emit(model.path)
        else:
            self._workspace.change(model=model.path)

    def _rename(self) -> None:
        path = self._chosen().path
        title, label = self.tr("Rename Model"), self.tr("Name")
        name, ok = QInputDialog.getText(self, title, label, QLineEdit.EchoMode.Normal, path.stem)
        if ok and self._is_idle(path.parent):
            self._try(lambda: self.read(renamed(path, name)))

    def _delete(self) -> None:
        path = self._chosen().path
        text = self.tr("Delete {}? This cannot be undone.").format(path.name)
        if self._asks(text, []) and self._is_idle(path.parent):
            self._try(path.unlink)
            self.read()

    def _export(self) -> None:
        model = self._chosen()
        kinds = [self.tr("MTMSD model (*.safetensors)")]
        if model.has_network:
            kinds.append(self.tr("ONNX (*.onnx)"))
        path, kind = QFileDialog.getSaveFileName(
            self, self.tr("Export Model"), str(Path.home() / model.path.name), ";;".join(kinds)
        )
        if not path:
            return
        target = Path(path)
        if target.suffix.lower() not in (".safetensors", ".onnx"):
            target = Path(path + (".onnx" if "onnx" in kind else ".safetensors"))
        if target.suffix.lower() == ".onnx":
            self._export_onnx(model, target)
        elif same_file(target, model.path):
            self._say(self.tr("{} is the file itself; choose another.").format(target))
        else:
            text = self.tr("The model was saved to {}.").format(target)
            Background(
                lambda: copied(model.path, target),
                lambda _, error: self._say(error or text),
                self._workspace,
            ).start()

    def _export_onnx(self, model: ModelFile, target: Path) -> None:
        if not model.has_network:
            text = self.tr(
                "{} is no classifier with a diffusion network; only those are written as ONNX. "
                "Export it as .safetensors."
            )
            self._say(text.format(model.path.name))
            return
        parameters = {"CLASSIFIER": str(model.path), "OUTPUT": str(target)}
        title = self.tr("Exporting {}").format(model.path.name)
        run = Run("mtmsd:export", parameters, title, self.parent())
        said = self._workspace.said  # the dialog may be closed before the job ends
        text = self.tr("The classifier was exported to {}.").format(target)

        def ended(outcome: Ended) -> None:
            if outcome.status == DONE:
                said.emit(text, Qgis.MessageLevel.Success)
            run.deleteLater()

        run.ended.connect(ended)
        self._running.watch(run)
        run.start()

    # disk space

    def _free(self) -> None:
        folder = self._workspace.state.folder
        found = unneeded(folder, self._needed())
        if not found:
            self._say(self.tr("Nothing to delete: all files of {} are needed.").format(folder))
            return
        size = QgsFileUtils.representFileSize(sum(map(disk_bytes, found)))
        text = self.tr(
            "Files of earlier maps: {count}, {size}. Delete them? Neither this project nor the "
            "scene needs them; another project that shows them loses them. This cannot be undone."
        )
        names = [path.name for path in found]
        if not self._asks(text.format(count=len(found), size=size), names):
            return
        if not self._is_idle(folder):
            return
        still = set(unneeded(folder, self._needed()))  # a map may have come while it was asked

        def done(freed: Any, error: str | None) -> None:
            text = self.tr("{} are free now.")
            self._say(error or text.format(QgsFileUtils.representFileSize(freed)))

        wanted = [path for path in found if path in still]
        Background(lambda: remove_all(wanted), done, self._workspace).start()

    def _needed(self) -> set[str]:
        states = self._workspace.states().values()
        return shown_files().union(*map(noted_files, states))

    # words

    def _is_idle(self, folder: Path) -> bool:
        if is_worked_in(folder):
            self._say(self.tr("A job works in {}; wait until it has ended.").format(folder))
            return False
        return True

    def _asks(self, text: str, names: list[str]) -> bool:
        box = QMessageBox(self)
        box.setObjectName("mtmsdModelsQuestion")
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle(self.windowTitle())
        box.setText(text)
        shown = names[:8] + ["…"] * (len(names) > 8)
        box.setInformativeText("\n".join(shown))
        box.setDetailedText("\n".join(names) if len(names) > 8 else "")
        delete = box.addButton(self.tr("Delete"), QMessageBox.ButtonRole.DestructiveRole)
        keep = box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        box.exec()
        return box.clickedButton() is delete

    def _try(self, change: Callable[[], None]) -> None:
        try:
            change()
        except OSError as error:
            self._say(str(error))

    def _say(self, sentence: str) -> None:
        self._workspace.said.emit(sentence, Qgis.MessageLevel.Info)
