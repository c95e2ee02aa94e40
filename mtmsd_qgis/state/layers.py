"""Layers that the dock makes: found by what they are for, put where they belong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from qgis.core import (
    QgsLayerTreeLayer,
    QgsLayerTreeNode,
    QgsMapLayer,
    QgsProject,
    QgsRasterLayer,
)

from ..common.background import Background
from ..common.translation import tr
from ..common.unused_files import remove
from ..processing.styling import distinct
from .current_scene import CurrentScene
from .layer_roles import MAP, OTHER_MAP, PREVIEW, ROLE, role
from .paths import file_of

Layer = TypeVar("Layer", bound=QgsMapLayer)


def node(layer: QgsMapLayer | None) -> QgsLayerTreeLayer | None:
    """Return the layer's place in the layer tree."""
    return QgsProject.instance().layerTreeRoot().findLayer(layer.id()) if layer else None


def of_role(kind: str, scene: CurrentScene) -> QgsMapLayer | None:
    """Return the layer that the dock made for this, of this scene; the highest in the tree."""
    layers = QgsProject.instance().layerTreeRoot().layerOrder()
    fits = (layer for layer in layers if role(layer) == kind and scene.is_of_scene(layer))
    return next(fits, None)


def shown_map(scene: CurrentScene) -> QgsRasterLayer | None:
    """Return the scene's preview, else its map that is highest in the layer tree."""
    found: dict[str, QgsRasterLayer] = {}
    for layer in QgsProject.instance().layerTreeRoot().layerOrder():
        if isinstance(layer, QgsRasterLayer) and scene.is_of_scene(layer):
            found.setdefault(role(layer), layer)
    return found.get(PREVIEW) or found.get(MAP)


def add(layer: Layer, kind: str, above: QgsMapLayer | QgsLayerTreeNode | None) -> Layer:
    """Add a new layer to the project, above another one, under a name that no other has.

    Parameters
    ----------
    kind : str
        One of :mod:`.roles`.
    above : QgsMapLayer, QgsLayerTreeNode or None
        The layer, or the node, that it lies on; without it, it comes to the top.
    """
    project = QgsProject.instance()
    layer.setName(distinct(layer.name(), {other.name() for other in project.mapLayers().values()}))
    layer.setCustomProperty(ROLE, kind)
    project.addMapLayer(layer, False)
    tree = project.layerTreeRoot()
    below = node(above) if isinstance(above, QgsMapLayer) else above
    tree.insertLayer(tree.children().index(below) if below in tree.children() else 0, layer)
    return layer


def add_newest(layer: QgsRasterLayer, kind: str, scene: CurrentScene) -> QgsRasterLayer:
    """Add a map over all other rasters; earlier ones of the scene are hidden and say so.

    Parameters
    ----------
    kind : str
        One of :mod:`.layer_roles`.
    """
    project = QgsProject.instance()
    title, names = layer.name(), {other.name() for other in project.mapLayers().values()}
    for earlier in project.mapLayers().values():
        if role(earlier) == kind and scene.is_of_scene(earlier):
            if earlier.name() == title:
                earlier.setName(distinct(tr("{} (earlier)").format(title), names))
                names = (names - {title}) | {earlier.name()}
            place = node(earlier)
            if place is not None:
                place.setItemVisibilityChecked(False)
    shown = project.layerTreeRoot().layerOrder()
    highest = next((other for other in shown if isinstance(other, QgsRasterLayer)), None)
    added = add(layer, kind, above=_top_of(highest))
    place = node(added)
    if place is not None:
        place.setItemVisibilityCheckedParentRecursive(True)
    return added


def add_group(title: str, maps: Sequence[QgsRasterLayer]) -> None:
    """Add maps of other scenes in a group over all other rasters, the first on top."""
    project = QgsProject.instance()
    tree = project.layerTreeRoot()
    highest = next((x for x in tree.layerOrder() if isinstance(x, QgsRasterLayer)), None)
    below = _top_of(highest)
    place = tree.children().index(below) if below in tree.children() else 0
    taken = {child.name() for child in tree.children()}
    group = tree.insertGroup(place, distinct(title, taken))
    for layer in maps:
        names = {other.name() for other in project.mapLayers().values()}
        layer.setName(distinct(layer.name(), names))
        layer.setCustomProperty(ROLE, OTHER_MAP)
        project.addMapLayer(layer, False)
        group.addLayer(layer)


def _top_of(layer: QgsMapLayer | None) -> QgsLayerTreeNode | None:
    """Return the node of the top level that holds a layer."""
    place = node(layer)
    while place is not None and place.parent().parent() is not None:
        place = place.parent()
    return place


def drop(layer: QgsMapLayer | None) -> None:
    """Take a layer out of the project, and remove its file in a thread."""
    if layer is not None:
        path = file_of(layer.source())
        QgsProject.instance().removeMapLayer(layer.id())
        Background(lambda: remove(path)).start()
