"""Beyond the map: another classifier, filters, polygons, and the points to label next."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import CORNER, PIXEL, halves, memory_polygons, square, write_raster
from docked import Docked, docked  # noqa: F401
from osgeo import gdal
from qgis.core import QgsFeature, QgsProject, QgsRasterLayer, QgsSettings
from qgis.PyQt.QtCore import QEventLoop, Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QApplication, QMenu, QTableWidget

from mtmsd_qgis.gui.dock.map.model_card import method_of
from mtmsd_qgis.state.layers import of_role
from mtmsd_qgis.state.model_files import read_model
from mtmsd_qgis.state.model_header import read_header

pytestmark = pytest.mark.slow


@pytest.fixture
def drawn(docked: Docked, tmp_path) -> Docked:  # noqa: F811
    """The dock with a scene of two halves and four polygons in each."""
    QgsSettings().setValue("mtmsd/dock/mtmsdAccuracyOpen", True)
    docked.open(write_raster(tmp_path / "halves.tif", halves()))
    layer = memory_polygons()
    QgsProject.instance().addMapLayer(layer)
    docked.take(layer, "class_id")
    docked.wait(lambda: docked.classes().get("water", ("", ""))[1] == "64", "no polygons")
    return docked


def choose(room: Docked, name: str, data: object) -> None:
    box = room.part(name)
    box.setCurrentIndex(box.findData(data))


def map_scene(room: Docked) -> str:
    """Press Map Scene and return the new map's file."""
    before = room.workspace.state.map
    room.click("mtmsdMapScene")
    room.wait(lambda: room.workspace.state.map != before, "no map", 120)
    return str(room.workspace.state.map)


def press_menu(menu: QMenu, text: str) -> None:
    menu.aboutToShow.emit()
    next(action for action in menu.actions() if action.text() == text).trigger()
    QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents)


def test_without_a_model_another_classifier_maps_and_its_products_are_shown(drawn):
    assert drawn.part("mtmsdClassifier").currentData() == "stack"
    assert drawn.text("mtmsdMapState") == "Ready for a first map, without pretraining."
    assert drawn.part("mtmsdPreview").isEnabled()
    choose(drawn, "mtmsdClassifier", "mtmsd")
    assert "another classifier under More" in drawn.text("mtmsdMapState")
    assert not drawn.part("mtmsdMapScene").isEnabled()
    choose(drawn, "mtmsdClassifier", "rf")
    choose(drawn, "mtmsdMajority", 3)
    drawn.part("mtmsdUnknown").setValue(30)
    assert drawn.part("mtmsdMapOptions").title() == "More: Random forest, filters"
    first = map_scene(drawn)
    assert drawn.text("mtmsdMapState") == "Map: map.tif"
    values = gdal.Open(first).ReadAsArray()
    assert (values[:, 24:] == 7).mean() > 0.9
    note = gdal.Open(first).GetMetadataItem("MTMSD")
    assert '"majority": 3' in note
    assert '"unknown_below": 0.3' in note
    drawn.part("mtmsdSieve").setValue(5)
    assert "filters have changed since map.tif" in drawn.text("mtmsdMapState")

    drawn.click("mtmsdPolygonize")
    regions = drawn.wait(lambda: of_role("regions", drawn.workspace), "no polygons", 60)
    assert sum(f["pixels"] for f in regions.getFeatures()) == (values > 0).sum()
    assert [c.label() for c in regions.renderer().categories()][:2] == ["grass", "water"]
    reference = drawn.part("mtmsdReference")
    offered = [reference.layer(i) for i in range(reference.count())]
    assert regions not in offered, "the map's own polygons are no reference"


def test_rare_classes_that_matter_are_learnt_so_and_said(drawn):
    box = drawn.part("mtmsdRareClasses")
    choose(drawn, "mtmsdClassifier", "rf")
    assert not box.isEnabled()
    choose(drawn, "mtmsdClassifier", "stack")
    box.click()
    assert drawn.part("mtmsdMapOptions").title() == "More: rare classes"
    map_scene(drawn)
    assert read_header(drawn.workspace.state.classifier)["stack"]["rare"] == 0.5
    drawn.workspace.change(settings="rare_classes=0.2")
    assert drawn.workspace.state.options.settings("rare_classes=0.2") == "rare_classes=0.2"


