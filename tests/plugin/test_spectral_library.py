"""Spectra go out: pinned by a click, classes with their spread, to files that others read."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import halves, memory_polygons
from docked import Docked, docked  # noqa: F401
from osgeo import ogr
from qgis.core import QgsProject
from qgis.PyQt.QtWidgets import QFileDialog
from test_dock_drawing import click

from mtmsd_qgis.state.training.spectral_library import Axis, Spectrum, write_library

AXIS = Axis((1, 2, 4), (450.5, 550.0, 865.2), "scene.tif")
SPECTRA = [
    Spectrum("low, {wet} grass", np.array([0.1, 0.2, 0.5]), np.array([0.01, 0.02, 0.03]), 40),
    Spectrum("pin 1", np.array([7.0, 8.0, 9.0]), place=(300015.0, 5799985.0)),
]


def test_an_envi_library_is_laid_out_as_its_description_says(tmp_path: Path) -> None:
    write_library(tmp_path / "s.sli", SPECTRA, AXIS)
    header = (tmp_path / "s.hdr").read_text()
    assert header.startswith("ENVI\n")
    for line in ("samples = 3", "lines = 3", "bands = 1", "file type = ENVI Spectral Library",
                 "data type = 4", "wavelength units = Nanometers",
                 "wavelength = {450.5, 550, 865.2}",
                 "spectra names = {low; (wet) grass, low; (wet) grass (standard deviation), pin 1}",
                 ):  # fmt: skip
        assert line in header.splitlines(), line
    assert "scene.tif; 40 pixels of training polygons" in header
    values = np.fromfile(tmp_path / "s.sli", "<f4").reshape(3, 3)
    assert np.allclose(values, [[0.1, 0.2, 0.5], [0.01, 0.02, 0.03], [7, 8, 9]])


def test_a_table_and_a_geopackage_hold_the_same(tmp_path: Path) -> None:
    write_library(tmp_path / "s.csv", SPECTRA, AXIS)
    rows = list(csv.reader((tmp_path / "s.csv").open(encoding="utf-8")))
    title = "low, {wet} grass"
    head = ["band", "wavelength_nm", title, f"{title} (standard deviation)", "pin 1"]
    assert rows[0] == head
    assert rows[3] == ["4", "865.2", "0.5", "0.03", "9"]
    write_library(tmp_path / "s.gpkg", SPECTRA, AXIS)
    dataset = ogr.Open(str(tmp_path / "s.gpkg"))
    features = [f.items() | {"geometry": f.GetGeometryRef()} for f in dataset.GetLayer("spectra")]
    assert [f["statistic"] for f in features] == ["mean", "standard deviation", "pixel"]
    assert [f["band_4"] for f in features] == [0.5, 0.03, 9.0]
    assert features[2]["origin"] == "scene.tif at 300015 5799985"
    assert features[0]["geometry"] is None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.csv", "s.gpkg"]


def test_a_pin_and_the_classes_are_exported_from_the_dock(
    docked: Docked,  # noqa: F811
    scene: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    docked.open(Path(shutil.copy(scene, tmp_path / "scene.tif")))
    layer = memory_polygons()
    QgsProject.instance().addMapLayer(layer)
    docked.take(layer)
    docked.wait(lambda: len(docked.dock.samples.spectra) == 2, "no spectra")
    docked.dock.spectra.set_open(True)
    docked.click("mtmsdSpectraPin")
    click(docked, 10.5, 9.5)
    docked.wait(docked.part("mtmsdSpectraDrop").isEnabled, "nothing is pinned", 10)
    path = tmp_path / "out.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    docked.click("mtmsdSpectraExport")
    docked.wait_said("3 spectra were written to")
    rows = list(csv.reader(path.open(encoding="utf-8")))
    assert rows[0][-1] == "pin 1"
    pinned = [float(row[-1]) for row in rows[1:]]
    assert np.allclose(pinned, halves()[:, 9, 10], rtol=1e-4)
    docked.click("mtmsdSpectraDrop")
    assert not docked.part("mtmsdSpectraDrop").isEnabled()
    click(docked, 0.5, 0.5)
    docked.wait_said("no data at that place")


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"s\.shp is not written; choose \.csv, \.sli or \.gpkg"):
        write_library(tmp_path / "s.shp", SPECTRA, AXIS)
