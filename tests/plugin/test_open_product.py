"""A product's description, zip or folder opens its scene in the dock."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from docked import Docked, docked  # noqa: F401
from osgeo import gdal
from qgis.PyQt.QtWidgets import QFileDialog


@pytest.fixture
def product(scene: Path, tmp_path: Path) -> Path:
    """The folder of a small product: an ENVI image with its header, and a description."""
    folder = tmp_path / "product"
    folder.mkdir()
    gdal.Translate(str(folder / "image.bsq"), str(scene), format="ENVI")
    (folder / "image.met").write_text("GROUP = INVENTORYMETADATA")
    return folder


@pytest.mark.parametrize("chosen", ["image.hdr", "image.met", "zip"])
def test_a_file_of_a_product_opens_its_scene(
    docked: Docked,  # noqa: F811
    product: Path,
    chosen: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = product / chosen
    if chosen == "zip":
        path = Path(shutil.make_archive(str(product.parent / "download"), "zip", product))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    docked.click("mtmsdSceneOpen")
    docked.wait(lambda: docked.workspace.facts, "the scene is not found")
    assert Path(docked.workspace.scene_path).name == "image.bsq"
    assert docked.workspace.facts["bands"] == 12


def test_a_folder_opens_its_scene_and_an_empty_one_is_named(
    docked: Docked,  # noqa: F811
    product: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    empty = product.parent / "empty"
    empty.mkdir()
    folders = iter([empty, product])
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(next(folders)))
    docked.click("mtmsdSceneFolder")
    docked.wait_said("The folder 'empty' does not hold exactly one product image")
    assert docked.workspace.scene is None
    docked.click("mtmsdSceneFolder")
    docked.wait(lambda: docked.workspace.facts, "the scene is not found")
    assert Path(docked.workspace.scene_path) == product / "image.bsq"
