"""Projects saved, copied, moved and opened again: what was made for a scene is found again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import write_raster
from docked import Docked, docked  # noqa: F401
from osgeo import gdal
from qgis.core import QgsProject, QgsRasterLayer, QgsSettings, QgsVectorLayer
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QTableWidget

from mtmsd_qgis.engine.job_folders import new_job_folder
from mtmsd_qgis.state.layer_roles import MAP, PREVIEW, TRAINING, role
from mtmsd_qgis.state.layers import of_role
from mtmsd_qgis.state.paths import key_of, same_file
from mtmsd_qgis.state.scene_state import JobNote

pytestmark = pytest.mark.slow

LEFT, TOP = 300000.0, 5800000.0


def pixel_box(room: Docked, row: int, col: int, size: int) -> None:
    """Draw over size×size pixels of the scene."""
    x, y = LEFT + 30 * col, TOP - 30 * row
    room.drag(x + 2, y - 2, x + 30 * size - 2, y - 30 * size + 2)


def class_map(path: Path, values: np.ndarray) -> Path:
    write_raster(path, values[None])
    classes = [{"value": 1, "name": "grass", "color": "#00ff00"}]
    dataset = gdal.Open(str(path), gdal.GA_Update)
    dataset.SetMetadataItem("MTMSD", json.dumps({"classes": classes}))
    return path


def ended_job(made: Path, extent: object, pixels: int) -> JobNote:
    """Return the note of a job that has made this map."""
    folder = new_job_folder("classify")
    (folder / "pid.json").write_text('{"pid": 1, "created": 0.0}')
    (folder / "job.json").write_text('{"command": "classify", "arguments": {}}')
    done = {"type": "done", "results": {"map": str(made), "pixels": {"grass": pixels}}}
    (folder / "messages.jsonl").write_text(json.dumps(done) + "\n")
    step = {"output": str(made), "extent": extent, "confidence": str(made.with_name("conf.tif"))}
    return JobNote(folder, step)


def take_map(room: Docked, pixels: int = 1280, pixel: float = 30.0, extent: object = None) -> Path:
    """Let the dock take a map as that of a job which ended while QGIS was closed."""
    made = room.workspace.new_file("preview" if extent else "map", ".tif")
    class_map(made, np.ones((32, 40), "uint8"))
    dataset = gdal.Open(str(made), gdal.GA_Update)
    dataset.SetGeoTransform((LEFT, pixel, 0, TOP, 0, -pixel))
    dataset = None
    room.workspace.change(map_job=ended_job(made, extent, pixels))
    room.dock.map._job.take_up()
    kind = PREVIEW if extent else MAP
    room.wait(lambda: of_role(kind, room.workspace) is not None, "no map")
    return made


def label(room: Docked, own: Path) -> None:
    """Open a scene, draw a polygon of one class, save it, and map."""
    room.open(own)
    room.add_class("grass")
    pixel_box(room, 5, 5, 4)
    room.wait(lambda: room.classes() == {"grass": ("1", "16")}, "not drawn")
    room.click("mtmsdEdit_save")
    model = room.workspace.new_file("model_quick", ".safetensors")
    model.write_bytes(b"a model")
    room.workspace.change(model=model)
    take_map(room)


def reopen(room: Docked, project: Path) -> None:
    QgsProject.instance().clear()
    assert room.workspace.scene is None
    assert QgsProject.instance().read(str(project))


def expect_all(room: Docked, folder: Path) -> None:
    """All that was made is known, and lies in this folder."""
    room.wait(lambda: room.workspace.scene is not None, "no scene chosen", 10)
    assert same_file(room.workspace.scene_path, folder / "scene.tif")
    room.wait(lambda: room.classes() == {"grass": ("1", "16")}, "the polygons are lost")
    state = room.workspace.state
    for made in (state.training, state.model, state.map):
        assert made.is_file()
        assert folder in made.parents, f"{made} is not in {folder}"
    room.wait(lambda: room.workspace.facts, "no facts")
    assert room.text("mtmsdPretrainingState") == "Model: model_quick.safetensors"
    layers = QgsProject.instance().mapLayers().values()
    assert sum(role(layer) == TRAINING for layer in layers) == 1
    assert of_role(MAP, room.workspace) is not None
    assert not list(folder.rglob("training_2*"))


def saved_untitled(room: Docked, own: Path) -> Path:
    label(room, own)
    QgsProject.instance().write(str(own.parent / "work.qgz"))
    assert not QgsProject.instance().isDirty(), "saving a project changed it"
    return own.parent / "work.qgz"


def saved_first(room: Docked, own: Path) -> Path:
    QgsProject.instance().write(str(own.parent / "work.qgs"))
    label(room, own)
    QgsProject.instance().write()
    return own.parent / "work.qgs"


def saved_elsewhere_first(room: Docked, own: Path) -> Path:
    """Saved in another folder, then under another name beside the scene."""
    label(room, own)
    (own.parent.parent / "elsewhere").mkdir()
    QgsProject.instance().write(str(own.parent.parent / "elsewhere" / "draft.qgz"))
    QgsProject.instance().write(str(own.parent / "work.qgz"))
    return own.parent / "work.qgz"


def stay(project: Path) -> Path:
    return project


def move(project: Path) -> Path:
    folder = project.parent.with_name("moved away")
    shutil.move(project.parent, folder)
    return folder / project.name


def copy(project: Path) -> Path:
    folder = project.parent.with_name("ein Ümlaut & more")
    shutil.copytree(project.parent, folder)
    return folder / project.name


@pytest.fixture
def own(scene: Path, tmp_path: Path) -> Path:
    """A copy of the scene in a folder of its own: the dock writes beside it."""
    folder = tmp_path / "own"
    folder.mkdir()
    return Path(shutil.copy(scene, folder / "scene.tif"))


@pytest.mark.parametrize("go", [stay, move, copy])
@pytest.mark.parametrize("save", [saved_untitled, saved_first, saved_elsewhere_first])
def test_saved_moved_and_opened_again_nothing_is_lost(
    docked: Docked,  # noqa: F811
    own: Path,
    save: Callable[[Docked, Path], Path],
    go: Callable[[Path], Path],
) -> None:
    project = save(docked, own)
    QgsProject.instance().clear()
    project = go(project)
    reopen(docked, project)
    expect_all(docked, project.parent)
    assert not QgsProject.instance().isDirty(), "opening a project changed it"


def test_moved_saved_and_moved_again(docked: Docked, own: Path) -> None:  # noqa: F811
    project = move(saved_untitled(docked, own))
    reopen(docked, project)
    expect_all(docked, project.parent)
    QgsProject.instance().write()
    again = project.parent.with_name("again")
    QgsProject.instance().clear()
    shutil.move(project.parent, again)
    reopen(docked, again / project.name)
    expect_all(docked, again)


def test_a_copy_edits_its_own_training_polygons(docked: Docked, own: Path) -> None:  # noqa: F811
    project = copy(saved_untitled(docked, own))
    reopen(docked, project)
    expect_all(docked, project.parent)
    pixel_box(docked, 20, 5, 4)
    docked.wait(lambda: docked.classes() == {"grass": ("2", "32")}, "not drawn")
    docked.click("mtmsdEdit_save")

    def count(folder: Path) -> int:
        return QgsVectorLayer(f"{next(folder.rglob('training.gpkg'))}", "", "ogr").featureCount()

    assert count(project.parent) == 2
    assert count(own.parent) == 1, "the original was edited"


def test_a_project_that_knows_nothing_finds_what_lies_beside_the_scene(
    docked: Docked,  # noqa: F811
    own: Path,
) -> None:
    label(docked, own)
    QgsProject.instance().clear()
    QgsSettings().remove("mtmsd")
    folder = own.parent.with_name("moved away")
    shutil.move(own.parent, folder)
    docked.open(folder / "scene.tif")
    docked.wait(lambda: docked.classes() == {"grass": ("1", "16")}, "the polygons are lost")
    assert docked.workspace.state.map == folder / "scene_mtmsd" / "map.tif"


def test_polygons_that_nobody_knows_are_taken_and_that_is_said(
    docked: Docked,  # noqa: F811
    own: Path,
) -> None:
    label(docked, own)
    QgsProject.instance().clear()
    QgsSettings().remove("mtmsd")
    (own.with_name("scene_mtmsd") / "scene.json").unlink()
    docked.open(own)
    docked.wait(lambda: docked.classes() == {"grass": ("1", "16")}, "the polygons are lost")
    docked.wait_said("nothing says of which scene they are")


def test_scenes_of_one_name_have_folders_of_their_own(docked: Docked, own: Path) -> None:  # noqa: F811
    other = own.with_name("scene.img")
    gdal.Translate(str(other), str(own), format="HFA")
    label(docked, own)
    docked.open(other)
    assert docked.classes() == {}
    docked.add_class("water")
    assert docked.workspace.folder() == own.with_name("scene_mtmsd_2")
    assert docked.workspace.state.map is None


def test_the_file_wins_over_an_older_project(docked: Docked, own: Path) -> None:  # noqa: F811
    project = saved_untitled(docked, own)
    docked.part("mtmsdClassTable", QTableWidget).item(0, 1).setText("meadow")
    docked.add_class("water")  # it has no polygon, so that it is in no file of polygons
    docked.click("mtmsdEdit_save")
    reopen(docked, project)  # it was not saved since
    docked.wait(lambda: docked.classes(), "no classes")
    assert list(docked.classes()) == ["meadow", "water"]


def test_another_program_renames_a_class_and_the_project_does_not_take_it_back(
    docked: Docked,  # noqa: F811
    own: Path,
) -> None:
    project = saved_untitled(docked, own)
    made = docked.workspace.training.path
    QgsProject.instance().clear()
    dataset = gdal.OpenEx(str(made), gdal.OF_UPDATE)
    dataset.ExecuteSQL("UPDATE training_polygons SET class_name = 'lawn', color = '#123456'")
    dataset = None
    reopen(docked, project)
    docked.wait(lambda: docked.classes(), "no classes")
    assert list(docked.classes()) == ["lawn"]
    category = docked.workspace.training.layer.renderer().categories()[0]
    assert category.label() == "lawn"
    assert category.symbol().symbolLayer(0).strokeColor().name() == "#123456"


SPELLINGS = {
    "two slashes": lambda path: f"{path.parent}//{path.name}|layername=training_polygons",
    "through a folder and back": lambda path: f"{path.parent}/../{path.parent.name}/{path.name}",
    "without its table": lambda path: f"{path}",
    "more behind it": lambda path: f"{path}|layername=training_polygons|geometrytype=Polygon",
    "a link": lambda path: f"{path.parent.parent / 'link' / path.name}|layername=training_polygons",
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_a_path_that_is_spelt_otherwise_is_the_same_layer(docked, own, spell):  # noqa: F811
    docked.open(own)
    docked.add_class("grass")
    made = docked.workspace.training.path
    docked.workspace.training.save()
    (made.parent.parent / "link").symlink_to(made.parent)
    QgsProject.instance().clear()
    layer = QgsVectorLayer(spell(made), "mine", "ogr")
    assert layer.isValid()
    QgsProject.instance().addMapLayer(layer)
    docked.open(own)
    assert docked.workspace.training.layer is layer
    found = [x for x in QgsProject.instance().mapLayers().values() if isinstance(x, QgsVectorLayer)]
    assert found == [layer]


def test_sources_are_compared_decoded():
    assert key_of("file:///data/a%20b/c.gpkg|layername=x") == key_of("/data/a b/c.gpkg")
    assert key_of("/data/a/../a/c.gpkg") == key_of("/data//a/c.gpkg|layername=y")
    assert key_of("/data/a/c.gpkg") != key_of("/data/a/C.gpkg")
    assert key_of('HDF5:"/data/a.h5"://one') != key_of('HDF5:"/data/a.h5"://two')


# scenes are never mixed


def test_another_scenes_map_is_not_shown_measured_or_replaced(
    docked: Docked,  # noqa: F811
    own: Path,
    tmp_path: Path,
) -> None:
    fine = write_raster(tmp_path / "fine.tif", np.random.default_rng(1).random((12, 32, 40), "f4"))
    dataset = gdal.Open(str(fine), gdal.GA_Update)
    dataset.SetGeoTransform((LEFT, 1, 0, TOP, 0, -1))
    dataset = None
    coarse = docked.open(own)
    take_map(docked)
    docked.open(fine)
    assert not docked.part("mtmsdLegend").isVisible(), "the first scene's map is shown"
    take_map(docked, pixel=1.0)
    legend = docked.part("mtmsdLegend", QTableWidget)
    assert legend.item(0, 3).text() == "0.1 ha"
    take_map(docked, extent=[0, 1, 0, 1], pixel=1.0)
    shown = of_role(PREVIEW, docked.workspace).source()
    docked.part("mtmsdSceneLayer").setLayer(coarse)
    assert legend.item(0, 3).text() == "115.2 ha"
    mine = take_map(docked, extent=[0, 1, 0, 1])
    assert of_role(PREVIEW, docked.workspace).source() == str(mine)
    sources = [layer.source() for layer in QgsProject.instance().mapLayers().values()]
    assert shown in sources, "the other scene's preview was replaced"
    docked.part("mtmsdOpacity").setValue(40)
    opacities = {x.source(): x.opacity() for x in QgsProject.instance().mapLayers().values()}
    assert (opacities[str(mine)], opacities[shown]) == (0.4, 1.0)


# a hidden dock does nothing


def test_a_hidden_dock_does_nothing(docked: Docked, own: Path, qgis_iface) -> None:  # noqa: F811
    docked.part("mtmsdSceneFollow").setChecked(True)
    project = saved_untitled(docked, own)
    docked.dock.close()
    reopen(docked, project)
    other = QgsRasterLayer(str(own), "other")
    QgsProject.instance().addMapLayer(other)
    QgsProject.instance().setDirty(False)
    qgis_iface.setActiveLayer(other)
    qgis_iface.currentLayerChanged.emit(other)
    QTest.qWait(500)
    assert docked.workspace.scene is None
    assert docked.workspace.training is None
    assert docked.workspace.facts is None
    assert not QgsProject.instance().isDirty()
    docked.dock.show()
    docked.wait(lambda: docked.workspace.scene is not None, "shown, it does not take its scene")
    docked.wait(lambda: docked.classes() == {"grass": ("1", "16")}, "its polygons are lost")


def test_an_open_dock_follows_only_when_it_is_asked_to(
    docked: Docked,  # noqa: F811
    own: Path,
    qgis_iface,
) -> None:
    layer = QgsRasterLayer(str(own), "raster")
    QgsProject.instance().addMapLayer(layer)
    qgis_iface.setActiveLayer(layer)
    qgis_iface.currentLayerChanged.emit(layer)
    QTest.qWait(100)
    assert docked.workspace.scene is None
    docked.click("mtmsdSceneFollow")
    assert docked.workspace.scene is layer


def test_flicker_ends_when_the_dock_is_closed(docked: Docked, own: Path) -> None:  # noqa: F811
    docked.open(own)
    take_map(docked)
    node = QgsProject.instance().layerTreeRoot().findLayer(of_role(MAP, docked.workspace).id())
    docked.click("mtmsdFlicker")
    docked.wait(lambda: not node.itemVisibilityChecked(), "it does not flicker", 5)
    docked.dock.close()
    for _ in range(4):
        QTest.qWait(400)
        assert node.itemVisibilityChecked()


def test_a_map_that_was_made_while_another_scene_was_chosen_waits_for_its_own(
    docked: Docked,  # noqa: F811
    own: Path,
) -> None:
    first = docked.open(own)
    made = class_map(docked.workspace.new_file("map", ".tif"), np.ones((32, 40), "uint8"))
    path = docked.workspace.scene_path
    docked.open(Path(shutil.copy(own, own.with_name("other.tif"))))
    docked.workspace.change_of(path, map_job=ended_job(made, None, 1280))
    docked.dock.map._job.take_up()
    QTest.qWait(300)
    assert of_role(MAP, docked.workspace) is None
    assert docked.workspace.state.map is None
    docked.part("mtmsdSceneLayer").setLayer(first)
    docked.wait(lambda: of_role(MAP, docked.workspace) is not None, "the map is lost")
    assert docked.workspace.state.map == made
