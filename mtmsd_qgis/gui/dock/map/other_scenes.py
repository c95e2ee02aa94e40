"""The scene's classifier maps other scenes: one job, a group of layers, a list of what came."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsRasterLayer
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QPushButton, QWidget

from ....jobs.attached_job import Attached
from ....jobs.running_jobs import RunningJobs
from ....jobs.runs import CANCELED, DONE, Ended, Run
from ....jobs.section_job import SectionJob, Step
from ....processing.styling import layer_title, style_class_map
from ....state import layers
from ....state.paths import there
from ....state.raster_list import rasters_of
from ....state.workspace import Workspace
from .other_scenes_dialog import OtherScenesDialog

MOSAIC = "mosaic.tif"


class OtherScenes(QPushButton):
    """Opens the list of other scenes, and runs their job."""

    warned = pyqtSignal(object)
    """What the engine warned of: a tuple of sentences."""

    def __init__(self, workspace: Workspace, running: RunningJobs, parent: QWidget) -> None:
        super().__init__(parent)
        self.setText(self.tr("Map Other Scenes…"))
        self.setObjectName("mtmsdMapOthers")
        self._workspace = workspace
        self._dialog: OtherScenesDialog | None = None
        self._job = SectionJob(workspace, running, "others_job", self._title, self)
        self._job.begun.connect(self._begun)
        self._job.phased.connect(self._say)
        self._job.warned.connect(self.warned)
        self._job.ended.connect(self._ended)
        self.clicked.connect(lambda: self.open())
        workspace.scene_changed.connect(self._scene_changed)
        workspace.classifier_changed.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Show whether there is a classifier."""
        has_one = there(self._workspace.state.classifier) is not None
        self.setEnabled(has_one or self._job.run is not None)
        self.setToolTip(
            self.tr("Map layers, files or the scenes of a folder with this scene's classifier")
            if has_one
            else self.tr("Map Scene comes first.")
        )

    def open(self) -> None:
        """Show the list."""
        dialog = self._list()
        dialog.add_layers()
        dialog.show()
        dialog.raise_()

    def _list(self) -> OtherScenesDialog:
        """Return the list, with what came of its scenes; it is kept until the scene changes."""
        if self._dialog is None:
            self._dialog = OtherScenesDialog(self._workspace, self)
            with self._workspace.saying_errors():
                self._dialog.set_folder(self._workspace.new_file("other_scenes", ""))
            self._dialog.started.connect(self._start)
            self._dialog.canceled.connect(self._job.cancel)
            self._dialog.set_running(self._job.run is not None)
        return self._dialog

    def _scene_changed(self) -> None:
        if self._dialog is not None:
            self._dialog.close()
            self._dialog.deleteLater()
            self._dialog = None
        self._job.take_up()
        self.refresh()

    # the job

    def _start(self) -> None:
        dialog, workspace = self._dialog, self._workspace
        classifier = there(workspace.state.classifier)
        if classifier is None:
            text = self.tr("The classifier's file is gone; press Map Scene once more.")
            workspace.said.emit(text, Qgis.MessageLevel.Warning)
            return
        folder, scenes = Path(dialog.folder).absolute(), dialog.ticked()
        mosaic = str(folder / MOSAIC) if dialog.wants_mosaic and len(scenes) > 1 else ""
        goes_on = (folder / "scenes.work").is_dir()  # of a job that was canceled
        parameters = {
            "FILES": scenes,
            "CLASSIFIER": str(classifier),
            "DEVICE": workspace.device,
            "PRODUCT_MASKS": dialog.wants_masks,
            "RESUME": goes_on,
            "OUTPUT": str(folder),
            **workspace.state.options.filters,
        }
        if mosaic:
            parameters["MOSAIC"] = mosaic
        workspace.change(classifier_mapped=True)  # it is wanted, whatever is learned next
        dialog.show_results({}, {})
        step = {"output": str(folder), "mosaic": mosaic, "scenes": scenes}
        self._job.start("mtmsd:classifyscenes", parameters, step)

    def _title(self, step: Step) -> str:
        return self.tr("Mapping other scenes")

    def _begun(self, run: Run | Attached, step: Step) -> None:
        run.progressed.connect(partial(self._progressed, run))
        if self._dialog is not None:
            self._dialog.show_progress(0)
            self._dialog.set_running(True)
        self.refresh()

    def _progressed(self, run: Run | Attached, percent: float) -> None:
        if self._dialog is not None and self._job.run is run:
            self._dialog.show_progress(percent)

    def _say(self, text: str) -> None:
        if self._dialog is not None:
            self._dialog.say(text)

    def _ended(self, outcome: Ended, step: Step, run: Run | Attached) -> None:
        self.refresh()
        if self._dialog is not None:
            self._dialog.set_running(False)
        if outcome.status == CANCELED:
            text = self.tr(
                "Canceled; the finished maps are in {}. The same scenes and folder go on there."
            )
            self._say(text.format(step["output"]))
        elif outcome.status != DONE:
            self._say(outcome.sentence)
        else:
            self._show(step, run.answer)

    # what came of it

    def _show(self, step: Step, answer: dict[str, Any]) -> None:
        """Load the maps, and show the list of what came of each scene."""
        made = {scene: str(found["map"]) for scene, found in (answer.get("scenes") or {}).items()}
        failed = {str(name): str(why) for name, why in (answer.get("failed") or {}).items()}
        paths = [*([step["mosaic"]] if answer.get("mosaic") else []), *made.values()]
        opened = [self._layer(path) for path in paths]
        found = [layer for layer in opened if layer is not None]
        if found:
            name = Path(step["output"]).name
            layers.add_group(layer_title(self.tr("Other scenes"), name), found)
        dialog = self._list()
        dialog.add(rasters_of([*made, *(name for name in failed if name in step["scenes"])]))
        dialog.show_results(made, failed)
        text = self.tr("{count} of {all} scenes were mapped into {folder}.")
        sentences = [
            text.format(count=len(made), all=len(step["scenes"]), folder=step["output"]),
            *(why for name, why in failed.items() if name not in step["scenes"]),  # the mosaic
        ]
        dialog.say(" ".join(sentences))
        level = Qgis.MessageLevel.Warning if failed else Qgis.MessageLevel.Success
        self._workspace.said.emit(" ".join(sentences), level)

    def _layer(self, path: str) -> QgsRasterLayer | None:
        layer = QgsRasterLayer(path, layer_title(self.tr("Class map"), Path(path).stem))
        if not layer.isValid():
            text = self.tr("{} cannot be opened as a raster.").format(path)
            self._workspace.said.emit(text, Qgis.MessageLevel.Warning)
            return None
        style_class_map(layer)
        return layer
