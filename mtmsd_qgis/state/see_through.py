"""The map made see-through for a while; what the user sets meanwhile stays."""

from __future__ import annotations

from qgis.core import QgsProject, QgsRasterLayer
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QObject, pyqtSignal

from .current_scene import CurrentScene
from .layers import shown_map

OPACITY = 0.4


class SeeThrough(QObject):
    """Lowers the opacity of the scene's map, and brings it back; projects are saved without."""

    changed = pyqtSignal()

    def __init__(self, scene: CurrentScene, parent: QObject) -> None:
        super().__init__(parent)
        self._scene = scene
        self._layer: QgsRasterLayer | None = None
        self._before = 1.0
        QgsProject.instance().writeProject.connect(self._bring_back)
        QgsProject.instance().projectSaved.connect(self._lower_again)

    def release(self) -> None:
        """Bring the opacity back, and let go of the project."""
        self.end()
        QgsProject.instance().writeProject.disconnect(self._bring_back)
        QgsProject.instance().projectSaved.disconnect(self._lower_again)

    def begin(self) -> None:
        """Lower the opacity of the map, once."""
        layer = shown_map(self._scene)
        if layer is self._layer and layer is not None:
            return
        self.end()
        if layer is not None and layer.opacity() > OPACITY:
            self._layer, self._before = layer, layer.opacity()
            self._set(OPACITY)

    def end(self) -> None:
        """Bring the opacity back, unless the user has set another one."""
        self._bring_back()
        self._layer = None

    def _bring_back(self, *_: object) -> None:
        if self._is_low():
            self._set(self._before)

    def _lower_again(self) -> None:
        layer = self._layer
        if layer is not None and not sip.isdeleted(layer) and layer.opacity() == self._before:
            self._set(OPACITY)
            QgsProject.instance().setDirty(False)  # it has just been saved

    def _is_low(self) -> bool:
        layer = self._layer
        alive = layer is not None and not sip.isdeleted(layer)
        return alive and abs(layer.opacity() - OPACITY) < 1e-6

    def _set(self, opacity: float) -> None:
        self._layer.setOpacity(opacity)
        self._layer.triggerRepaint()
        self.changed.emit()
