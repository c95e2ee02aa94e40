"""What the user works on: a scene, and its training polygons."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsProject
from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

from ..common.background import Background
from ..common.numbers import number
from ..engine.interpreter import Engine
from .current_scene import CurrentScene
from .paths import same_file, there
from .training.classes import LandClass
from .training.journal import journal_path, restore
from .training.owner_lock import OwnerLock
from .training.training_file import create, open_layer
from .training.training_layer import TrainingLayer

HELD_MS = 3000
"""So often it is asked whether another QGIS still edits the training polygons."""


class Workspace(CurrentScene):
    """The sections' common ground; it holds no widgets."""

    training_changed = pyqtSignal()
    """Another layer of training polygons, or its features changed."""
    classes_changed = pyqtSignal()
    """The list of classes changed."""

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.engine = engine
        self.training: TrainingLayer | None = None
        self._trainings: dict[str, TrainingLayer] = {}
        self._wait_for_training: list[
            tuple[Callable[[TrainingLayer], None], Callable[[], None] | None]
        ] = []
        self._restoring = False
        self._training_timer = QTimer(self)
        self._training_timer.setSingleShot(True)
        self._training_timer.setInterval(150)
        self._training_timer.timeout.connect(self.training_changed)
        self._held_timer = QTimer(self)
        self._held_timer.setInterval(HELD_MS)
        self._held_timer.timeout.connect(self._try_lock_again)
        self.scene_changed.connect(self._open_training)
        self.classes_changed.connect(self._keep_classes)
        QgsProject.instance().writeProject.connect(self._save_trainings)

    def release(self) -> None:
        """Let go of the project's signals."""
        super().release()
        QgsProject.instance().writeProject.disconnect(self._save_trainings)
        for training in self._trainings.values():
            training.close()

    def _open_training(self) -> None:
        """Open the scene's training polygons where there are some."""
        self.set_training(None)
        noted = self.state.training
        if there(noted) is not None:
            self.take_training(noted)
        elif noted is not None:
            text = self.tr("The training polygons {} are gone; the next class begins a new file.")
            self.said.emit(text.format(noted), Qgis.MessageLevel.Warning)

    def set_training(self, training: TrainingLayer | None) -> None:
        """Take other training polygons, or none."""
        if training is self.training:
            return
        self.training = training
        if training is not None:
            self.change(training=training.path)
        self.classes_changed.emit()
        self.training_changed.emit()

    def with_training(
        self, then: Callable[[TrainingLayer], None], otherwise: Callable[[], None] | None = None
    ) -> None:
        """Call with the training polygons; where there are none, a file is first made in a thread.

        If that fails, which is said, if another QGIS has them, or if another scene is chosen
        meanwhile, ``otherwise`` is called.
        """
        if self.scene is None:
            return
        self._wait_for_training.append((then, otherwise))
        if len(self._wait_for_training) > 1 or self._restoring:
            return
        if self.training is not None:
            if self.training.held:
                self.said.emit(self.training.held, Qgis.MessageLevel.Warning)
            self._call_waiting()
            return
        if there(self.state.training) is not None:  # its layer was removed, or could not be read
            self.take_training(self.state.training)
            if not self._restoring:
                self._call_waiting()
            return
        scene = self.scene_path

        def done(path: Path | None, error: str | None) -> None:
            if error is not None:
                self.said.emit(error, Qgis.MessageLevel.Critical)
            elif self.scene_path == scene:
                self.take_training(path)
            self._call_waiting()

        try:
            path, crs = self.new_file("training", ".gpkg"), self.scene.crs()
        except OSError as error:
            done(None, str(error))
            return

        def make() -> Path:
            create(path, crs)
            return path

        Background(make, done, self).start()

    def _call_waiting(self) -> None:
        waiting, self._wait_for_training = self._wait_for_training, []
        ready = self.training is not None and not self.training.held
        for then, otherwise in waiting:
            if ready:
                then(self.training)
            elif otherwise is not None:
                otherwise()

    def take_training(self, path: Path | None) -> None:
        """Open a GeoPackage of training polygons as those of the scene.

        If an earlier QGIS was ended with unsaved ones, they are first put into it in a thread.
        """
        if path is None:
            return
        is_open = any(same_file(training.path, path) for training in self._trainings.values())
        lock = OwnerLock(path)
        if is_open or lock.take() or not journal_path(path).exists():
            self._open_file(path, lock)
            return
        scene, self._restoring = self.scene_path, True

        def done(restored: tuple[list[LandClass], int] | None, error: str | None) -> None:
            self._restoring = False
            if restored is None:
                self.said.emit(str(error), Qgis.MessageLevel.Warning)
                lock.release()
            elif self.scene_path == scene:
                self._open_restored(path, lock, *restored)
            else:
                lock.release()
            self._call_waiting()

        Background(lambda: restore(path), done, self).start()

    def _open_restored(
        self, path: Path, lock: OwnerLock, classes: list[LandClass], count: int
    ) -> None:
        if classes:
            self.change(classes=tuple(classes))
        self._open_file(path, lock)
        if self.training is None or not count:
            return
        self.training.layer.dataProvider().reloadData()  # the project may have had it open
        if count == 1:
            text = self.tr("1 training polygon was recovered: it had not been saved.")
        else:
            text = self.tr("{} training polygons were recovered: not all had been saved.")
        self.said.emit(text.format(number(count)), Qgis.MessageLevel.Info)

    def _open_file(self, path: Path, lock: OwnerLock) -> None:
        try:
            layer = open_layer(path, self.tr("Training – {}").format(self.scene.name()))
        except OSError as error:
            lock.release()
            self.set_training(None)
            self.said.emit(str(error), Qgis.MessageLevel.Warning)
            return
        project = QgsProject.instance()
        if project.mapLayer(layer.id()) is None:
            project.addMapLayer(layer, False)
            project.layerTreeRoot().insertLayer(0, layer)
        known = self._trainings.get(layer.id())
        if known is None:
            known = TrainingLayer(layer, self.state.classes, lock, self)
            known.refused.connect(lambda text: self.said.emit(text, Qgis.MessageLevel.Warning))
            known.changed.connect(partial(self._touched, known))
            known.classes_changed.connect(partial(self._classes_of, known))
            self._trainings[layer.id()] = known
        self.set_training(known)
        if known.held:
            self.said.emit(known.held, Qgis.MessageLevel.Warning)
            self._held_timer.start()

    def _try_lock_again(self) -> None:
        """Edit what another QGIS has let go of, with what it saved or left."""
        training = self.training
        if training is None or not training.held:
            self._held_timer.stop()
        elif training.is_free():
            self._held_timer.stop()
            del self._trainings[training.layer.id()]
            training.close()
            self.set_training(None)
            training.layer.dataProvider().reloadData()
            self.take_training(training.path)
            training.deleteLater()

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

    def _save_trainings(self, *_: Any) -> None:
        """Save all training polygons with the project."""
        for training in self._trainings.values():
            if not training.save():
                reason = "; ".join(training.layer.commitErrors())
                text = self.tr("The training polygons {path} were not saved: {reason}")
                self.said.emit(
                    text.format(path=training.path, reason=reason), Qgis.MessageLevel.Critical
                )

    def _touched(self, training: TrainingLayer) -> None:
        if training is self.training:
            self._training_timer.start()

    def _classes_of(self, training: TrainingLayer) -> None:
        if training is self.training:
            self.classes_changed.emit()

    def _keep_classes(self) -> None:
        if self.training is not None:
            self.change(classes=tuple(self.training.classes))