def test_regions_with_true_edges_are_learnt_beside_the_map(drawn):
    assert not drawn.part("mtmsdRegions").isEnabled()
    assert drawn.part("mtmsdRegions").toolTip() == "Map Scene comes first."
    choose(drawn, "mtmsdClassifier", "rf")
    map_scene(drawn)
    size = drawn.part("mtmsdRegionSize")
    assert size.text() == "By the polygons"
    size.setValue(5)
    assert drawn.text("mtmsdMapState") == "Map: map.tif", "the size of regions changes no map"
    drawn.click("mtmsdRegions")
    layer = drawn.wait(lambda: of_role("edges", drawn.workspace), "no regions", 240)
    features = list(layer.getFeatures())
    assert {f["class_name"] for f in features} == {"grass", "water"}
    shares = [f["share_3"] + f["share_7"] for f in features]
    assert shares == pytest.approx([1] * len(shares), abs=1e-5)
    values = gdal.Open(str(drawn.workspace.state.map)).ReadAsArray()
    assert sum(f["pixels"] for f in features) == (values > 0).sum()
    assert [c.label() for c in layer.renderer().categories()] == ["grass", "water"]
    assert layer.renderer().categories()[0].symbol().color().alpha() == 90
    below = of_role("region-map", drawn.workspace)
    order = QgsProject.instance().layerTreeRoot().layerOrder()
    assert order.index(layer) < order.index(below) < order.index(of_role("map", drawn.workspace))
    assert [c.label for c in below.renderer().classes()] == ["grass", "water"]
    report = Path(layer.source().split("|")[0]).with_suffix(".html").read_text("utf-8")
    assert "begun as squares of 5 pixels" in report
    assert "that of the map of single pixels" in report, "by the map's own held-out pixels"
    assert "No map with these regions can have more than" in report
    assert any("regions with true edges. Held-out" in text for text in drawn.said)
    learnt = read_model(Path(layer.source().split("|")[0]).with_suffix(".safetensors"))
    assert method_of(learnt.metadata) == "Regions with true edges"
    assert not learnt.has_network


def test_points_are_visited_and_labelled_one_by_one(drawn):
    choose(drawn, "mtmsdClassifier", "svm")
    map_scene(drawn)
    drawn.click("mtmsdNextLabels")
    points = drawn.wait(lambda: of_role("points", drawn.workspace), "no points", 60)
    assert points.featureCount() == 20
    assert points.labelsEnabled()
    first, second = sorted(points.getFeatures(), key=lambda f: f["rank"])[:2]
    doubt = f"{first['class_1']} or {first['class_2']}?"
    assert drawn.text("mtmsdPointText") == f"Point 1 of 20: {doubt}"
    assert drawn.canvas.extent().contains(first.geometry().boundingBox())
    assert drawn.canvas.extent().width() < 90 * PIXEL

    before = drawn.workspace.training.layer.featureCount()
    menu = drawn.part("mtmsdPointClasses", QMenu)
    menu.aboutToShow.emit()
    assert next(a.text() for a in menu.actions() if a.text()) == first["class_1"]
    press_menu(menu, first["class_2"])
    assert drawn.workspace.training.layer.featureCount() == before + 1
    features = drawn.workspace.training.layer.getFeatures()
    (new,) = (f for f in features if f.geometry().contains(first.geometry()))
    assert (new["class_id"], new["class_name"]) == (first["value_2"], first["class_2"])
    box = new.geometry().boundingBox()
    assert (round(box.width()), round(box.height())) == (PIXEL, PIXEL)
    assert (box.xMinimum() - CORNER[0]) % PIXEL == 0

    assert drawn.text("mtmsdPointText").startswith("Point 2 of 20: ")
    assert drawn.canvas.extent().contains(second.geometry().boundingBox())
    for _ in range(19):
        drawn.click("mtmsdPointNext")
    assert "last point" in drawn.text("mtmsdPointText")
    drawn.wait(lambda: "changed since map.tif" in drawn.text("mtmsdMapState"), "not said", 5)
    assert not drawn.part("mtmsdPointNext").isVisible()


