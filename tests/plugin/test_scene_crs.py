"""A layer whose CRS the user has set otherwise than its file says."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import halves, write_raster
from docked import Docked, docked  # noqa: F401
from qgis.core import QgsCoordinateReferenceSystem, QgsProject, QgsRasterLayer

from mtmsd_qgis.gui.widgets.section import DONE, WARNED

OTHER = QgsCoordinateReferenceSystem("EPSG:32634")


def said(room: Docked) -> tuple[str, str]:
    return room.dock.scene.kind, room.text("mtmsdSceneState")


def test_a_crs_that_is_set_on_the_layer_is_said_until_it_is_set_back(
    docked: Docked,  # noqa: F811
    scene: Path,
) -> None:
    layer = docked.open(scene)
    files = layer.crs()
    assert said(docked)[0] == DONE
    layer.setCrs(OTHER)
    kind, text = said(docked)
    assert kind == WARNED
    assert "Set to EPSG:32634, its file says EPSG:32633" in text
    assert "set the layer back" in text
    layer.setCrs(files)
    assert said(docked) == (DONE, "40 × 32 px, 12 bands used")


@pytest.mark.parametrize(("epsg", "name"), [(32633, "EPSG:32633"), (None, "none")])
def test_a_layer_that_comes_with_another_crs_is_amber_at_once(
    docked: Docked,  # noqa: F811
    tmp_path: Path,
    epsg: int | None,
    name: str,
) -> None:
    layer = QgsRasterLayer(str(write_raster(tmp_path / "scene.tif", halves(), epsg)), "scene")
    layer.setCrs(OTHER)
    QgsProject.instance().addMapLayer(layer)
    docked.part("mtmsdSceneLayer").setLayer(layer)
    docked.wait(lambda: docked.workspace.facts, "the engine says nothing of the raster")
    kind, text = said(docked)
    assert kind == WARNED
    assert f"Set to EPSG:32634, its file says {name}:" in text


def test_a_scene_that_is_no_longer_chosen_is_not_followed(
    docked: Docked,  # noqa: F811
    scene: Path,
    tmp_path: Path,
) -> None:
    first = docked.open(write_raster(tmp_path / "first.tif", halves()))
    docked.workspace.facts = None
    docked.open(scene)
    first.setCrs(OTHER)
    assert said(docked)[0] == DONE
