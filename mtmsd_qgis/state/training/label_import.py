"""Polygons of another layer go into the training layer, a few at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator

from qgis.core import QgsGeometry
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QObject, QTimer, pyqtSignal

from .import_plan import ImportPlan
from .training_layer import TrainingLayer

SLICE_SECONDS = 0.01
"""After this time the main thread is given back to QGIS until its next turn."""
AT_ONCE = 20


class Intake(QObject):
    """Adds what is planned as one step of the undo stack.

    Parameters
    ----------
    training : TrainingLayer
        What the polygons are added to.
    plan : ImportPlan
        Its polygons are in the training layer's CRS.
    """

    ended = pyqtSignal(int)
    """How many polygons were added; fewer than there were if the layer has gone meanwhile."""

    def __init__(
        self, training: TrainingLayer, plan: ImportPlan, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._training = training
        self._plan = plan
        self._count = 0

    def start(self) -> Intake:
        """Begin; :attr:`ended` tells the end."""
        self._parts = self._add()
        planned = {c.value for c in self._plan.classes}
        others = [c for c in self._training.classes if c.value not in planned]
        self._training.begin_import([*self._plan.classes, *others])
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

    def _add(self) -> Iterator[bool]:
        classes = {c.value: c for c in self._plan.classes}
        for first in range(0, len(self._plan.polygons), AT_ONCE):
            features = []
            for value, wkb in self._plan.polygons[first : first + AT_ONCE]:
                geometry = QgsGeometry()
                geometry.fromWkb(wkb)
                features.append(self._training.feature(geometry, classes[value]))
            self._training.add_features(features)
            self._count += len(features)
            yield True
