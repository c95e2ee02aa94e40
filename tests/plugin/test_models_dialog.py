"""The list of models: what it shows, and that nothing is deleted that is needed or not ours."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import BUILD, write_raster
from docked import Docked, docked  # noqa: F401
from osgeo import gdal
from qgis.core import QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import (
    QApplication,
    QFileDialog,
    QInputDialog,
    QMessageBox,
    QTableWidget,
    QTextBrowser,
)

from mtmsd_qgis.gui.dock.map.models_dialog import ModelsDialog
from mtmsd_qgis.state import model_files
from mtmsd_qgis.state.model_files import copied, renamed, unneeded

TINY = (
    "iterations=4 batch_size=2 components=4 timesteps=100,500 blocks=1,5 channels=32 members=1 "
    "epochs=2"
)


def engine(python: str, command: str, *words: object) -> None:
    environment = {**os.environ, "PYTHONPATH": str(BUILD / "mtmsd_qgis/core")}
    listed = [str(word) for word in words]
    subprocess.run([python, "-m", "mtmsd", command, *listed], env=environment, check=True)


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: Any, engine_python: str, scene: Path, polygons: Path) -> Path:
    """A support vector machine that the real engine trained, with its accuracy."""
    path = tmp_path_factory.mktemp("classifier") / "classifier.safetensors"
    options = ["--classifier", "svm", "--class-field", "class_id"]
    engine(engine_python, "train", scene, polygons, "-o", path, *options)
    return path


@pytest.fixture(scope="session")
def network(tmp_path_factory: Any, engine_python: str, scene: Path, polygons: Path) -> Path:
    """A classifier with a diffusion network that has learned next to nothing."""
    path = tmp_path_factory.mktemp("network") / "network.safetensors"
    options = ["--classifier", "mtmsd", "--preset", "quick", "--holdout", 0]
    options += ["-o", path.with_suffix(".tif"), "--classifier-out", path]
    options += [word for pair in TINY.split() for word in ("--set", pair)]
    engine(engine_python, "map", scene, polygons, *options)
    return path


@pytest.fixture
def opened(docked: Docked, scene: Path, classifier: Path, tmp_path: Path) -> Docked:  # noqa: F811
    """A scene whose folder has two classifiers, of which one is in use."""
    docked.open(Path(shutil.copy(scene, tmp_path / "scene.tif")))
    folder = docked.workspace.folder()
    used, old = folder / "classifier.safetensors", folder / "classifier_2.safetensors"
    for path in (used, old):
        shutil.copy(classifier, path)
    docked.workspace.change(classifier=used)
    return docked


def dialog_of(opened: Docked, chosen: str) -> ModelsDialog:
    opened.part("mtmsdModels").click()
    dialog = opened.dock.findChildren(ModelsDialog)[-1]
    table = dialog.findChild(QTableWidget, "mtmsdModelTable")
    opened.wait(table.rowCount, "the list stays empty")
    names = [table.item(row, 0).text() for row in range(table.rowCount())]
    table.selectRow(names.index(chosen))
    return dialog


def press(dialog: ModelsDialog, name: str) -> None:
    button = dialog.findChild(object, f"mtmsdModel{name}")
    assert button.isEnabled(), button.toolTip()
    button.click()


def answer(button: str, seen: list[str] | None = None) -> None:
    """Press a button of the question that will come."""

    def look() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        if seen is not None:
            seen.extend([box.text(), box.informativeText()])
        next(b for b in box.buttons() if b.text().replace("&", "") == button).click()

    QTimer.singleShot(200, look)


def test_the_card_says_method_bands_classes_accuracy_and_scene(opened: Docked) -> None:
    opened.part("mtmsdModels").click()
    dialog = opened.dock.findChildren(ModelsDialog)[-1]
    table = dialog.findChild(QTableWidget, "mtmsdModelTable")
    opened.wait(lambda: table.rowCount() == 2, "two models are not listed")
    opened.wait(lambda: table.selectedItems(), "the classifier in use is not selected")
    assert table.item(table.currentRow(), 0).text() == "classifier.safetensors"
    row = [table.item(table.currentRow(), column).text() for column in range(5)]
    assert row[1] == "Support vector machine"
    assert row[2].endswith(("KB", "MB"))
    assert row[4] == "two halves"
    text = dialog.findChild(QTextBrowser, "mtmsdModelCard").toPlainText()
    assert "two halves (40 × 32 px)" in text
    assert "12 of 12" in text
    assert "grass" in text
    assert "water" in text
    assert "Overall accuracy 100.0 %, kappa 1.00, on 32 reference pixels." in text
    assert "Training pixels" in text


def test_what_is_in_use_is_neither_renamed_nor_deleted(opened: Docked) -> None:
    dialog = dialog_of(opened, "classifier.safetensors")
    for name in ("Rename", "Delete"):
        button = dialog.findChild(object, f"mtmsdModel{name}")
        assert not button.isEnabled()
        assert button.toolTip() == "In use for scene.tif."


def test_a_model_is_deleted_only_after_yes(opened: Docked) -> None:
    folder = opened.workspace.folder()
    dialog = dialog_of(opened, "classifier_2.safetensors")
    answer("Cancel")
    press(dialog, "Delete")
    assert (folder / "classifier_2.safetensors").is_file()
    answer("Delete")
    press(dialog, "Delete")
    opened.wait(lambda: not (folder / "classifier_2.safetensors").exists(), "still there")
    assert (folder / "classifier.safetensors").is_file()
    table = dialog.findChild(QTableWidget, "mtmsdModelTable")
    opened.wait(lambda: table.rowCount() == 1, "still listed")


def test_a_model_is_renamed_and_stays_selected(opened: Docked, monkeypatch: Any) -> None:
    dialog = dialog_of(opened, "classifier_2.safetensors")
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: ("classifier", True))
    press(dialog, "Rename")
    opened.wait_said("There is a file classifier.safetensors already")
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: ("spring 2022", True))
    press(dialog, "Rename")
    table = dialog.findChild(QTableWidget, "mtmsdModelTable")

    def chosen() -> bool:
        return [i.text() for i in table.selectedItems()][:1] == ["spring 2022.safetensors"]

    opened.wait(chosen, "the new name is not selected")
    assert (opened.workspace.folder() / "spring 2022.safetensors").is_file()


@pytest.mark.parametrize("name", ["../out", "a:b", "", "..", "a\nb", "a/b"])
def test_names_that_no_file_can_have_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"x")
    with pytest.raises(OSError, match="cannot be the name of a file"):
        renamed(path, name)
    assert path.is_file()


def test_a_classifier_is_exported_as_it_is(
    opened: Docked, tmp_path: Path, monkeypatch: Any
) -> None:
    target = tmp_path / "out.safetensors"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    press(dialog_of(opened, "classifier_2.safetensors"), "Export")
    opened.wait_said(f"The model was saved to {target}")
    source = opened.workspace.folder() / "classifier_2.safetensors"
    assert target.read_bytes() == source.read_bytes()


@pytest.mark.slow
def test_a_network_is_exported_as_onnx_and_what_has_none_is_not(
    opened: Docked, network: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    shutil.copy(network, opened.workspace.folder() / "network.safetensors")
    target, kinds = tmp_path / "out.onnx", []

    def choose(*words: Any) -> tuple[str, str]:
        kinds.append("ONNX" in words[-1])
        return str(target), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    press(dialog_of(opened, "classifier_2.safetensors"), "Export")
    opened.wait_said("no classifier with a diffusion network")
    press(dialog_of(opened, "network.safetensors"), "Export")
    opened.wait_said(f"The classifier was exported to {target}", 60)
    assert kinds == [False, True]
    assert b"grass" in target.read_bytes()


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "m.safetensors"
    source.write_bytes(b"x")
    (tmp_path / "full").mkdir()
    with pytest.raises(IsADirectoryError):  # a folder cannot be replaced by a file
        copied(source, tmp_path / "full")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "m.safetensors"]


def test_a_classifier_that_exists_maps_the_scene(opened: Docked) -> None:
    dialog = dialog_of(opened, "classifier_2.safetensors")
    press(dialog, "Use")
    opened.wait(lambda: opened.workspace.state.map, "no map came", 90)
    state = opened.workspace.state
    assert state.classifier.name == "classifier_2.safetensors"
    values = gdal.Open(str(state.map)).ReadAsArray()
    assert (values[8:, :16] == 3).mean() > 0.9
    opened.wait(lambda: opened.workspace.state.accuracy, "its accuracy is not shown")
    assert opened.workspace.state.accuracy["overall"] == 1.0


# disk space


def filled(folder: Path) -> None:
    """Put there what the dock makes, and what others put there."""
    ours = "map.tif map_2.tif map_2.tif.aux.xml preview.tif report.html report.json points_3.gpkg"
    theirs = "training.gpkg training_2.gpkg my map.tif map_final.tif notes.txt map.qml scene.json"
    for name in f"{ours} {theirs} model_quick.safetensors classifier_9.safetensors".split():
        (folder / name).write_bytes(b"12345")
    (folder / "my map.tif").write_bytes(b"12345")
    for name in ("model_quick.safetensors.work", "map_4.tif.work", "drafts.work"):
        (folder / name).mkdir()
        (folder / name / "block").write_bytes(b"12345")


def test_only_what_the_dock_made_and_nothing_needs_is_found(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "map_7.tif").symlink_to(tmp_path / "notes.txt")
    needed = {model_files.key_of(str(tmp_path / name)) for name in ("map.tif", "report.html")}
    found = {path.name for path in unneeded(tmp_path, needed)}
    assert found == {"map_2.tif", "preview.tif", "points_3.gpkg", "map_4.tif.work",
                     "model_quick.safetensors.work"}  # fmt: skip
    needed.add(model_files.key_of(str(tmp_path / "model_quick.safetensors")))
    assert "model_quick.safetensors.work" not in {p.name for p in unneeded(tmp_path, needed)}


def test_disk_space_is_freed_after_a_question_that_names_the_files(opened: Docked) -> None:
    folder = opened.workspace.folder()
    values = np.ones((1, 4, 4), "uint8")
    for name in ("map.tif", "map_2.tif", "map_3.tif", "my own.tif"):
        write_raster(folder / name, values)
    (folder / "map_2.tif.aux.xml").write_text("<PAMDataset/>", "utf-8")
    opened.workspace.change(map=folder / "map.tif")
    QgsProject.instance().addMapLayer(QgsRasterLayer(str(folder / "map_3.tif"), "shown"))
    seen: list[str] = []
    dialog = dialog_of(opened, "classifier_2.safetensors")
    answer("Cancel", seen)
    press(dialog, "Free")
    assert seen[0].startswith("Files of earlier maps: 1, ")
    assert seen[1] == "map_2.tif"
    assert (folder / "map_2.tif").is_file()
    answer("Delete")
    press(dialog, "Free")
    opened.wait_said("are free now")
    left = {path.name for path in folder.glob("*.tif*")}
    assert left == {"map.tif", "map_3.tif", "my own.tif"}
    press(dialog, "Free")
    opened.wait_said("Nothing to delete")


def test_while_a_job_works_in_the_folder_nothing_is_deleted(
    opened: Docked, monkeypatch: Any
) -> None:
    folder = opened.workspace.folder()
    write_raster(folder / "map_2.tif", np.ones((1, 4, 4), "uint8"))
    dialog = dialog_of(opened, "classifier_2.safetensors")
    job = Path(os.environ["XDG_DATA_HOME"]) / "mtmsd/jobs/20260101-000000-map-aaaaaa"
    job.mkdir(parents=True)
    arguments = f'{{"command": "map", "arguments": {{"output": "{folder}/map_2.tif"}}}}'
    (job / "job.json").write_text(arguments, "utf-8")
    monkeypatch.setattr(model_files, "is_running", lambda folder: folder == job)
    answer("Delete")
    press(dialog, "Free")
    opened.wait_said("A job works in")
    assert (folder / "map_2.tif").is_file()
    answer("Delete")
    press(dialog, "Delete")
    assert (folder / "classifier_2.safetensors").is_file()