def test_a_map_without_probabilities_is_made_once_more_for_the_points(drawn, monkeypatch):
    monkeypatch.setattr("mtmsd_qgis.gui.dock.map.map_section.PROBABILITY_BYTES", 0)
    choose(drawn, "mtmsdClassifier", "svm")
    made = map_scene(drawn)
    assert drawn.workspace.state.probabilities is None
    drawn.click("mtmsdNextLabels")
    drawn.wait(lambda: of_role("points", drawn.workspace), "no points", 90)
    assert drawn.workspace.state.probabilities.is_file()
    assert drawn.workspace.state.map == Path(made)
    folder = drawn.workspace.folder()
    drawn.wait(lambda: not list(folder.glob("probabilities_map*")), "the second map stays")


def test_a_clearly_better_baseline_is_said_and_one_button_maps_with_it(drawn):
    accuracy = {
        "overall": 0.61, "average": 0.6, "kappa": 0.4, "n": 64, "classes": [],
        "confusion": {"matrix": []},
        "baselines": [
            {"name": "svm", "title": "", "overall": 0.7, "difference_interval": [-0.2, 0.01]},
            {"name": "rf", "title": "", "overall": 0.93, "difference_interval": [-0.4, -0.1]},
        ],
    }  # fmt: skip
    for name in ("mtmsdMapBetter", "mtmsdAccuracyBetter"):
        assert not drawn.part(f"{name}Use").isVisible()
    drawn.workspace.change(accuracy=accuracy)
    said = (
        "did clearly better: Random forest, overall accuracy 93.0\N{NO-BREAK SPACE}% against 61.0"
    )
    for name in ("mtmsdMapBetter", "mtmsdAccuracyBetter"):
        assert said in drawn.text(f"{name}Sentence")
    drawn.click("mtmsdMapBetterUse")
    assert drawn.part("mtmsdClassifier").currentData() == "rf"
    assert not drawn.part("mtmsdMapBetterUse").isVisible()
    drawn.wait(lambda: drawn.workspace.state.map, "no map", 120)
    classifier = drawn.workspace.state.classifier.read_bytes()
    assert b"rf" in classifier[:4000]


def test_two_running_jobs_have_one_cancel_key(drawn):
    choose(drawn, "mtmsdClassifier", "svm")
    map_scene(drawn)
    drawn.click("mtmsdPolygonize")
    drawn.click("mtmsdMapScene")
    strip, kind = drawn.part("mtmsdJobStrip"), type(drawn.part("mtmsdMapScene"))
    buttons = [b for b in strip.findChildren(kind)
               if b.objectName() == "mtmsdCancel"]  # fmt: skip
    assert sorted(b.text() for b in buttons) == ["&Cancel", "Cancel"]
    QTest.keyClick(drawn.dock, Qt.Key.Key_C, Qt.KeyboardModifier.AltModifier)
    drawn.wait(lambda: len(drawn.dock.running.runs) < 2, "nothing ended", 30)
    left = [b.text() for b in strip.findChildren(kind)
            if b.objectName() == "mtmsdCancel" and b.isVisible()]  # fmt: skip
    assert left in (["&Cancel"], [])


def test_why_a_map_or_its_assessment_failed_stays_to_be_read(drawn):
    choose(drawn, "mtmsdClassifier", "rf")
    drawn.workspace.change(exclude="900")
    drawn.click("mtmsdMapScene")
    drawn.wait(lambda: "900" in drawn.text("mtmsdMapState"), "the map has not failed", 60)
    drawn.workspace.change(preset="quick")
    assert "900" in drawn.text("mtmsdMapState")
    drawn.workspace.change(exclude="")
    assert drawn.text("mtmsdMapState") == "Ready to map."
    map_scene(drawn)

    elsewhere = memory_polygons()
    moved = elsewhere.dataProvider()
    moved.truncate()
    feature = QgsFeature(elsewhere.fields())
    feature.setGeometry(square(5000, 5000))
    feature.setAttributes([1, "water"])
    moved.addFeature(feature)
    QgsProject.instance().addMapLayer(elsewhere)
    drawn.part("mtmsdReference").setLayer(elsewhere)
    drawn.click("mtmsdAssess")
    drawn.wait(lambda: drawn.dock.accuracy.kind == "wrong", "the assessment has not failed", 60)
    told = drawn.text("mtmsdAccuracyState")
    drawn.dock.accuracy.refresh()
    assert drawn.text("mtmsdAccuracyState") == told
    drawn.part("mtmsdReference").setLayer(None)
    assert drawn.text("mtmsdAccuracyState") != told


