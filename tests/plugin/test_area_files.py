"""Training areas come from files of other programs, and training pixels go out."""

from __future__ import annotations

import csv
import shutil
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import write_raster
from docked import Docked, docked  # noqa: F401
from osgeo import ogr, osr
from qgis.core import QgsProcessingException, QgsProject, QgsVectorLayer
from qgis.gui import QgsFieldComboBox
from qgis.PyQt.QtWidgets import QDialog, QLabel, QMenu, QPushButton
from test_label_import import layer_of, table, take

from mtmsd_qgis.state.training import label_sources


@pytest.fixture
def opened(docked: Docked, scene: Path, tmp_path: Path) -> Docked:  # noqa: F811
    docked.open(Path(shutil.copy(scene, tmp_path / "scene.tif")))
    return docked


def roi_text(path: Path, size: str = "40 x 32") -> Path:
    """Two ROIs, of 12 and 6 pixels; ENVI counts from 1."""
    first = [(c, r) for r in range(6, 9) for c in range(4, 8)]
    second = [(c, r) for r in range(11, 13) for c in range(31, 34)]
    lines = ["; ENVI Output of ROIs (4.8) [Mon]", "; Number of ROIs: 2",
             f"; File Dimension: {size}", ";",
             "; ROI name: grass", "; ROI rgb value: {0, 255, 0}", "; ROI npts: 12", ";",
             "; ROI name: water", "; ROI rgb value: {0, 0, 255}", "; ROI npts: 6",
             ";  ID    X    Y"]  # fmt: skip
    for pixels in (first, second):
        lines += [f"  {i} {c} {r}" for i, (c, r) in enumerate(pixels, 1)] + [""]
    path.write_text("\n".join(lines))
    return path


def scpx(path: Path, polygons: QgsVectorLayer) -> Path:
    """SCP's zip: geometry.gpkg of the layer, and the names of the macroclasses."""
    made = path.with_name("geometry.gpkg")
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(made))
    system = osr.SpatialReference()
    system.ImportFromEPSG(32633)
    out = source.CreateLayer("geometry", system, ogr.wkbPolygon)
    for name in ("macroclass_id", "class_id"):
        out.CreateField(ogr.FieldDefn(name, ogr.OFTInteger))
    out.CreateField(ogr.FieldDefn("class_name", ogr.OFTString))
    for feature in polygons.getFeatures():
        written = ogr.Feature(out.GetLayerDefn())
        written.SetGeometry(ogr.CreateGeometryFromWkt(feature.geometry().asWkt()))
        for index, value in enumerate(feature.attributes()):
            written.SetField(index, value)
        out.CreateFeature(written)
    del written, out
    del source
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(made, "geometry.gpkg")
        archive.writestr(
            "macroclasses.xml",
            '<macroclasses version="0.4" macroclass_field="macroclass_id" class_field="class_id">'
            '<macroclass id="1" name="Green" color="#11aa22"/>'
            '<macroclass id="2" name="Water" color="#1122aa"/></macroclasses>',
        )
    return path


def ask_file(room: Docked, path: Path) -> QDialog:
    room.part("mtmsdClasses")._files.open_path(str(path))
    room.wait(lambda: room.dock.findChildren(QDialog, "mtmsdImportDialog"), "no dialog")
    dialog = room.dock.findChildren(QDialog, "mtmsdImportDialog")[-1]
    room.import_notes(dialog)
    return dialog


def test_pixels_of_an_envi_text_become_polygons_of_as_many_pixels(
    opened: Docked, tmp_path: Path
) -> None:
    dialog = ask_file(opened, roi_text(tmp_path / "r.roi"))
    assert dialog.findChild(QgsFieldComboBox).currentField() == "class_name"
    assert dialog.findChild(QLabel, "mtmsdImportGuess").text() == ""
    assert [row[1:3] for row in table(dialog)] == [("1", "12"), ("1", "6")]
    assert "Inside the scene: 2 polygons" in opened.import_notes(dialog)
    take(opened, dialog)
    training = opened.workspace.training
    assert [(c.name, c.color) for c in training.classes] == [
        ("grass", "#00ff00"), ("water", "#0000ff"),
    ]  # fmt: skip
    opened.wait(lambda: opened.classes() == {"grass": ("1", "12"), "water": ("1", "6")}, "counts")


def test_an_image_of_another_size_is_refused_and_nothing_is_changed(
    opened: Docked, tmp_path: Path
) -> None:
    opened.part("mtmsdClasses")._files.open_path(str(roi_text(tmp_path / "r.roi", "145 x 145")))
    opened.wait_said("of an image of 145×145 pixels; 'scene' has 40×32")
    assert not opened.dock.findChildren(QDialog, "mtmsdImportDialog")
    assert opened.workspace.training is None


def test_scp_gives_macroclasses_and_on_request_classes(opened: Docked, tmp_path: Path) -> None:
    rows = [(5, 3, 3, 1, 1, "oak"), (10, 3, 3, 1, 2, "beech"), (5, 30, 3, 2, 3, "lake"),
            (900, 3, 3, 2, 3, "lake")]  # fmt: skip
    layer = layer_of("macroclass_id:integer class_id:integer class_name:string", rows)
    dialog = ask_file(opened, scpx(tmp_path / "t.scpx", layer))
    assert [row[0] for row in table(dialog)] == ["1  Green", "2  Water"]
    assert "Outside, not taken: 1 polygon" in opened.import_notes(dialog)
    dialog.findChild(QgsFieldComboBox).setField("class_id")
    opened.wait(lambda: len(table(dialog)) == 3, "not read again")
    assert [row[0] for row in table(dialog)] == ["1  oak", "2  beech", "3  lake"]
    dialog.findChild(QgsFieldComboBox).setField("macroclass_id")
    opened.wait(lambda: len(table(dialog)) == 2, "not read again")
    take(opened, dialog)
    assert [c.color for c in opened.workspace.training.classes] == ["#11aa22", "#1122aa"]


