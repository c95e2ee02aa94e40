"""A reference with its own class names is matched in a table that the project keeps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import CRS, square
from docked import Docked, docked  # noqa: F401
from qgis.core import QgsFeature, QgsProject, QgsVectorLayer
from qgis.PyQt.QtGui import QTextDocument
from qgis.PyQt.QtWidgets import QComboBox, QTableWidget

from mtmsd_qgis.gui.dock.accuracy import accuracy_section
from mtmsd_qgis.processing.algorithms.assess import parse_match


def reference() -> QgsVectorLayer:
    layer = QgsVectorLayer(
        f"Polygon?crs={CRS}&field=art:string&field=no:integer", "plots", "memory"
    )
    for row, name in ((5, "Wiese"), (12, "Water "), (20, "Weg; = neu")):
        feature = QgsFeature(layer.fields())
        feature.setGeometry(square(row, 5))
        feature.setAttributes([name, row])
        layer.dataProvider().addFeature(feature)
    QgsProject.instance().addMapLayer(layer)
    return layer


@pytest.fixture
def assessed(docked: Docked, scene: Path, tmp_path: Path, monkeypatch: Any) -> Any:  # noqa: F811
    """A dock with a finished map, and what the assessments are started with."""
    docked.open(Path(shutil.copy(scene, tmp_path / "scene.tif")))
    made = Path(shutil.copy(scene, tmp_path / "map.tif"))
    docked.workspace.change(map=made, pixels={"grass": 600, "water": 600})
    started: list[dict[str, Any]] = []
    job = docked.dock.accuracy._job
    monkeypatch.setattr(job, "start", lambda _name, parameters, step: started.append(parameters))
    docked.part("mtmsdReference").setLayer(reference())
    docked.dock.accuracy.set_open(True)
    return docked, started


def combos(room: Docked) -> dict[str, QComboBox]:
    table = room.part("mtmsdReferenceClasses", QTableWidget)
    return {table.item(r, 0).text(): table.cellWidget(r, 1) for r in range(table.rowCount())}


def test_names_match_by_themselves_others_by_hand_and_all_is_kept(assessed: Any) -> None:
    room, started = assessed
    room.part("mtmsdReferenceField").setField("art")
    shown = combos(room)
    assert {k: c.currentData() for k, c in shown.items()} == {
        "Water": "water", "Weg; = neu": "-", "Wiese": "-",
    }  # fmt: skip
    assert "counted as wrong: Weg; = neu, Wiese" in room.part("mtmsdAssess").toolTip()
    shown["Wiese"].setCurrentIndex(shown["Wiese"].findData("grass"))
    shown["Weg; = neu"].setCurrentIndex(shown["Weg; = neu"].findData(""))
    assert "counted as wrong" not in room.part("mtmsdAssess").toolTip()
    room.click("mtmsdAssess")
    expected = {"Water": "water", "Weg; = neu": "", "Wiese": "grass"}
    assert parse_match(started[-1]["MATCH"]) == expected
    assert started[-1]["CLASS_FIELD"] == "art"
    kept = json.loads(QgsProject.instance().readEntry("mtmsd", "scenes")[0])
    assert kept["scenes"][0]["state"]["matches"] == {"plots|art": expected}
    room.part("mtmsdReference").setLayer(None)
    assert room.part("mtmsdReferenceClasses").parent().isHidden()
    room.part("mtmsdReference").setLayer(QgsProject.instance().mapLayersByName("plots")[0])
    room.part("mtmsdReferenceField").setField("art")
    assert combos(room)["Wiese"].currentData() == "grass"


def test_a_match_is_written_by_hand_or_refused_with_a_sentence() -> None:
    assert parse_match("Wald=forest; 7 = water;Weg=") == {"Wald": "forest", "7": "water", "Weg": ""}
    with pytest.raises(Exception, match="'Wald' in Classes to match is not of the form"):
        parse_match("Wald")


def test_the_report_can_be_opened_as_soon_as_there_is_any_accuracy(
    assessed: Any, monkeypatch: Any
) -> None:
    room, started = assessed
    assert not room.part("mtmsdReport").isEnabled()
    figures = {"overall": 0.9, "average": 0.9, "kappa": 0.8, "n": 40, "classes": [
        {"value": 1, "name": "a<b", "color": "#ff0000", "producer": 0.9, "user": 0.8, "f1": 0.847},
    ], "confusion": {"matrix": [[40]]}, "baselines": []}  # fmt: skip
    room.workspace.change(accuracy=figures)
    assert "0.847" not in room.text("mtmsdPerClass")
    for words in ("Producer's", "User's", "F1", "a&lt;b", "84.7"):
        assert words in room.text("mtmsdPerClass")
    table = QTextDocument()
    table.setHtml(room.text("mtmsdPerClass").replace("a&lt;b", "low vegetation"))
    table.setTextWidth(285)
    assert table.size().width() <= 286, "figures are cut off at 320 px"
    room.click("mtmsdReport")
    assert "LABELS" not in started[-1]
    assert started[-1]["MAP"].endswith("map.tif")
    opened = []

    class Services:
        @staticmethod
        def openUrl(url: Any) -> bool:
            opened.append(url.toLocalFile())
            return True

    monkeypatch.setattr(accuracy_section, "QDesktopServices", Services)
    page = Path(started[-1]["OUTPUT"])
    page.write_text("report", encoding="utf-8")
    room.workspace.change(report=page)
    room.click("mtmsdReport")
    assert opened == [str(page)]
