"""What the user works on: a scene, and what was made for it so far."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsProject, QgsRasterLayer, QgsSettings
from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

from ..common.background import Background
from ..common.folders import data_folder
from ..engine.interpreter import Engine
from .training.classes import LandClass, from_json, to_json
from .training.journal import journal_path, restore
from .training.training_file import create, open_layer
from .training.training_layer import TrainingLayer

SCOPE = "mtmsd"
SCENES_SETTING = "mtmsd/scenes"


class Workspace(QObject):
    """The sections' common ground; it holds no widgets.

    What was made for a scene (model, classifier, map, training polygons) is remembered in the
    project and, so that it is found again without the project, in the user's settings.
    """

    scene_changed = pyqtSignal()
    """Another scene, or none."""
    facts_changed = pyqtSignal()
    """What the engine says of the scene is known now (or why it is not)."""
    state_changed = pyqtSignal(str)
    """One remembered thing changed: its key."""
    training_changed = pyqtSignal()
    """Another layer of training polygons, or its features changed."""
    classes_changed = pyqtSignal()
    """The list of classes changed."""
    said = pyqtSignal(str, object)
    """A sentence for the message bar, and its Qgis.MessageLevel."""

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.engine = engine
        self.scene: QgsRasterLayer | None = None
        self.training: TrainingLayer | None = None
        self._trainings: dict[str, TrainingLayer] = {}
        self.facts: dict[str, Any] | None = None
        self.facts_error = ""
        self._state: dict[str, Any] = {}
        self._wait_for_training: list[Callable[[TrainingLayer], None]] = []
        self._restoring = False
        self._training_timer = QTimer(self)
        self._training_timer.setSingleShot(True)
        self._training_timer.setInterval(150)
        self._training_timer.timeout.connect(self.training_changed)
        self.classes_changed.connect(self._keep_classes)

    # the scene

    def set_scene(self, layer: QgsRasterLayer | None) -> None:
        """Take another raster as the scene."""
        if layer is self.scene:
            return
        self.scene = layer
        self.facts, self.facts_error = None, ""
        self._state = self._recall()
        if layer is not None:
            QgsProject.instance().writeEntry(SCOPE, "scene", self.scene_key)
        self.scene_changed.emit()
        self.set_training(None)
        if layer is not None:
            self.open_training()

    def set_facts(self, facts: dict[str, Any] | None, error: str = "") -> None:
        """Take what ``mtmsd info`` said of the scene."""
        self.facts, self.facts_error = facts, error
        self.facts_changed.emit()

    @property
    def scene_path(self) -> str:
        """The scene's file as GDAL opens it; empty without a scene."""
        return _path(self.scene) if self.scene is not None else ""

    @property
    def scene_key(self) -> str:
        """What the scene's state is stored under: a relative path survives moving the folder."""
        return _key(self.scene_path)

    @staticmethod
    def is_remembered(layer: QgsRasterLayer) -> bool:
        """Whether the project was last used with this raster as the scene."""
        remembered = str(QgsProject.instance().readEntry(SCOPE, "scene", "")[0])
        return bool(remembered) and _key(_path(layer)) == remembered

    # training polygons

    def set_training(self, training: TrainingLayer | None) -> None:
        """Take other training polygons, or none."""
        if training is self.training:
            return
        self.training = training
        if training is not None:
            self.put("training", str(training.path))
        self.classes_changed.emit()
        self.training_changed.emit()

    def open_training(self) -> None:
        """Open the scene's training polygons where there are some."""
        path = self.file("training")
        if path is None:
            self.set_training(None)
        else:
            self.take_training(path)

    def with_training(self, then: Callable[[TrainingLayer], None]) -> None:
        """Call with the training polygons; where there are none, a file is first made in a thread.

        Nothing is called if that fails, which is said, or if another scene is chosen meanwhile.
        """
        if self.training is not None:
            then(self.training)
            return
        if self.scene is None:
            return
        self._wait_for_training.append(then)
        if len(self._wait_for_training) > 1 or self._restoring:
            return
        scene = self.scene_path

        def done(path: Path | None, error: str | None) -> None:
            if error is not None:
                self.said.emit(error, Qgis.MessageLevel.Critical)
            elif self.scene_path == scene:
                self.take_training(path)
            self._call_waiting()

        try:
            Background(self.training_maker(), done, self).start()
        except OSError as error:
            done(None, str(error))

    def _call_waiting(self) -> None:
        waiting, self._wait_for_training = self._wait_for_training, []
        for call in waiting if self.training is not None else []:
            call(self.training)

    def training_maker(self) -> Callable[[], Path | None]:
        """Return what makes an empty GeoPackage where there is none, also in a thread.

        It returns its path, or None where the scene has training polygons already.

        Raises
        ------
        OSError
            If there is no folder for it.
        """
        if self.training is not None:
            return lambda: None
        path, crs = self.new_file("training", ".gpkg"), self.scene.crs()

        def make() -> Path:
            create(path, crs)
            return path

        return make

    def take_training(self, path: Path | None) -> None:
        """Open a GeoPackage of training polygons as those of the scene.

        If an earlier QGIS was ended with unsaved ones, they are first put into it in a thread.
        """
        if path is None:
            return
        is_open = any(training.path == path for training in self._trainings.values())
        if is_open or not journal_path(path).exists():
            self._open_file(path)
            return
        scene, self._restoring = self.scene_path, True

        def done(restored: tuple[list[LandClass], int] | None, error: str | None) -> None:
            self._restoring = False
            if restored is None:
                self.said.emit(str(error), Qgis.MessageLevel.Warning)
            elif self.scene_path == scene:
                self._open_restored(path, *restored)
            self._call_waiting()

        Background(lambda: restore(path), done, self).start()

    def _open_restored(self, path: Path, classes: list[LandClass], count: int) -> None:
        if classes:
            self.put("classes", to_json(classes))
        self._open_file(path)
        if self.training is None or not count:
            return
        self.training.layer.dataProvider().reloadData()  # the project may have had it open
        if count == 1:
            text = self.tr("1 training polygon was recovered: it had not been saved.")
        else:
            text = self.tr("{:,} training polygons were recovered: not all had been saved.")
        self.said.emit(text.format(count), Qgis.MessageLevel.Info)

    def _open_file(self, path: Path) -> None:
        try:
            layer = open_layer(path, self.training_title())
        except OSError as error:
            self.set_training(None)
            self.said.emit(str(error), Qgis.MessageLevel.Warning)
            return
        project = QgsProject.instance()
        if project.mapLayer(layer.id()) is None:
            project.addMapLayer(layer, False)
            project.layerTreeRoot().insertLayer(0, layer)
        known = self._trainings.get(layer.id())
        if known is None:
            known = TrainingLayer(layer, from_json(self.get("classes")), self)
            known.changed.connect(partial(self._touched, known))
            known.classes_changed.connect(partial(self._classes_of, known))
            self._trainings[layer.id()] = known
        self.set_training(known)

    def layer_leaves(self, layer_id: str) -> None:
        """Let go of a layer that is about to be removed; what is not saved is kept in a file."""
        known = self._trainings.pop(layer_id, None)
        if known is not None:
            known.close()
            if known is self.training:
                self.set_training(None)
            known.deleteLater()
        if self.scene is not None and self.scene.id() == layer_id:
            self.set_scene(None)

    def _touched(self, training: TrainingLayer) -> None:
        if training is self.training:
            self.touch_training()

    def _classes_of(self, training: TrainingLayer) -> None:
        if training is self.training:
            self.classes_changed.emit()

    def training_title(self) -> str:
        """Return the name of the training layer."""
        return self.tr("Training – {}").format(self.scene.name())

    def touch_training(self) -> None:
        """Say, soon and once, that the training polygons changed."""
        self._training_timer.start()

    def _keep_classes(self) -> None:
        if self.training is not None:
            self.put("classes", to_json(self.training.classes))

    # remembered things

    def get(self, key: str, default: Any = None) -> Any:
        """Return what is remembered for the scene."""
        return self._state.get(key, default)

    def put(self, key: str, value: Any) -> None:
        """Remember something JSON-able for the scene, in the project and in the settings."""
        if self.scene is None or self._state.get(key) == value:
            return
        self._state[key] = value
        text = json.dumps(self._state)
        QgsProject.instance().writeEntry(SCOPE, _entry(self.scene_key), text)
        QgsSettings().setValue(f"{SCENES_SETTING}/{_digest(self.scene_path)}", text)
        self.state_changed.emit(key)

    def file(self, key: str) -> Path | None:
        """Return a remembered file if it is still there."""
        text = self.get(key)
        return Path(text) if text and Path(text).is_file() else None

    def reload(self) -> None:
        """Read the state again, after another project was opened."""
        self._state = self._recall()
        self.scene_changed.emit()

    def _recall(self) -> dict[str, Any]:
        if self.scene is None:
            return {}
        in_project = QgsProject.instance().readEntry(SCOPE, _entry(self.scene_key), "")[0]
        setting = QgsSettings().value(f"{SCENES_SETTING}/{_digest(self.scene_path)}", "")
        for text in (in_project, setting):
            try:
                state = json.loads(str(text or ""))
            except ValueError:
                continue
            if isinstance(state, dict):
                return state
        return {}

    # files

    def folder(self) -> Path:
        """Return the folder of what is made for the scene; it is created.

        It lies beside the project, beside the scene while the project has no file, or in the
        user's data folder where the scene's folder cannot be written.
        """
        remembered = self.get("folder")
        if remembered and Path(remembered).is_dir() and os.access(remembered, os.W_OK):
            return Path(remembered)
        scene = Path(self.scene_path)
        name = f"{scene.stem or 'scene'}_mtmsd"
        home = QgsProject.instance().homePath()
        last = data_folder() / "scenes" / _digest(self.scene_path)
        for base in ([Path(home)] if home else []) + [scene.parent, last]:
            if base is not last and not os.access(base, os.W_OK):
                continue
            folder = base / name
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError:
                continue
            self.put("folder", str(folder))
            return folder
        text = self.tr("There is no folder to write to: {} cannot be created.")
        raise OSError(text.format(last))

    def new_file(self, stem: str, suffix: str) -> Path:
        """Return a path in :meth:`folder` that no file has yet: stem, stem_2, stem_3."""
        folder = self.folder()
        path, number = folder / f"{stem}{suffix}", 1
        while path.exists():
            number += 1
            path = folder / f"{stem}_{number}{suffix}"
        return path


def _path(layer: QgsRasterLayer) -> str:
    return layer.source().split("|")[0]


def _key(path: str) -> str:
    home = QgsProject.instance().homePath()
    return os.path.relpath(path, home) if home and path.startswith(home + os.sep) else path


def _entry(scene_key: str) -> str:
    return f"scenes/scene_{_digest(scene_key)}"  # an XML name: it cannot begin with a digit


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
