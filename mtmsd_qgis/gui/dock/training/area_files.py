"""From the menu of the classes: polygons of a file come in, training pixels go out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from qgis.core import (
    Qgis,
    QgsMapLayer,
    QgsProcessingUtils,
    QgsRasterLayer,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QObject
from qgis.PyQt.QtWidgets import QFileDialog, QMenu, QWidget

from ....common.background import Background
from ....common.foreign_files import is_foreign
from ....engine.interpreter import OUTDATED, READY
from ....state.training.area_files import Areas, import_areas
from ....state.training.training_file import VALUE
from ....state.workspace import Workspace

ENDINGS = "*.scpx *.scp *.roi *.xml *.txt *.gpkg *.shp *.geojson *.json *.fgb *.tif *.tiff"


class AreaFiles(QObject):
    """Two entries of a menu.

    Parameters
    ----------
    show : callable
        Given a layer, its class field (or nothing) and what was noticed, it asks what to take.
    """

    def __init__(
        self,
        workspace: Workspace,
        show: Callable[[QgsMapLayer, str, tuple[str, ...]], None],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._show = show

    def add_to(self, menu: QMenu) -> None:
        """Add the entries."""
        menu.addSeparator()
        take = menu.addAction(self.tr("From File…"))
        take.setToolTip(
            self.tr("Polygons, a label raster, SCP's .scpx, or ENVI's ROIs (.xml, .roi as text)")
        )
        take.triggered.connect(lambda: self._choose())
        give = menu.addAction(self.tr("Export Training Pixels…"))
        give.setToolTip(self.tr("Each pixel with its class and band values: GeoPackage and CSV"))
        training = self._workspace.training
        give.setEnabled(training is not None and training.layer.featureCount() > 0)
        give.triggered.connect(lambda: self._export())

    def _choose(self) -> None:
        title = self.tr("Take Polygons from a File")
        filters = f"{self.tr('Training areas')} ({ENDINGS});;{self.tr('All files')} (*)"
        path, _ = QFileDialog.getOpenFileName(self.parent(), title, "", filters)
        if path:
            self.open_path(path)

    def open_path(self, path: str) -> None:
        """Show what would come of a file; one that QGIS does not read is asked of the engine."""
        if not is_foreign(path):
            self._open(path, Path(path).stem, "", ())
            return
        engine = self._workspace.engine.state()
        if engine.status not in (READY, OUTDATED):
            self._warn(engine.sentence)
            return
        scene = self._workspace.scene_path
        output = QgsProcessingUtils.generateTempFilename("areas.gpkg")
        work = partial(import_areas, engine.python, path, scene, output)

        def done(areas: Areas | None, error: str | None) -> None:
            if error is not None:
                self._warn(error)
            elif self._workspace.scene_path == scene:
                self._open(areas.path, Path(path).name, areas.field, areas.warnings)

        Background(work, done, self).start()

    def _open(self, path: str, name: str, field: str, noticed: tuple[str, ...]) -> None:
        polygons = QgsVectorLayer(path, name, "ogr")
        kind = QgsWkbTypes.GeometryType.PolygonGeometry
        if polygons.isValid() and len(polygons.dataProvider().subLayers()) > 1:
            text = self.tr("{} has several layers; add the one that is meant to the project.")
            self._warn(text.format(Path(path).name))
        elif polygons.isValid() and polygons.geometryType() == kind:
            self._show(polygons, field, noticed)
        else:
            raster = QgsRasterLayer(path, name)
            if raster.isValid() and raster.bandCount() == 1:
                self._show(raster, field, noticed)
            else:
                text = self.tr("{} holds neither polygons nor a raster of class numbers.")
                self._warn(text.format(Path(path).name))

    def _export(self) -> None:
        import processing  # QGIS's own plugin, loaded after this one

        workspace = self._workspace
        values = {
            "INPUT": workspace.scene.id(),
            "LABELS": workspace.training.layer.id(),
            "CLASS_FIELD": VALUE,
        }
        dialog: Any = processing.createAlgorithmDialog("mtmsd:exportpixels", values)
        dialog.show()

    def _warn(self, sentence: str) -> None:
        self._workspace.said.emit(sentence, Qgis.MessageLevel.Warning)
