"""One click makes a page that can be published: what stands on it, and that it is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_raster
from docked import Docked, docked  # noqa: F401
from osgeo import gdal
from qgis.core import QgsLayoutItemLabel, QgsLayoutItemMap, QgsLayoutItemScaleBar, QgsProject
from qgis.PyQt.QtGui import QImage
from qgis.PyQt.QtWidgets import QFileDialog, QMenu

CLASSES = [
    {"value": 1, "name": "grass", "color": "#33a02c"},
    {"value": 2, "name": "water", "color": "#1f78b4"},
]
PIXELS = {"grass": 640, "water": 640}
FIGURES = {"overall": 0.912, "average": 0.9, "kappa": 0.82, "n": 980, "classes": [],
           "confusion": {"matrix": []}, "split": "Whole polygons were held out."}  # fmt: skip


@pytest.fixture
def mapped(docked: Docked, scene: Path, tmp_path: Path) -> Docked:  # noqa: F811
    """A scene with a map whose left half is grass and whose right half is water."""
    layer = docked.open(Path(shutil.copy(scene, tmp_path / "scene.tif")))
    layer.setAttribution("EnMAP © DLR 2022")
    values = np.repeat([[1] * 20 + [2] * 20], 32, axis=0).astype("uint8")[None]
    path = write_raster(tmp_path / "map.tif", values)
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.SetMetadataItem("MTMSD", json.dumps({"classes": CLASSES}))
    dataset = None
    docked.workspace.change(map=path, pixels=PIXELS, accuracy=FIGURES)
    docked.dock.map.set_open(True)
    return docked


def texts(layout: Any) -> list[str]:
    return [item.text() for item in layout.items() if isinstance(item, QgsLayoutItemLabel)]


def test_one_click_makes_a_page_with_all_that_a_map_needs(
    mapped: Docked, qgis_iface: Any, monkeypatch: Any
) -> None:
    opened = []
    monkeypatch.setattr(qgis_iface, "openLayoutDesigner", opened.append, raising=False)
    mapped.dock.map.findChild(QMenu, "mtmsdLayoutMenu")
    mapped.part("mtmsdLayout").click()
    (layout,) = opened
    assert layout in QgsProject.instance().layoutManager().printLayouts()
    said = texts(layout)
    assert "Class map of scene" in said
    # 640 pixels of 30 m: 57.6 ha
    assert said.count("57.6 ha") == 2
    assert {"grass", "water"} <= set(said)
    foot = "Overall accuracy 91.2\N{NO-BREAK SPACE}%, kappa 0.82, on 980 reference pixels. Whole"
    assert any(text.startswith(foot) for text in said), said
    assert any("EnMAP © DLR 2022" in text and "EPSG:32633" in text for text in said), said
    (shown,) = [i for i in layout.items() if isinstance(i, QgsLayoutItemMap)]
    assert shown.extent().contains(mapped.workspace.scene.extent())
    (bar,) = [i for i in layout.items() if isinstance(i, QgsLayoutItemScaleBar)]
    assert bar.linkedMap() is shown
    mapped.part("mtmsdLayout").click()
    assert len({x.name() for x in QgsProject.instance().layoutManager().printLayouts()}) == 2


@pytest.mark.parametrize("suffix", [".pdf", ".png"])
def test_the_page_is_written_and_shows_the_map(
    mapped: Docked, tmp_path: Path, suffix: str, monkeypatch: Any
) -> None:
    path = tmp_path / f"page{suffix}"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    menu = mapped.part("mtmsdLayoutMenu", QMenu)
    next(a for a in menu.actions() if suffix[1:].upper() in a.text()).trigger()
    mapped.wait_said("The page was saved to", 60)
    if suffix == ".pdf":
        assert path.read_bytes().startswith(b"%PDF")
        return
    page = QImage(str(path))
    assert page.width() in (3507, 3508)  # A4 at 300 dpi
    assert page.height() == 2480
    seen = {page.pixelColor(x, 1200).name() for x in range(0, 2400, 50)}
    assert {"#33a02c", "#1f78b4"} <= seen, seen


def test_a_page_that_cannot_be_written_is_said(
    mapped: Docked, tmp_path: Path, monkeypatch: Any
) -> None:
    path = tmp_path / "scene.tif" / "page.png"  # below a file
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    menu = mapped.part("mtmsdLayoutMenu", QMenu)
    next(a for a in menu.actions() if "PNG" in a.text()).trigger()
    mapped.wait_said("page.png cannot be written", 60)
