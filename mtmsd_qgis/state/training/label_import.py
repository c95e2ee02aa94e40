"""Polygons of another layer go into the training layer, a few at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from qgis.core import QgsGeometry
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

from .classes import Label, LandClass, added
from .training_layer import TrainingLayer

SLICE_SECONDS = 0.01
"""After this time the main thread is given back to QGIS until its next turn."""
AT_ONCE = 20


class Intake(QObject):
    """Adds all labels as one step of the undo stack; classes that are new by name are made.

    Parameters
    ----------
    training : TrainingLayer
        What they are added to.
    labels : sequence of Label
        In the training layer's CRS.
    """

    ended = pyqtSignal(int)
    """How many polygons were added; fewer than there were if the layer has gone meanwhile."""

    def __init__(
        self, training: TrainingLayer, labels: Sequence[Label], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._training = training
        self._labels = labels
        self._count = 0

    def start(self) -> Intake:
        """Begin; :attr:`ended` tells the end."""
        classes = with_classes_of(self._training.classes, self._labels)
        self._parts = self._add({c.name: c for c in classes})
        self._training.begin_import(classes)
        QTimer.singleShot(0, self._work)
        return self

    def _work(self) -> None:
        until = time.perf_counter() + SLICE_SECONDS
        while not sip.isdeleted(self._training.layer):
            if not next(self._parts, False):
                self._training.end_import()
                break
            if time.perf_counter() > until:
                QTimer.singleShot(0, self._work)
                return
        self.ended.emit(self._count)
        self.deleteLater()

    def _add(self, classes: dict[str, LandClass]) -> Iterator[bool]:
        drawn = [label for label in self._labels if label.wkb]
        for first in range(0, len(drawn), AT_ONCE):
            features = []
            for label in drawn[first : first + AT_ONCE]:
                geometry = QgsGeometry()
                geometry.fromWkb(label.wkb)
                features.append(self._training.feature(geometry, classes[label.name]))
            self._training.add_features(features)
            self._count += len(features)
            yield True


def with_classes_of(classes: Sequence[LandClass], labels: Sequence[Label]) -> list[LandClass]:
    """Return the classes with those of the labels that are new by name."""
    found = list(classes)
    names = {c.name for c in found}
    for label in labels:
        if label.name not in names:
            found = added(found, label.name, label.color, label.value)
            names.add(label.name)
    return found
