"""The spectra under the training polygons, kept up to date in the background."""

from __future__ import annotations

import hashlib
from typing import Any

from qgis.core import Qgis
from qgis.PyQt.QtCore import QObject, pyqtSignal

from ..common.background import Background
from .training.spectra import (
    ClassSpectrum,
    Sample,
    SpectraReader,
    class_spectra,
    separability,
)
from .workspace import Workspace


class TrainingSamples(QObject):
    """Pixels, mean spectra and separability of the classes; only new polygons are read."""

    ready = pyqtSignal()

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.pixels: dict[int, int] = {}
        self.polygons: dict[int, int] = {}
        self.spectra: dict[int, ClassSpectrum] = {}
        self.apart: dict[tuple[int, int], float] = {}
        self.error = ""
        """Why the pixels could not be read; what is above is then empty."""
        self._workspace = workspace
        self._cache: dict[str, Sample] = {}
        self._cached_scene = ""
        self._busy = False
        self._again = False
        workspace.training_changed.connect(self.refresh)
        workspace.facts_changed.connect(self.refresh)

    def refresh(self) -> None:
        """Read again what changed."""
        workspace = self._workspace
        if self._busy:
            self._again = True
            return
        if workspace.training is None or workspace.facts is None:
            self._take(({}, {}, {}, {}, {}), None)
            return
        self._busy = True
        path, used = workspace.scene_path, workspace.facts["used"]
        # read here: in a thread it would meet the GeoPackage while QGIS changes its mode
        rows = workspace.training.rows()
        cache = self._cache if self._cached_scene == path else {}
        self._cached_scene = path
        Background(lambda: _read(path, used, rows, cache), self._take, self).start()

    def _take(self, answer: Any, error: str | None) -> None:
        self._busy = False
        if self._again:  # of polygons, or of a scene, that are no more
            self._again = False
            self._cache = answer[-1] if error is None else {}
            self.refresh()
            return
        said = self.error
        self.error = "" if error is None else self.tr("The pixels cannot be read: {}").format(error)
        none: tuple[Any, ...] = ({}, {}, {}, {}, {})
        self.polygons, self.pixels, self.spectra, self.apart, self._cache = answer or none
        self.ready.emit()
        if self.error and self.error != said:
            self._workspace.said.emit(self.error, Qgis.MessageLevel.Warning)


def _read(
    path: str,
    used: list[int],
    rows: list[tuple[int, bytes]],
    cache: dict[str, Sample],
) -> tuple[Any, ...]:
    reader = SpectraReader(path, used)
    kept: dict[str, Sample] = {}
    by_class: dict[int, list[Sample]] = {}
    polygons: dict[int, int] = {}
    for value, wkb in rows:
        key = hashlib.sha256(wkb).hexdigest()
        sample = cache.get(key) or kept.get(key) or reader.polygon(wkb)
        kept[key] = sample
        polygons[value] = polygons.get(value, 0) + 1
        by_class.setdefault(value, []).append(sample)
    pixels = {value: sum(s.count for s in parts) for value, parts in by_class.items()}
    return polygons, pixels, class_spectra(by_class), separability(by_class), kept
