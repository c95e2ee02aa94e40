"""Opens the sample in a project of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qgis.core import Qgis, QgsProject, QgsRasterLayer, QgsVectorLayer
from qgis.gui import QgisInterface
from qgis.PyQt.QtCore import QObject

from ...common.background import Background
from ...state.sample_scene import PROJECT, SCENE, TRAINING, VALIDATION, copy_sample
from ...state.workspace import Workspace

CREDIT = (
    "EnMAP © DLR 2022, from the EnMAP-Box's test data; reference from imagery of GeoBasis-DE/LGB "
    "and Geoportal Berlin (dl-de/by-2-0)"
)


class SampleProject(QObject):
    """The sample's project; the one that is open is asked for first, as QGIS does.

    Parameters
    ----------
    choose : callable
        Makes a raster layer the scene.
    """

    def __init__(
        self,
        workspace: Workspace,
        iface: QgisInterface,
        choose: Callable[[QgsRasterLayer], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._workspace, self._iface, self._choose = workspace, iface, choose

    def open(self) -> None:
        """Copy the sample where the user may write, in a thread, then open it."""

        def done(folder: Path | None, error: str | None) -> None:
            if folder is None:
                text = self.tr("The sample cannot be copied: {}").format(error)
                self._workspace.said.emit(text, Qgis.MessageLevel.Warning)
            elif self._iface.newProject(True):  # False: the user stays with the old one
                self._show(folder)

        Background(copy_sample, done, self).start()

    def _show(self, folder: Path) -> None:
        project, path = QgsProject.instance(), folder / PROJECT
        if path.is_file() and self._iface.addProject(str(path)):
            text = self.tr("The sample, as you left it; delete {} to begin anew.")
            self._workspace.said.emit(text.format(folder), Qgis.MessageLevel.Info)
            return
        scene = QgsRasterLayer(str(folder / SCENE), self.tr("EnMAP Potsdam"))
        scene.setAttribution(CREDIT)
        table = Path(VALIDATION).stem
        source = f"{folder / VALIDATION}|layername={table}"
        reference = QgsVectorLayer(source, self.tr("Validation polygons"), "ogr")
        project.setTitle(self.tr("MTMSD sample: EnMAP Potsdam"))
        project.setCrs(scene.crs())
        project.addMapLayers([scene, reference])
        project.layerTreeRoot().findLayer(reference.id()).setItemVisibilityChecked(False)
        self._iface.mapCanvas().setExtent(scene.extent())
        self._choose(scene)
        self._workspace.take_training(folder / TRAINING)
        if not project.write(str(path)):
            text = self.tr("{path} cannot be written: {reason}")
            said = text.format(path=path, reason=project.error())
            self._workspace.said.emit(said, Qgis.MessageLevel.Warning)
            return
        text = self.tr("The sample is in {}, with classes and polygons: press Pretrain.")
        self._workspace.said.emit(text.format(folder), Qgis.MessageLevel.Info)
