"""From polygons to a class map: of the view in seconds, of the whole scene in minutes."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

from qgis.core import (
    Qgis,
    QgsCoordinateTransform,
    QgsCsException,
    QgsProject,
    QgsRasterLayer,
    QgsRectangle,
)
from qgis.gui import QgisInterface
from qgis.PyQt.QtWidgets import QPushButton, QWidget

from ....common.background import Background
from ....common.classifiers import MTMSD, STACK
from ....common.unused_files import remove
from ....jobs.attached_job import Attached
from ....jobs.running_jobs import RunningJobs
from ....jobs.runs import CANCELED, DONE, FAILED, Ended, Run
from ....jobs.section_job import SectionJob, Step
from ....processing.styling import layer_title, style_class_map
from ....state import layers
from ....state.layer_roles import DOUBTFUL, MAP, PREVIEW
from ....state.library_training import alone, library_key, library_parameters, trained
from ....state.map_classes import replace_file
from ....state.paths import there
from ....state.scene_mask import mask_key, mask_parameters
from ....state.training.classes import FEWEST_PIXELS, to_json
from ....state.training.training_file import VALUE
from ....state.training_samples import TrainingSamples
from ....state.workspace import Workspace
from ...widgets.flow import Flow
from ...widgets.section import BUSY, NEXT, TODO, WRONG, Section
from ...widgets.section import DONE as DONE_STATE
from ..accuracy.baseline_hint import BetterBaseline
from .map_options import MapOptions
from .map_products import MapProducts
from .map_view import MapView
from .models_dialog import ModelsDialog
from .other_scenes import OtherScenes

PROBABILITY_BYTES = 2**28
"""A map of more class probabilities is made without them; who asks for points makes them."""


class MapSection(Section):
    """Preview and Map Scene; both learn the classes first where the polygons changed."""

    def __init__(
        self,
        workspace: Workspace,
        samples: TrainingSamples,
        iface: QgisInterface,
        running: RunningJobs,
        parent: QWidget,
    ) -> None:
        super().__init__("mtmsdMap", parent, warns=True)
        self.set_title(self.tr("6  Map"))
        self._workspace = workspace
        self._samples = samples
        self._iface = iface
        self._running = running
        self._job = SectionJob(workspace, running, "map_job", self._title, self)
        self._job.begun.connect(self.refresh)
        self._job.phased.connect(lambda text: self.set_state(BUSY, text))
        self._warned: dict[str, tuple[str, ...]] = {}
        self._job.warned.connect(partial(self._warn_of, "map"))
        self._job.ended.connect(self._ended)
        self._preview = QPushButton(self.tr("Previe&w"))
        self._preview.setObjectName("mtmsdPreview")
        self._preview.clicked.connect(lambda: self.start(preview=True))
        self._whole = QPushButton(self.tr("&Map Scene"))
        self._whole.setObjectName("mtmsdMapScene")
        self._whole.clicked.connect(lambda: self.start(preview=False))
        self._tips = {
            self._preview: self.tr("Map what the map window shows, as a temporary layer"),
            self._whole: self.tr("Map the whole raster into a GeoTIFF, with its confidence"),
        }
        self._models = QPushButton(self.tr("Models…"))
        self._models.setObjectName("mtmsdModels")
        self._models.clicked.connect(lambda: self.show_models())
        others = OtherScenes(workspace, running, self)
        others.warned.connect(partial(self._warn_of, "others"))
        self.rows.addLayout(Flow(self._preview, self._whole, self._models, others))
        self._options = MapOptions(workspace)
        self.rows.addWidget(self._options)
        self._view_box = MapView(workspace, iface.mapCanvas())
        products = MapProducts(workspace, iface, running)
        products.warned.connect(partial(self._warn_of, "products"))
        self.points = products.points
        self.points.see_through.changed.connect(self._view_box.refresh)
        self._better = BetterBaseline(workspace, "mtmsdMapBetter")
        self._better.chosen.connect(self.use)
        for part in (self._view_box, products, self._view_box.legend, self.points):
            self.rows.addWidget(part)
        self.rows.addWidget(self._better)
        workspace.scene_changed.connect(self._scene_changed)
        project = QgsProject.instance()
        project.layersAdded.connect(self._view_box.refresh)
        project.layersRemoved.connect(self._view_box.refresh)
        workspace.facts_changed.connect(self.refresh)
        samples.ready.connect(self.refresh)
        workspace.model_changed.connect(self.refresh)
        workspace.model_changed.connect(self._view_box.refresh)
        workspace.classifier_changed.connect(self.refresh)
        workspace.map_changed.connect(self._map_changed)
        workspace.options_changed.connect(self.refresh)
        workspace.library_changed.connect(self.refresh)
        self.refresh()

    def release(self) -> None:
        """Let go of the project's signals."""
        project = QgsProject.instance()
        project.layersAdded.disconnect(self._view_box.refresh)
        project.layersRemoved.disconnect(self._view_box.refresh)
        self._view_box.comparison.end()
        self.points.release()

    def _warn_of(self, part: str, sentences: tuple[str, ...]) -> None:
        """Show what the engine warned of in the map and in what was made of it."""
        self._warned[part] = sentences
        self.warn(tuple(dict.fromkeys(text for texts in self._warned.values() for text in texts)))

    def _scene_changed(self) -> None:
        self._map_changed()
        self._job.take_up()

    def _map_changed(self) -> None:
        self._view_box.refresh()
        self._view_box.legend.show_counts(self._workspace.state.pixels)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Show what can be done, or why not."""
        blocked, state = self._blocked(), self._workspace.state
        for button, tip in self._tips.items():
            button.setEnabled(not blocked and self._job.run is None)
            button.setToolTip(blocked or tip)
        first = "" if self._workspace.scene is not None else self.tr("Choose a scene first.")
        self._models.setEnabled(not first)
        self._models.setToolTip(
            first or self.tr("What was learned: look, use, rename, export, delete, free disk space")
        )
        made = there(state.map)
        if self._job.run is not None:
            self.set_state(BUSY, self._job.phase)
        elif blocked:
            self.set_state(TODO, blocked)
        elif failure := self.failure(self._training_key):
            self.set_state(WRONG, failure)
        elif made is not None and state.classifier_key != self._training_key():
            text = self.tr("Polygons or classifier have changed since {}.")
            self.set_state(NEXT, text.format(made.name))
        elif made is not None and state.map_filters != state.options.filters:
            self.set_state(NEXT, self.tr("The filters have changed since {}.").format(made.name))
        elif made is not None:
            self.set_state(DONE_STATE, self.tr("Map: {}").format(made.name))
        else:
            self.set_state(NEXT, self._ready())

    def _ready(self) -> str:
        state, ready = self._workspace.state, self.tr("Ready to map.")
        if there(state.model) is None and state.options.classifier == STACK:
            ready = self.tr("Ready for a first map, without pretraining.")
        if names := alone(self._workspace, self._samples.counts.polygons):
            ready += " " + self.tr("From a library alone: {}.").format(", ".join(names))
        return ready

    def _blocked(self) -> str:
        workspace = self._workspace
        if workspace.scene is None:
            return self.tr("Choose a scene first.")
        if workspace.facts is None:
            return workspace.facts_error or self.tr("Waiting for the raster's bands.")
        if there(workspace.state.model) is None and workspace.state.options.classifier == MTMSD:
            return self.tr("Pretrain the scene first, or choose another classifier under More.")
        if workspace.training is None or workspace.training.layer.featureCount() == 0:
            return self.tr("Draw training polygons first.")
        return self._too_few()

    def _too_few(self) -> str:
        counts, state = self._samples.counts, self._workspace.state
        pixels = counts.pixels
        classes = [c for c in self._workspace.training.classes if counts.polygons.get(c.value)]
        if trained(self._workspace) and state.options.classifier == MTMSD:
            return self.tr(
                "The classifier MTMSD cannot learn spectra; choose another under More, or use "
                "none of them for training."
            )
        if len(classes) + len(alone(self._workspace, counts.polygons)) < 2:
            return self.tr("Draw polygons of at least two classes.")
        few = [c.name for c in classes if pixels.get(c.value, 0) < FEWEST_PIXELS]
        if few:
            text = self.tr("Draw more of {}: each class needs {} pixels.")
            return text.format(", ".join(few[:3]), FEWEST_PIXELS)
        return ""

    def use(self, classifier: str) -> None:
        """Take another classifier and map the scene with it."""
        self._options.choose(classifier)
        if not self._blocked() and self._job.run is None:
            self.start(preview=False)

    def show_models(self) -> None:
        """Open the list of the scene's models, the classifier's card first."""
        dialog = ModelsDialog(self._workspace, self._running, self)
        dialog.classifier_wanted.connect(self._map_with)
        dialog.show()

    def _map_with(self, classifier: Path) -> None:
        """Take a classifier that exists, until polygons or settings change, and map with it."""
        if self._job.run is not None:
            text = self.tr("Wait until the running job has ended.")
            self._workspace.said.emit(text, Qgis.MessageLevel.Warning)
            return
        key = self._training_key() if self._workspace.training is not None else ""
        self._workspace.change(classifier=classifier, classifier_key=key, classifier_mapped=True)
        with self._workspace.saying_errors():
            self._classify(classifier, None)

    def start(self, preview: bool) -> None:
        """Learn the classes if the polygons changed, then map."""
        view = self._view() if preview else None
        if preview and view is None:
            text = self.tr("The map window shows no part of the scene; zoom to it first.")
            self._workspace.said.emit(text, Qgis.MessageLevel.Warning)
            return
        # as QGIS writes an extent
        extent = view and [view.xMinimum(), view.xMaximum(), view.yMinimum(), view.yMaximum()]
        key, state = self._training_key(), self._workspace.state
        classifier = there(state.classifier)
        with self._workspace.saying_errors():
            if classifier is not None and state.classifier_key == key:
                self._classify(classifier, extent)
            else:
                self._train(key, extent)

    # the two runs

    def _train(self, key: str, extent: list[float] | None) -> None:
        workspace, state = self._workspace, self._workspace.state
        output, model = str(workspace.new_file("classifier", ".safetensors")), there(state.model)
        parameters = {
            "INPUT": workspace.scene.id(),
            "LABELS": workspace.training.layer.id(),
            "CLASS_FIELD": VALUE,
            "MODEL": str(model) if model is not None else None,
            "CLASSIFIER": state.options.classifier,
            "EXCLUDE": state.exclude,
            **mask_parameters(state),
            **library_parameters(workspace),
            "DEVICE": workspace.device,
            "SEED": state.seed,
            "SETTINGS": state.options.settings(state.settings),
            "OUTPUT": output,
        }
        step = {"output": output, "key": key, "extent": extent}
        if state.options.classifier == STACK:
            step["doubtful"] = parameters["DOUBTFUL"] = str(workspace.new_file("doubtful", ".gpkg"))
        self._job.start("mtmsd:train", parameters, step)

    def _classify(self, classifier: Path, extent: list[float] | None) -> None:
        workspace, filters = self._workspace, self._workspace.state.options.filters
        output = str(workspace.new_file(PREVIEW if extent else MAP, ".tif"))
        parameters = {
            "INPUT": workspace.scene.id(),
            "CLASSIFIER": str(classifier),
            "DEVICE": workspace.device,
            "OUTPUT": output,
            **mask_parameters(workspace.state),
            **filters,
        }
        step = {"output": output, "extent": extent, "filters": filters}
        if extent is None:
            beside = ["confidence"] + ["probabilities"] * self._keeps_probabilities()
            step |= {name: str(workspace.new_file(name, ".tif")) for name in beside}
            parameters |= {name.upper(): step[name] for name in beside}
        else:
            box = ",".join(map(repr, extent))
            parameters["EXTENT"] = f"{box} [{workspace.scene.crs().authid()}]"
        self._job.start("mtmsd:classify", parameters, step)

    def _keeps_probabilities(self) -> bool:
        scene, training = self._workspace.scene, self._workspace.training
        if training is None:  # nobody knows how many classes there are
            return False
        return 4 * len(training.classes) * scene.width() * scene.height() <= PROBABILITY_BYTES

    def _title(self, step: Step) -> str:
        if "key" in step:
            return self.tr("Learning the classes")
        return self.tr("Mapping the view") if step["extent"] else self.tr("Mapping the scene")

    def _ended(self, outcome: Ended, step: Step, run: Run | Attached) -> None:
        if outcome.status == DONE:
            with self._workspace.saying_errors():
                self._done(step, run.answer)
        elif outcome.status == FAILED and self._workspace.training is not None:
            self.fail(outcome.sentence, self._training_key())
        self.refresh()
        if outcome.status == CANCELED:
            self.set_state(NEXT, self.tr("Canceled; nothing was changed."))

    def _done(self, step: Step, answer: dict[str, Any]) -> None:
        workspace, output = self._workspace, Path(step["output"])
        if "key" in step:
            self._take_doubtful(step.get("doubtful"))
            self._take_classifier(output, step["key"])
            self._classify(output, step["extent"])
            return
        self._load(step["output"], PREVIEW if step["extent"] else MAP)
        pixels = answer.get("pixels") or {}
        if step["extent"]:
            self._view_box.refresh()
            self._view_box.legend.show_counts(pixels)
            return
        old, probabilities = there(workspace.state.probabilities), step.get("probabilities")
        workspace.change(
            map=output,
            confidence=Path(step["confidence"]),
            probabilities=Path(probabilities) if probabilities else None,
            map_filters=step.get("filters") or {},
            pixels=pixels,
            classifier_mapped=True,
        )
        if old is not None:  # those of the newest map only: they are many times its size
            Background(lambda: remove(old)).start()

    def _take_classifier(self, path: Path, key: str) -> None:
        """Take a new classifier; one that only previews were made with is no longer wanted."""
        state = self._workspace.state
        old = None if state.classifier_mapped else there(state.classifier)
        self._workspace.change(classifier=path, classifier_key=key, classifier_mapped=False)
        if old is not None:
            Background(lambda: remove(old)).start()

    def _take_doubtful(self, path: str | None) -> None:
        """Take a new list of polygons that disagree with their class; the old one is outdated."""
        old = there(self._workspace.state.doubtful)
        layers.drop(layers.of_role(DOUBTFUL, self._workspace))
        self._workspace.change(doubtful=Path(path) if path else None)
        if old is not None:
            Background(lambda: remove(old)).start()

    def _load(self, path: str, kind: str) -> None:
        """Show a finished map; a new preview takes the place of the scene's old one."""
        names = {MAP: self.tr("Class map"), PREVIEW: self.tr("Preview")}
        old = layers.of_role(PREVIEW, self._workspace)
        if old is not None and kind == PREVIEW:
            replaced = old.source()
            replace_file(old, path)
            Background(lambda: remove(replaced)).start()
            return
        layer = QgsRasterLayer(path, layer_title(names[kind], self._workspace.scene.name()))
        if not layer.isValid():
            text = self.tr("{} cannot be opened as a raster.").format(path)
            self._workspace.said.emit(text, Qgis.MessageLevel.Warning)
            return
        style_class_map(layer)
        layers.drop(old)
        self._view_box.comparison.end()  # what it has hidden is shown before it is the earlier one
        layers.add_newest(layer, kind, self._workspace)

    # what it depends on

    def _view(self) -> QgsRectangle | None:
        """Return the canvas extent in the scene's coordinates, cut to the scene, or None."""
        scene, canvas = self._workspace.scene, self._iface.mapCanvas()
        extent = canvas.extent()
        source = canvas.mapSettings().destinationCrs()
        if scene.crs().isValid() and source.isValid() and source != scene.crs():
            transform = QgsCoordinateTransform(source, scene.crs(), QgsProject.instance())
            try:
                extent = transform.transformBoundingBox(extent)
            except QgsCsException:
                return None
        cut = extent.intersect(scene.extent())
        return None if cut.isEmpty() else cut

    def _training_key(self) -> str:
        """Return a hash of all that the classifier depends on."""
        workspace, state = self._workspace, self._workspace.state
        digest, model = hashlib.sha256(), there(state.model)
        known = f"{model.name} {model.stat().st_size}" if model is not None else ""  # if moved, too
        numbers = state.options.settings(state.settings)
        parts = [known, state.seed, numbers, state.options.classifier, state.exclude]
        parts += filter(None, [mask_key(state), library_key(workspace)])
        for part in (Path(workspace.scene_path).name, to_json(workspace.training.classes), *parts):
            digest.update(f"{part}\n".encode())
        for value, wkb in sorted(workspace.training.rows()):
            digest.update(str(value).encode())
            digest.update(wkb)
        return digest.hexdigest()[:16]