def labels_of(path: Path, values: np.ndarray) -> Path:
    write_raster(path, values[None].astype("uint16"))
    return path


def test_a_label_raster_becomes_polygons_in_and_out_of_the_scene(
    opened: Docked, tmp_path: Path
) -> None:
    values = np.zeros((50, 50))  # larger than the scene
    values[5:8, 4:8], values[10:12, 30:33], values[45:47, 3:5] = 1, 2, 1
    dialog = ask_file(opened, labels_of(tmp_path / "l.tif", values))
    assert table(dialog) == [
        ("1  class 1", "1", "12", "1  class 1"), ("2  class 2", "1", "6", "2  class 2"),
    ]  # fmt: skip
    assert opened.import_notes(dialog).split("\n") == [
        "Inside the scene: 2 polygons", "Outside, not taken: 1 polygon",
    ]  # fmt: skip
    take(opened, dialog)
    opened.wait(
        lambda: opened.classes() == {"class 1": ("1", "12"), "class 2": ("1", "6")}, "counts"
    )


def test_a_raster_of_too_many_regions_is_refused_with_their_number(
    opened: Docked, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(label_sources, "MOST_REGIONS", 99)
    values = np.indices((20, 20)).sum(axis=0) % 2 + 1
    dialog = ask_file(opened, labels_of(tmp_path / "l.tif", values))
    assert "l has 400 regions, too many to be edited" in opened.import_notes(dialog)
    assert not dialog.findChild(QPushButton, "mtmsdImportTake").isEnabled()


def test_a_file_of_neither_is_one_sentence(opened: Docked, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no areas")
    opened.part("mtmsdClasses")._files.open_path(str(tmp_path / "notes.txt"))
    opened.wait_said("notes.txt holds neither polygons nor a raster of class numbers.")
    opened.part("mtmsdClasses")._files.open_path(str(tmp_path / "scene.tif"))
    opened.wait_said("scene.tif holds neither polygons nor a raster of class numbers.")


def test_the_menu_exports_only_where_there_are_polygons(opened: Docked, tmp_path: Path) -> None:
    def entry() -> bool:
        menu = opened.part("mtmsdImportMenu", QMenu)
        menu.aboutToShow.emit()
        found = {a.text(): a.isEnabled() for a in menu.actions()}
        assert found["From File…"]
        return found["Export Training Pixels…"]

    assert not entry()
    take(opened, ask_file(opened, roi_text(tmp_path / "r.roi")))
    assert entry()


def test_the_toolbox_writes_the_pixels_of_polygons(
    engine_python: str, run, scene: Path, polygons: Path, tmp_path: Path
) -> None:
    outputs = {"OUTPUT": str(tmp_path / "o.gpkg"), "TABLE": str(tmp_path / "o.csv")}
    results = run("exportpixels", {"INPUT": str(scene), "LABELS": str(polygons), **outputs})
    with (tmp_path / "o.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == results["COUNT"] > 100
    points = QgsVectorLayer(results["OUTPUT"], "points", "ogr")
    assert (points.featureCount(), points.crs().authid()) == (len(rows), "EPSG:32633")
    assert "band_12" in points.fields().names()
    QgsProject.instance().clear()


def test_the_toolbox_takes_training_areas_of_other_programs_by_their_path(
    engine_python: str, run, scene: Path, tmp_path: Path
) -> None:
    fields = "macroclass_id:integer class_id:integer class_name:string"
    areas = layer_of(fields, [(5, 3, 3, 1, 11, "oak"), (5, 30, 2, 2, 21, "lake")])
    files = {
        roi_text(tmp_path / "r.roi"): {"grass": 12, "water": 6},
        roi_text(tmp_path / "r.txt"): {"grass": 12, "water": 6},
        scpx(tmp_path / "s.scpx", areas): {"Green": 9, "Water": 4},
    }
    for path, counts in files.items():
        outputs = {"OUTPUT": str(tmp_path / "o.gpkg"), "TABLE": str(tmp_path / "o.csv")}
        run("exportpixels", {"INPUT": str(scene), "LABELS": str(path), **outputs})
        with (tmp_path / "o.csv").open(newline="") as stream:
            names = Counter(row["class_name"] for row in csv.DictReader(stream))
        assert names == counts, path.name
    wrong = roi_text(tmp_path / "w.roi", "10 x 10")
    values = {"INPUT": str(scene), "LABELS": str(wrong), "OUTPUT": str(tmp_path / "w.gpkg")}
    with pytest.raises(QgsProcessingException, match=r"'w.roi'.*10"):
        run("exportpixels", values)
    with pytest.raises(QgsProcessingException, match="cannot be opened"):
        run("exportpixels", {**values, "LABELS": str(tmp_path / "none.roi")})
    QgsProject.instance().clear()
