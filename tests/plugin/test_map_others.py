"""Other scenes from the dock: one job, one list of results, one group of maps."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import write_raster
from docked import Docked, docked  # noqa: F401
from osgeo import gdal
from qgis.core import QgsLayerTreeGroup, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QFileDialog, QTableWidget
from test_models_dialog import classifier  # noqa: F401

from mtmsd_qgis.gui.dock.map.other_scenes_dialog import OtherScenesDialog


@pytest.fixture
def opened(
    docked: Docked,  # noqa: F811
    scene: Path,
    classifier: Path,  # noqa: F811
    tmp_path: Path,
) -> Docked:
    """A scene with a classifier, and another scene among the project's layers."""
    docked.open(Path(shutil.copy(scene, tmp_path / "scene.tif")))
    own = Path(shutil.copy(classifier, docked.workspace.folder() / "classifier.safetensors"))
    other = QgsRasterLayer(str(shutil.copy(scene, tmp_path / "other.tif")), "the other one")
    QgsProject.instance().addMapLayer(other)
    docked.workspace.change(classifier=own)
    return docked


def ask(opened: Docked) -> OtherScenesDialog:
    opened.click("mtmsdMapOthers")
    return opened.dock.findChildren(OtherScenesDialog)[-1]


def part(dialog: OtherScenesDialog, name: str) -> Any:
    return dialog.findChild(object, f"mtmsdOthers{name}")


def rows(dialog: OtherScenesDialog) -> dict[str, tuple[bool, str, str]]:
    """Return of each scene whether it is ticked, its bands, and its result."""
    table = dialog.findChild(QTableWidget)
    lines = [[table.item(r, c) for c in range(3)] for r in range(table.rowCount())]
    ticked = Qt.CheckState.Checked
    return {a.text(): (a.checkState() == ticked, b.text(), c.text()) for a, b, c in lines}


def group() -> QgsLayerTreeGroup | None:
    return QgsProject.instance().layerTreeRoot().findGroup("Other scenes – maps")


def test_without_a_classifier_it_says_what_comes_first(docked: Docked, scene: Path) -> None:  # noqa: F811
    docked.open(scene)
    assert not docked.part("mtmsdMapOthers").isEnabled()
    assert docked.part("mtmsdMapOthers").toolTip() == "Map Scene comes first."


def test_layers_and_files_are_mapped_into_a_group_and_the_bad_one_is_named(
    opened: Docked, scene: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    broken, third = tmp_path / "broken.tif", Path(shutil.copy(scene, tmp_path / "third.tif"))
    broken.write_bytes(scene.read_bytes()[:2000])
    dialog = ask(opened)
    assert rows(dialog) == {"the other one": (True, "12", "")}, "the scene itself is not listed"
    chosen = [str(broken), str(third)]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: (chosen, ""))
    part(dialog, "AddFiles").click()
    opened.wait(lambda: len(rows(dialog)) == 3, "the files are not listed")
    folder = tmp_path / "maps"
    dialog.set_folder(folder)
    part(dialog, "Mosaic").setChecked(True)
    part(dialog, "Start").click()
    assert not part(dialog, "Start").isEnabled()
    assert part(dialog, "Cancel").isVisible()
    opened.wait(group, "no group of maps came", 90)
    found = {layer.layer().name(): layer.layer() for layer in group().findLayers()}
    assert list(found) == ["Class map – mosaic", "Class map – other", "Class map – third"]
    for layer in found.values():
        assert [c.label for c in layer.renderer().classes()][:2] == ["grass", "water"]
    values = gdal.Open(str(folder / "other.tif")).ReadAsArray()
    assert (values[8:, :16] == 3).mean() > 0.9
    results = {name: result for name, (_, _, result) in rows(dialog).items()}
    assert results["the other one"] == "Mapped: other.tif"
    assert results["third.tif"] == "Mapped: third.tif"
    assert "broken.tif" in results["broken.tif"]
    assert f"2 of 3 scenes were mapped into {folder}." in opened.said
    assert part(dialog, "Start").isEnabled()
    assert opened.workspace.state.map is None, "they are no maps of this scene"
    assert opened.workspace.state.others_job is None


def test_of_a_folder_rasters_with_the_scenes_bands_are_ticked(
    opened: Docked, scene: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    folder = tmp_path / "lines"
    folder.mkdir()
    shutil.copy(scene, folder / "line 1.tif")
    gdal.Translate(str(folder / "line 2.bsq"), str(scene), format="ENVI")
    write_raster(folder / "photo.tif", gdal.Open(str(scene)).ReadAsArray()[:3])
    (folder / "notes.txt").write_text("no raster")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    dialog = ask(opened)
    part(dialog, "AddFolder").click()
    opened.wait(lambda: len(rows(dialog)) == 4, "the folder is not listed")
    assert rows(dialog) == {
        "the other one": (True, "12", ""),
        "line 1.tif": (True, "12", ""),
        "line 2.bsq": (True, "12", ""),
        "photo.tif": (False, "3", ""),
    }
    part(dialog, "AddFolder").click()
    opened.wait(lambda: dialog.ticked(), "none is ticked")
    part(dialog, "AddNone").click()
    assert not part(dialog, "Start").isEnabled()
    assert part(dialog, "Start").toolTip().startswith("Choose scenes")
    assert len(rows(dialog)) == 4, "no file is listed twice"


def test_a_canceled_job_keeps_its_maps_and_the_next_one_goes_on(
    opened: Docked, scene: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    chosen = [str(shutil.copy(scene, tmp_path / f"line{n}.tif")) for n in range(12)]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: (chosen, ""))
    dialog, folder = ask(opened), tmp_path / "maps"
    part(dialog, "AddFiles").click()
    opened.wait(lambda: len(dialog.ticked()) == 13, "the files are not listed")
    dialog.set_folder(folder)
    part(dialog, "Start").click()
    opened.wait(lambda: (folder / "other.tif").is_file(), "no map came", 90)
    part(dialog, "Cancel").click()
    opened.wait(lambda: part(dialog, "Start").isEnabled(), "it does not end", 60)
    made = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tif")}
    assert part(dialog, "State").text().startswith("Canceled; the finished maps are in")
    assert 1 <= len(made) < 13
    assert group() is None
    part(dialog, "Start").click()
    opened.wait(group, "no group of maps came", 90)
    assert len(group().findLayers()) == 13
    again = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tif")}
    kept = [name for name, time in made.items() if again[name] == time]
    assert len(kept) >= len(made) - 1, "finished maps are not made again"


def test_the_job_goes_on_without_its_window_and_results_wait_in_it(
    opened: Docked, tmp_path: Path
) -> None:
    dialog = ask(opened)
    dialog.set_folder(tmp_path / "maps")
    part(dialog, "Start").click()
    part(dialog, "Close").click()
    opened.wait(group, "no group of maps came", 90)
    assert not dialog.isVisible(), "a window that was closed does not come up by itself"
    assert rows(ask(opened))["the other one"] == (True, "12", "Mapped: other.tif")