def shown(room: Docked) -> list[tuple[str, bool]]:
    """The rasters from the top down, and whether they are seen."""
    root = QgsProject.instance().layerTreeRoot()
    rasters = [layer for layer in root.layerOrder() if isinstance(layer, QgsRasterLayer)]
    return [(x.name(), root.findLayer(x.id()).itemVisibilityChecked()) for x in rasters]


def test_the_newest_map_is_on_top_and_has_its_own_colours(drawn, tmp_path):
    choose(drawn, "mtmsdClassifier", "rf")
    map_scene(drawn)
    group = QgsProject.instance().layerTreeRoot().insertGroup(0, "mine")
    other = QgsRasterLayer(str(write_raster(tmp_path / "other.tif", halves())), "other")
    QgsProject.instance().addMapLayer(other, False)
    group.addLayer(other)
    drawn.workspace.training.recolor(3, "#123456")
    map_scene(drawn)
    names = [name for name, _ in shown(drawn)]
    assert names[:2] == ["Class map – halves", "other"]
    assert "Class map – halves (earlier)" in names
    seen = dict(shown(drawn))
    assert seen["Class map – halves"]
    assert not seen["Class map – halves (earlier)"]
    legend = drawn.part("mtmsdLegend", QTableWidget)
    colors = {
        legend.item(row, 1).text(): legend.item(row, 0).icon().pixmap(16).toImage().pixelColor(8, 8)
        for row in range(legend.rowCount())
    }
    assert colors["grass"].name() == "#123456"
    drawn.click("mtmsdPolygonize")
    regions = drawn.wait(lambda: of_role("regions", drawn.workspace), "no polygons", 60)
    drawn.wait_said(f"{regions.featureCount()} polygons outline the map's regions: ")
    category = regions.renderer().categories()[0]  # its symbol ends with it
    symbol = category.symbol().symbolLayer(0)
    assert symbol.brushStyle() == Qt.BrushStyle.NoBrush
    assert symbol.strokeColor().name() == "#123456"


def test_confidence_is_shown_and_hidden_again(drawn):
    choose(drawn, "mtmsdClassifier", "rf")
    map_scene(drawn)
    box = drawn.part("mtmsdConfidence")
    drawn.click("mtmsdConfidence")
    confidence = drawn.wait(lambda: of_role("confidence", drawn.workspace), "no layer", 10)
    place = QgsProject.instance().layerTreeRoot().findLayer(confidence.id())
    assert box.isChecked()
    assert place.itemVisibilityChecked()
    drawn.click("mtmsdConfidence")
    assert not box.isChecked()
    assert not place.itemVisibilityChecked()


def test_a_stack_says_which_map_it_is_and_which_polygons_disagree(drawn):
    assert not drawn.part("mtmsdDoubtful").isEnabled()
    training = drawn.workspace.training
    training.add_polygons([square(27, 12)], training.of(7))  # called water among grass
    choose(drawn, "mtmsdClassifier", "stack")
    map_scene(drawn)
    assert drawn.text("mtmsdMapKind").startswith("First map, without a diffusion model.")
    drawn.click("mtmsdDoubtful")
    layer = drawn.wait(lambda: of_role("doubtful", drawn.workspace), "no layer", 10)
    (found,) = layer.getFeatures()
    assert (found["class_name"], found["map_name"]) == ("water", "grass")
    assert found["share"] > 0.9
    assert found.geometry().isGeosEqual(square(27, 12))
    drawn.wait_said("disagree with their class: 1;")
    path = drawn.workspace.state.doubtful
    drawn.click("mtmsdDoubtful")
    QTest.qWait(300)
    assert of_role("doubtful", drawn.workspace).id() == layer.id(), "it is opened twice"
    assert path.is_file()
    drawn.workspace.change(model=path)
    assert "map once more" in drawn.text("mtmsdMapKind")
    drawn.workspace.change(model=None)
    choose(drawn, "mtmsdClassifier", "rf")
    map_scene(drawn)
    assert drawn.text("mtmsdMapKind") == ""
    assert not drawn.part("mtmsdDoubtful").isEnabled()
    drawn.wait(lambda: not path.exists(), "the outdated list stays")
