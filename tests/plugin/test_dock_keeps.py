"""What the user chose stays chosen; nothing is left behind, nothing goes wrong in silence."""

from __future__ import annotations

import gc
import json
import shutil
from pathlib import Path

import pytest
from conftest import memory_polygons
from docked import Docked, docked  # noqa: F401
from qgis.core import QgsFillSymbol, QgsProject, QgsSingleSymbolRenderer, QgsVectorLayer
from qgis.gui import QgsMapTool
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QCoreApplication, QEvent
from qgis.PyQt.QtWidgets import QComboBox, QTableWidget

import mtmsd_qgis
from mtmsd_qgis.engine.job_folders import job_folders
from mtmsd_qgis.jobs.attached_job import Attached
from mtmsd_qgis.jobs.runs import Run
from mtmsd_qgis.state.layer_roles import PREVIEW
from mtmsd_qgis.state.layers import of_role
from mtmsd_qgis.state.training.classes import LandClass
from mtmsd_qgis.state.training.training_style import restyle
from mtmsd_qgis.state.workspace import Workspace

pytestmark = pytest.mark.slow

LEFT, TOP = 300000.0, 5800000.0


@pytest.fixture
def drawn(docked: Docked, scene: Path, tmp_path: Path) -> Docked:  # noqa: F811
    """A scene with four polygons in each of its halves; a random forest maps it."""
    docked.open(Path(shutil.copy(scene, tmp_path / "scene.tif")))
    layer = memory_polygons()
    QgsProject.instance().addMapLayer(layer)
    docked.take(layer, "class_id")
    docked.wait(lambda: docked.classes().get("water", ("", ""))[1] == "64", "no polygons")
    box = docked.part("mtmsdClassifier")
    box.setCurrentIndex(box.findData("rf"))
    return docked


def choose_device(room: Docked, name: str) -> None:
    combo = room.part("mtmsdDevice")
    combo.setCurrentIndex(combo.findData(name))


def devices_of_jobs() -> dict[str, str]:
    jobs = [json.loads((folder / "job.json").read_text()) for folder in job_folders()]
    return {job["command"]: job["arguments"].get("device") for job in jobs}


def test_the_chosen_device_pretrains_trains_and_maps_and_is_remembered(
    drawn: Docked,
    qgis_iface,
) -> None:
    choose_device(drawn, "cpu")
    drawn.click("mtmsdMapScene")
    drawn.wait(lambda: drawn.workspace.state.map, "no map", 120)
    drawn.workspace.change(settings="width=32 iterations=4000 batch_size=2")
    drawn.click("mtmsdPretrain")
    drawn.wait(lambda: "pretrain" in devices_of_jobs(), "no job", 60)
    drawn.click("mtmsdCancel")
    assert devices_of_jobs() == {"train": "cpu", "classify": "cpu", "pretrain": "cpu"}
    drawn.wait(lambda: not drawn.dock.running.runs, "it goes on", 60)
    drawn.unload()
    again = mtmsd_qgis.classFactory(qgis_iface)
    again.initGui()
    assert again.dock.findChild(QComboBox, "mtmsdDevice").currentData() == "cpu"
    again.unload()


def preview(room: Docked) -> str:
    before = of_role(PREVIEW, room.workspace)
    source = before.source() if before is not None else ""

    def shown() -> str:
        layer = of_role(PREVIEW, room.workspace)
        return layer.source() if layer is not None and layer.source() != source else ""

    room.click("mtmsdPreview")
    return room.wait(shown, "no preview", 120)


def test_previews_leave_one_classifier_and_one_preview(drawn: Docked) -> None:
    folder = drawn.workspace.folder()

    def files(pattern: str) -> list[str]:
        return sorted(path.name for path in folder.glob(pattern))

    preview(drawn)
    training = drawn.workspace.training
    training.rename(3, "lawn")
    preview(drawn)
    drawn.wait(lambda: len(files("classifier*")) == 1, f"{files('classifier*')}", 10)
    drawn.wait(lambda: len(files("preview*.tif")) == 1, f"{files('preview*')}", 10)
    drawn.click("mtmsdMapScene")  # by the classifier of the preview
    drawn.wait(lambda: drawn.workspace.state.map, "no map", 120)
    mapped = drawn.workspace.state.classifier
    training.rename(3, "meadow")
    preview(drawn)
    drawn.wait(lambda: len(files("classifier*")) == 2, f"{files('classifier*')}", 10)
    assert mapped.is_file(), "the map's own classifier was removed"


def test_after_a_reload_no_tool_and_no_run_is_left(qgis_iface, qgis_canvas, qgis_processing):
    def alive() -> list[str]:
        QCoreApplication.sendPostedEvents(None, int(QEvent.Type.DeferredDelete))
        gc.collect()
        left = [x for x in gc.get_objects() if isinstance(x, sip.wrapper) and not sip.isdeleted(x)]
        kinds = (QgsMapTool, Run, Attached, Workspace)
        ours = [type(x) for x in left if isinstance(x, kinds)]
        return sorted(k.__name__ for k in ours if k.__module__.startswith("mtmsd_qgis"))

    before = alive()
    for _ in range(3):
        plugin = mtmsd_qgis.classFactory(qgis_iface)
        plugin.initGui()
        plugin.unload()
    assert alive() == before
    left = {type(child).__name__ for child in qgis_canvas.children()}
    assert not left & {"DrawTool", "PolygonTool"}
    qgis_iface.addRasterToolBarIcon.reset_mock()


