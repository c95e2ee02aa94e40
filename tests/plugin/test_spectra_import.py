"""Spectra of others come in: drawn beside the classes, listed, removed, kept with the scene."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

try:  # Qt 6 moved it
    from qgis.PyQt.QtGui import QAction
except ImportError:
    from qgis.PyQt.QtWidgets import QAction
from docked import Docked, docked  # noqa: F401
from osgeo import gdal
from qgis.core import QgsProject
from qgis.PyQt.QtWidgets import QDialog, QFileDialog, QMenu
from test_dock_drawing import click

from mtmsd_qgis.gui.dock.scene.band_display import wavelengths
from mtmsd_qgis.gui.widgets.section import DONE, NEXT, TODO
from mtmsd_qgis.state.library_training import distinct
from mtmsd_qgis.state.training.imported_spectra import read_kept


def give_wavelengths(path: Path) -> None:
    dataset = gdal.Open(str(path), gdal.GA_Update)
    for band in range(1, dataset.RasterCount + 1):
        fields = {"wavelength": str(400 + 50 * band), "wavelength_units": "nm"}
        dataset.GetRasterBand(band).SetMetadata(fields)


def texts(menu: QMenu) -> list[str]:
    return [action.text() for action in menu.actions() if not action.isSeparator()]


def part(menu: QMenu, spectrum: str, text: str) -> QAction:
    """Return what can be done with an imported spectrum."""
    own = next(a for a in menu.actions() if a.text().split(" → ")[0] == spectrum).menu()
    return next(action for action in own.actions() if action.text() == text)


def test_a_library_is_imported_listed_kept_and_removed(
    docked: Docked,  # noqa: F811
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = Path(shutil.copy(scene, tmp_path / "scene.tif"))
    give_wavelengths(path)
    docked.open(path)
    docked.dock.spectra.set_open(True)
    section, workspace = docked.dock.spectra, docked.workspace
    waves = np.array(list(wavelengths(workspace.facts).values()))
    fine = np.arange(waves.min() - 20, waves.max() - 100)
    rows = [f"{w:g},{w / 100:.6g},{50 - w / 200:.6g}" for w in fine]
    library, broken = tmp_path / "lab.csv", tmp_path / "none.csv"
    library.write_text("\n".join(["wavelength_nm,rock & sand,leaf", *rows]))
    broken.write_text("name,a\nx,1\n")
    chosen = [str(broken)]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: (chosen, ""))
    docked.click("mtmsdSpectraImport")
    docked.wait_said("'none.csv' has no wavelengths")
    assert workspace.state.library is None

    chosen[:] = [str(library)]
    docked.click("mtmsdSpectraImport")
    docked.wait_said("2 spectra were imported. 'lab.csv' was taken as percent")
    assert "does not cover" in docked.said[-1]
    menu = docked.part("mtmsdSpectraImported").findChild(QMenu)
    assert texts(menu) == ["rock && sand", "leaf", "Remove All"]
    drawn = section._plot._library
    covered = waves < waves.max() - 110
    ratio = drawn[0].values[covered] / waves[covered]
    assert np.allclose(ratio, ratio[0], rtol=1e-3)
    assert np.isnan(drawn[0].values[-1])
    section._plot.grab()  # NaN must not end in an exception

    (kept,) = tmp_path.rglob("library.csv")
    assert workspace.state.library == kept
    layer = workspace.scene
    workspace.set_scene(None)
    assert section._plot._library == []
    docked.part("mtmsdSceneLayer").setLayer(None)
    docked.part("mtmsdSceneLayer").setLayer(layer)
    docked.wait(lambda: len(section._plot._library) == 2, "the spectra are forgotten")

    part(menu, "rock && sand", "Remove").trigger()
    assert [s.name for s in read_kept(kept, list(wavelengths(workspace.facts)))] == ["leaf"]
    assert docked.part("mtmsdSpectraImported").text() == "Imported (1)"
    with pytest.raises(OSError, match=r"library\.csv are of other bands"):
        read_kept(kept, [1, 2])


def test_the_angle_to_a_pinned_spectrum_is_measured_from_the_dock(
    docked: Docked,  # noqa: F811
    processing: Any,
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = Path(shutil.copy(scene, tmp_path / "scene.tif"))
    give_wavelengths(path)
    docked.open(path)
    docked.dock.spectra.set_open(True)
    opened: list[tuple[str, dict]] = []
    monkeypatch.setattr(
        processing,
        "createAlgorithmDialog",
        lambda *given: opened.append(given) or QDialog(),
        raising=False,
    )
    docked.click("mtmsdSpectralAngle")
    docked.wait_said("There are no spectra to measure by")
    docked.click("mtmsdSpectraPin")
    click(docked, 7.5, 5.5)
    docked.wait(lambda: docked.dock.spectra.pins.pinned, "no pin")
    docked.click("mtmsdSpectralAngle")
    ((name, values),) = opened
    made = processing.run(name, {**values, "OUTPUT": str(tmp_path / "angles.tif")})
    dataset = gdal.Open(made["OUTPUT"])
    angles = dataset.ReadAsArray()
    assert dataset.GetRasterBand(1).GetDescription() == "pin 1"
    row, column = np.unravel_index(np.nanargmin(angles), angles.shape)
    assert angles[row, column] < 2e-3
    assert (row, column) == (5, 7)


def test_a_class_from_a_library_alone_is_trained_mapped_and_said(
    docked: Docked,  # noqa: F811
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = tmp_path / "project"
    own.mkdir()
    path, project = Path(shutil.copy(scene, own / "scene.tif")), QgsProject.instance()
    give_wavelengths(path)
    project.write(str(own / "p.qgs"))
    docked.open(path)
    section, workspace = docked.dock.map, docked.workspace
    facts = list(wavelengths(workspace.facts).values())
    pixel = gdal.Open(str(path)).ReadAsArray(35, 20, 1, 1).ravel().astype(float)  # of the right
    rows = [f"{wave},{value}" for wave, value in zip(facts, pixel)]
    (own / "lab.csv").write_text("\n".join(["wavelength_nm,Rock", *rows]))
    (own / "short.csv").write_text("\n".join(["wavelength_nm,part", *rows[:5]]))
    monkeypatch.setattr(
        QFileDialog,
        "getOpenFileNames",
        lambda *_: ([str(own / "lab.csv"), str(own / "short.csv")], ""),
    )
    docked.dock.spectra.set_open(True)
    docked.add_class("left")
    docked.drag(300030, 5799340, 300210, 5799520)
    docked.wait(lambda: docked.classes().get("left", ("", ""))[0] == "1", "no polygon")
    docked.wait(lambda: section.state == "Draw polygons of at least two classes.", "not asked")
    docked.click("mtmsdSpectraImport")
    docked.wait_said("2 spectra were imported")
    menu = docked.part("mtmsdSpectraImported").findChild(QMenu)
    part(menu, "part", "Train left").trigger()
    docked.wait_said("part has no values at")
    part(menu, "Rock", "Train a New Class").trigger()
    docked.wait(lambda: "Rock" in docked.classes(), "no class")
    assert workspace.state.library_classes == {"Rock": 2}
    assert texts(menu)[0] == "Rock → Rock"
    assert part(menu, "Rock", "Train Rock").isChecked()
    assert docked.part("mtmsdSpectraImported").text() == "Imported (2, 1 of them train)"
    assert docked.dock.classes.kind == DONE
    assert "from a library alone: Rock" in docked.dock.classes.state
    docked.wait(lambda: section.kind == NEXT, "not ready")
    assert section.state.endswith("From a library alone: Rock.")

    docked.click("mtmsdMapScene")
    docked.wait(lambda: workspace.state.map is not None, "no map", 240)
    dataset = gdal.Open(str(workspace.state.map))
    classes = {c["name"]: c for c in json.loads(dataset.GetMetadata()["MTMSD"])["classes"]}
    assert (classes["Rock"]["value"], classes["left"]["value"]) == (2, 1)
    assert classes["Rock"]["color"] == workspace.training.of(2).color
    mapped = dataset.ReadAsArray()
    assert (mapped[:, 24:] == 2).mean() > 0.9
    assert (mapped[:, :16] == 1).mean() > 0.9
    warned = " ".join(workspace.state.accuracy["warnings"]) if workspace.state.accuracy else ""
    assert "Learnt from library spectra alone, without a polygon: Rock" in warned
    assert section.state.startswith("Map: ")

    project.write(str(own / "p.qgs"))
    entry = json.loads(project.readEntry("mtmsd", "scenes", "")[0])["scenes"][0]["state"]
    assert entry["library_classes"] == {"Rock": 2}
    assert entry["library"].startswith("./")
    workspace.training.rename(2, "stone")
    docked.wait(lambda: section.kind == NEXT, "the map is not outdated")
    assert texts(menu)[0] == "Rock → stone"
    workspace.training.delete_classes([2])
    docked.wait_said("The class is gone that these spectra trained: Rock.")
    assert workspace.state.library_classes == {}
    docked.wait(lambda: section.kind == TODO, "it would train without")


def test_imported_names_that_the_engine_would_take_for_one_are_numbered() -> None:
    assert distinct(["Rock", "rock ", "leaf"], ["ROCK"]) == ["Rock (2)", "rock  (3)", "leaf"]
