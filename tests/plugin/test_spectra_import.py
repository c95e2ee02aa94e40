"""Spectra of others come in: drawn beside the classes, listed, removed, kept with the scene."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from docked import Docked, docked  # noqa: F401
from osgeo import gdal
from qgis.PyQt.QtWidgets import QDialog, QFileDialog, QMenu
from test_dock_drawing import click

from mtmsd_qgis.gui.dock.scene.band_display import wavelengths
from mtmsd_qgis.state.training.imported_spectra import read_kept


def give_wavelengths(path: Path) -> None:
    dataset = gdal.Open(str(path), gdal.GA_Update)
    for band in range(1, dataset.RasterCount + 1):
        fields = {"wavelength": str(400 + 50 * band), "wavelength_units": "nm"}
        dataset.GetRasterBand(band).SetMetadata(fields)


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
    texts = [action.text() for action in menu.actions() if not action.isSeparator()]
    assert texts == ["Remove rock && sand", "Remove leaf", "Remove All"]
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

    menu.actions()[0].trigger()
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