def classes() -> list[LandClass]:
    return [LandClass(1, "grass", "#00ff00"), LandClass(2, "water", "#0000ff")]


@pytest.fixture
def styled(qgis_app) -> QgsVectorLayer:
    layer = QgsVectorLayer("Polygon?field=class_id:integer", "", "memory")
    restyle(layer, classes(), [])
    assert [c.label() for c in layer.renderer().categories()] == ["grass", "water"]
    return layer


def test_a_renamed_class_keeps_the_users_own_symbol(styled: QgsVectorLayer) -> None:
    hatched = QgsFillSymbol.createSimple({"style": "b_diagonal", "color": "#00ff00"})
    styled.renderer().updateCategorySymbol(0, hatched)
    styled.renderer().updateCategoryLabel(1, "water (deep)")
    new = [LandClass(1, "meadow", "#00ff00"), LandClass(2, "lake", "#ff0000")]
    restyle(styled, new, classes())
    first, second = styled.renderer().categories()
    assert first.label() == "meadow"
    assert first.symbol().symbolLayer(0).properties()["style"] == "b_diagonal"
    assert second.label() == "water (deep)"
    assert second.symbol().symbolLayer(0).strokeColor().name() == "#ff0000"


def test_a_recoloured_class_recolours_the_users_own_symbol(styled: QgsVectorLayer) -> None:
    hatched = QgsFillSymbol.createSimple({"style": "b_diagonal", "color": "#00ff00"})
    styled.renderer().updateCategorySymbol(0, hatched)
    restyle(styled, [LandClass(1, "grass", "#123456"), classes()[1]], classes())
    category = styled.renderer().categories()[0]  # held: with it goes its symbol
    symbol = category.symbol()
    assert (symbol.color().name(), symbol.symbolLayer(0).properties()["style"]) == (
        "#123456",
        "b_diagonal",
    )


def test_another_kind_of_renderer_stays_whole(styled: QgsVectorLayer) -> None:
    styled.setRenderer(QgsSingleSymbolRenderer(QgsFillSymbol.createSimple({"color": "red"})))
    restyle(styled, [LandClass(1, "meadow", "#00ff00")], classes())
    assert styled.renderer().type() == "singleSymbol"


def test_the_dock_keeps_the_users_styling_when_a_class_is_renamed(drawn: Docked) -> None:
    layer = drawn.workspace.training.layer
    hatched = QgsFillSymbol.createSimple({"style": "cross", "color": "#00ff00"})
    layer.renderer().updateCategorySymbol(0, hatched)
    drawn.part("mtmsdClassTable", QTableWidget).item(0, 1).setText("meadow")
    category = layer.renderer().categories()[0]
    assert category.label() == "meadow"
    assert category.symbol().symbolLayer(0).properties()["style"] == "cross"


def test_why_the_pixels_cannot_be_counted_is_said(drawn: Docked) -> None:
    Path(drawn.workspace.scene_path).write_bytes(b"broken")
    x, y = LEFT + 30 * 10, TOP - 30 * 10
    drawn.drag(x + 2, y - 2, x + 118, y - 118)
    drawn.wait_said("The pixels cannot be read: ")
    assert "scene.tif" in drawn.text("mtmsdClassesState")
    assert drawn.classes()["water"][1] == "0", "pixels of another time are shown"


@pytest.mark.parametrize("button", ["mtmsdMapScene", "mtmsdPreview", "mtmsdPretrain"])
def test_a_folder_that_cannot_be_made_is_said(
    drawn: Docked,
    button: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> Path:
        raise OSError("There is no folder to write to: the disk is full.")

    monkeypatch.setattr("mtmsd_qgis.state.current_scene.CurrentScene.folder", refuse)
    drawn.click(button)
    drawn.wait_said("There is no folder to write to")
    assert not drawn.dock.running.runs
    assert drawn.part(button).isEnabled()


def test_a_folder_that_cannot_be_made_for_products_is_said(
    drawn: Docked, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn.click("mtmsdMapScene")
    drawn.wait(lambda: drawn.workspace.state.map, "no map", 120)
    polygons = memory_polygons("reference")
    QgsProject.instance().addMapLayer(polygons)
    drawn.part("mtmsdReference").setLayer(polygons)

    def refuse(*_: object) -> Path:
        raise OSError("There is no folder to write to: the disk is full.")

    monkeypatch.setattr("mtmsd_qgis.state.current_scene.CurrentScene.folder", refuse)
    drawn.dock.accuracy.set_open(True)
    for button in ("mtmsdPolygonize", "mtmsdNextLabels", "mtmsdAssess"):
        drawn.said.clear()
        drawn.click(button)
        drawn.wait_said("There is no folder to write to")
    assert not drawn.dock.running.runs
