"""What is left out of the scene: a mask that is remembered by its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import QgsMapLayer, QgsProject

from .paths import file_of, same_file
from .scene_state import SceneState


def mask_layer(state: SceneState) -> QgsMapLayer | None:
    """Return the project's layer of the mask's file, if there is one."""
    if state.mask is None:
        return None
    layers = QgsProject.instance().mapLayers().values()
    return next((each for each in layers if _is_source(each, str(state.mask))), None)


def _is_source(layer: QgsMapLayer, mask: str) -> bool:
    if layer.source() == mask:
        return True
    one, other = (text.partition("|layername=")[2].split("|")[0] for text in (layer.source(), mask))
    return one == other and same_file(layer.source(), mask)


def mask_parameters(state: SceneState) -> dict[str, Any]:
    """Return what leaves the same pixels out in every algorithm that takes the scene."""
    layer, parameters = mask_layer(state), {}
    if state.mask is not None:
        parameters["MASKS"] = [layer.id() if layer is not None else str(state.mask)]
        parameters["MASK_CHOICE"] = state.mask_choice
    if state.product_masks:
        parameters["PRODUCT_MASKS"] = True
    return parameters


def mask_words(state: SceneState) -> list[str]:
    """Return the same for the command line."""
    words = ["--mask", "product"] if state.product_masks else []
    if state.mask is not None:
        choice = f"|{state.mask_choice}" if state.mask_choice else ""
        words += ["--mask", f"{state.mask}{choice}"]
    return words


def mask_key(state: SceneState) -> str:
    """Return what changes when other pixels are left out; empty without a mask."""
    words = mask_words(state)
    if state.mask is not None:
        file = Path(file_of(str(state.mask)))
        if file.is_file():
            words = [*words[:-1], file.name, state.mask_choice, str(file.stat().st_mtime_ns)]
    return " ".join(words)
