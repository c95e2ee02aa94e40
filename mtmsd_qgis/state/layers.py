"""Layers that the dock makes: found by what they are for, put where they belong."""

from __future__ import annotations

from typing import TypeVar

from qgis.core import QgsLayerTreeLayer, QgsMapLayer, QgsProject

from ..common.background import Background
from ..common.unused_files import remove
from ..processing.styling import distinct
from .current_scene import CurrentScene
from .layer_roles import ROLE, role
from .paths import file_of

Layer = TypeVar("Layer", bound=QgsMapLayer)


def node(layer: QgsMapLayer | None) -> QgsLayerTreeLayer | None:
    """Return the layer's place in the layer tree."""
    return QgsProject.instance().layerTreeRoot().findLayer(layer.id()) if layer else None


def of_role(kind: str, scene: CurrentScene) -> QgsMapLayer | None:
    """Return a layer of the project that the dock made for this, of this scene."""
    layers = QgsProject.instance().mapLayers().values()
    fits = (layer for layer in layers if role(layer) == kind and scene.is_of_scene(layer))
    return next(fits, None)


def add(layer: Layer, kind: str, above: QgsMapLayer | None) -> Layer:
    """Add a new layer to the project, above another one, under a name that no other has.

    Parameters
    ----------
    kind : str
        One of :mod:`.roles`.
    above : QgsMapLayer or None
        The layer that it lies on; without it, it comes to the top.
    """
    project = QgsProject.instance()
    layer.setName(distinct(layer.name(), {other.name() for other in project.mapLayers().values()}))
    layer.setCustomProperty(ROLE, kind)
    project.addMapLayer(layer, False)
    tree, below = project.layerTreeRoot(), node(above)
    tree.insertLayer(tree.children().index(below) if below in tree.children() else 0, layer)
    return layer


def drop(layer: QgsMapLayer | None) -> None:
    """Take a layer out of the project, and remove its file in a thread."""
    if layer is not None:
        path = file_of(layer.source())
        QgsProject.instance().removeMapLayer(layer.id())
        Background(lambda: remove(path)).start()
