"""The scene that is worked on, and all that is remembered for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsMapLayer, QgsProject, QgsRasterLayer, QgsSettings
from qgis.PyQt.QtCore import QObject, pyqtSignal

from ..common.translation import tr
from . import project_scenes, scene_folder
from .paths import file_of, gdal_path, key_of, same_file
from .scene_state import FILES, SceneState

DEVICE_SETTING = "mtmsd/device"

CHANGES = {
    "training_file_changed": ("training",),
    "model_changed": ("model",),
    "classifier_changed": ("classifier", "classifier_key"),
    "map_changed": ("map", "confidence", "probabilities", "map_filters", "pixels"),
    "accuracy_changed": ("accuracy", "report", "doubtful"),
    "points_changed": ("points",),
    "library_changed": ("library", "library_classes"),
    "mask_changed": ("mask", "mask_choice", "product_masks"),
    "options_changed": ("options", "preset", "seed", "exclude", "settings", "paused"),
}
"""Which signal tells of which fields; the others are told by none."""


class CurrentScene(QObject):
    """The chosen scene and its :class:`.SceneState`, which only :meth:`change` changes.

    The state lies in the project, with paths relative to it, and in the scene's folder, where it
    is found when no project knows it. Of the two the newer one counts.
    """

    scene_changed = pyqtSignal()
    """Another scene, or none."""
    facts_changed = pyqtSignal()
    """What the engine says of the scene is known now (or why it is not)."""
    training_file_changed = pyqtSignal()
    model_changed = pyqtSignal()
    classifier_changed = pyqtSignal()
    map_changed = pyqtSignal()
    """The class map, or what was made with it."""
    accuracy_changed = pyqtSignal()
    points_changed = pyqtSignal()
    library_changed = pyqtSignal()
    """The imported spectra, or which of them train."""
    mask_changed = pyqtSignal()
    options_changed = pyqtSignal()
    """What the next run will be started with."""
    device_changed = pyqtSignal()
    said = pyqtSignal(str, object)
    """A sentence for the message bar, and its Qgis.MessageLevel."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.scene: QgsRasterLayer | None = None
        self.state = SceneState()
        self.facts: dict[str, Any] | None = None
        self.facts_error = ""
        self._chosen = ""
        self._states: dict[str, SceneState] = {}
        self._paths: dict[str, str] = {}
        project = QgsProject.instance()
        project.readProject.connect(self._read_project)
        project.writeProject.connect(self._project_written)
        project.cleared.connect(self._project_cleared)
        self._read_project()

    def release(self) -> None:
        """Let go of the project's signals."""
        project = QgsProject.instance()
        project.readProject.disconnect(self._read_project)
        project.writeProject.disconnect(self._project_written)
        project.cleared.disconnect(self._project_cleared)

    # the scene

    def set_scene(self, layer: QgsRasterLayer | None) -> None:
        """Take another raster as the scene."""
        if layer is self.scene:
            return
        self.scene = layer
        self.facts, self.facts_error = None, ""
        self.state = SceneState()
        before, self._chosen = self._chosen, self.scene_path
        if layer is not None:
            self.state = self._recall(self.scene_path)
            self._keep(self.scene_path, self.state)
            if not before or not same_file(before, self._chosen):
                self._write_project()
        self.scene_changed.emit()

    def set_facts(self, facts: dict[str, Any] | None, error: str = "") -> None:
        """Take what ``mtmsd info`` said of the scene."""
        self.facts, self.facts_error = facts, error
        self.facts_changed.emit()

    @property
    def scene_path(self) -> str:
        """The scene's file as GDAL opens it; empty without a scene."""
        return gdal_path(self.scene.source()) if self.scene is not None else ""

    def is_remembered(self, layer: QgsRasterLayer) -> bool:
        """Whether the project was last used with this raster as the scene."""
        return bool(self._chosen) and same_file(layer.source(), self._chosen)

    def is_of_scene(self, layer: QgsMapLayer) -> bool:
        """Whether a layer was made for this scene: its file is noted, or in the scene's folder."""
        file, folder = Path(file_of(layer.source())), self.state.folder
        if not file.is_absolute():
            return False
        if folder is not None and same_file(file.parent, folder):
            return True
        noted = (getattr(self.state, name) for name in FILES)
        return any(path is not None and same_file(path, file) for path in noted)

    # what is remembered

    def change(self, **fields: Any) -> None:
        """Change fields of the scene's state; each of :data:`CHANGES` is told once."""
        if self.scene is not None:
            self.change_of(self.scene_path, **fields)

    def change_of(self, scene: str, **fields: Any) -> None:
        """Change fields of the state of a scene that may not be the chosen one any more."""
        state = self._states.get(key_of(scene)) or self._recall(scene)
        new = {name for name, value in fields.items() if getattr(state, name) != value}
        if not new:
            return
        state = replace(state, **fields, changed=time.time())
        is_chosen = key_of(scene) == key_of(self.scene_path)
        if is_chosen:
            self.state = state
        self._store(scene, state)
        if is_chosen or key_of(scene) in self._states:
            self._keep(scene, state)
            self._write_project()
        if is_chosen:
            for signal, names in CHANGES.items():
                if new.intersection(names):
                    getattr(self, signal).emit()

    def states(self) -> dict[str, SceneState]:
        """Return what the project remembers of each of its scenes, by its path."""
        return {self._paths[key]: state for key, state in self._states.items()}

    @property
    def device(self) -> str:
        """Where the engine computes: a matter of the machine, not of the scene."""
        return str(QgsSettings().value(DEVICE_SETTING, "auto") or "auto")

    def set_device(self, device: str) -> None:
        """Choose where the engine computes, from now on."""
        if device != self.device:
            QgsSettings().setValue(DEVICE_SETTING, device)
            self.device_changed.emit()

    def _keep(self, scene: str, state: SceneState) -> None:
        self._states[key_of(scene)] = state
        self._paths[key_of(scene)] = scene

    def _store(self, scene: str, state: SceneState) -> None:
        if state.folder is not None and state.folder.is_dir():
            with self.saying_errors():
                scene_folder.store(state.folder, scene, state)

    def _recall(self, scene: str) -> SceneState:
        """Return what the project or the scene's folder says, whichever is newer."""
        known = self._states.get(key_of(scene), SceneState())
        folder = known.folder
        if folder is None or not folder.is_dir():
            folder = scene_folder.find(scene, QgsProject.instance().homePath())
        if folder is None:
            return known
        beside = scene_folder.load(folder)
        newer, older = (beside, known) if beside.changed > known.changed else (known, beside)
        files = _found_files(newer, older, folder)
        if newer.training is None and "training" in files:
            text = tr("Found the training polygons {}; nothing says of which scene they are.")
            self.said.emit(text.format(files["training"]), Qgis.MessageLevel.Warning)
        return replace(newer, folder=folder, **files)

    # the project

    def _read_project(self) -> None:
        self._chosen, states = project_scenes.read(QgsProject.instance())
        self._states = {key_of(scene): state for scene, state in states.items()}
        self._paths = {key_of(scene): scene for scene in states}

    def _project_written(self, *_: Any) -> None:
        """The project's file may have another place now, from which its paths are counted."""
        self._write_project()

    def _project_cleared(self) -> None:
        self._chosen, self._states, self._paths = "", {}, {}

    def _write_project(self) -> None:
        states = self.states()
        if self._chosen or states:
            project_scenes.write(QgsProject.instance(), self._chosen, states)

    # files

    def folder(self) -> Path:
        """Return the folder of what is made for the scene; it is made where there is none.

        It lies beside the project, beside the scene while the project has no file, or in the
        user's data folder where neither can be written.

        Raises
        ------
        OSError
            If there is no place for it.
        """
        folder = self.state.folder
        if folder is None or not scene_folder.is_writable(folder):
            folder = scene_folder.make(self.scene_path, QgsProject.instance().homePath())
            self.change(folder=folder)
        return folder

    def new_file(self, stem: str, suffix: str) -> Path:
        """Return a path in :meth:`folder` that no file has yet: stem, stem_2, stem_3.

        Raises
        ------
        OSError
            If there is no folder for it.
        """
        folder = self.folder()
        path, number = folder / f"{stem}{suffix}", 1
        while path.exists():  # QgsFileUtils.uniquePath is not in QGIS 3.22
            number += 1
            path = folder / f"{stem}_{number}{suffix}"
        return path

    @contextmanager
    def saying_errors(self) -> Iterator[None]:
        """Say why a file or a folder cannot be used, instead of raising it."""
        try:
            yield
        except OSError as error:
            self.said.emit(str(error), Qgis.MessageLevel.Warning)


def _found_files(newer: SceneState, older: SceneState, folder: Path) -> dict[str, Path]:
    """Return where the state's files are now: where they were, or of the same name in the folder.

    Where no training polygons are noted, the newest ones in the folder are taken.
    """
    found: dict[str, Path] = {}
    for name in FILES:
        noted, before = getattr(newer, name), getattr(older, name)
        if noted is not None:
            places = [noted, folder / noted.name, *([before] if before is not None else [])]
            found[name] = next((path for path in places if path.is_file()), noted)
    if newer.training is None and older.training is None:
        kept = sorted(folder.glob("training*.gpkg"), key=lambda path: path.stat().st_mtime)
        if kept:
            found["training"] = kept[-1]
    return found
