"""The spectra under the training polygons, kept up to date in the background."""

from __future__ import annotations

import hashlib
from typing import Any

from qgis.core import Qgis
from qgis.PyQt.QtCore import QObject, pyqtSignal

from ..common.background import Background
from .training.spectra import (
    ClassSpectrum,
    Counts,
    Sample,
    SpectraReader,
    class_spectra,
    counted,
    separability,
)
from .workspace import Workspace


class TrainingSamples(QObject):
    """Pixels, mean spectra and separability of the classes; only new polygons are read."""

    ready = pyqtSignal()

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.counts = Counts()
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
            self._take((Counts(), {}, {}, {}), None)
            return
        self._busy = True
        path, facts = workspace.scene_path, workspace.facts
        # read here: in a thread it would meet the GeoPackage while QGIS changes its mode
        rows = workspace.training.rows()
        cache = self._cache if self._cached_scene == path else {}
        self._cached_scene = path
        Background(lambda: _read(path, facts, rows, cache), self._take, self).start()

    def _take(self, answer: Any, error: str | None) -> None:
        self._busy = False
        if self._again:  # of polygons, or of a scene, that are no more
            self._again = False
            self._cache = answer[-1] if error is None else {}
            self.refresh()
            return
        said = self.error
        self.error = "" if error is None else self.tr("The pixels cannot be read: {}").format(error)
        none: tuple[Any, ...] = (Counts(), {}, {}, {})
        self.counts, self.spectra, self.apart, self._cache = answer or none
        self.ready.emit()
        if self.error and self.error != said:
            self._workspace.said.emit(self.error, Qgis.MessageLevel.Warning)


def reader_of(path: str, facts: dict[str, Any]) -> SpectraReader:
    """Return what reads the scene's spectra, by what the engine says of it."""
    return SpectraReader(path, facts["used"], facts["nodata_values"], facts["fill_values"])


def _read(
    path: str,
    facts: dict[str, Any],
    rows: list[tuple[int, bytes]],
    cache: dict[str, Sample],
) -> tuple[Any, ...]:
    reader = reader_of(path, facts)
    kept: dict[str, Sample] = {}
    samples: list[tuple[int, Sample]] = []
    by_class: dict[int, list[Sample]] = {}
    for value, wkb in rows:
        key = hashlib.sha256(wkb).hexdigest()
        kept[key] = cache.get(key) or kept.get(key) or reader.polygon(wkb)
        samples.append((value, kept[key]))
        by_class.setdefault(value, []).append(kept[key])
    return counted(samples), class_spectra(by_class), separability(by_class), kept
