"""A newcomer finds the way: the sample opens, the card says what is next, all pages agree."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from docked import Docked, docked, rows_of  # noqa: F401
from qgis.core import QgsProject, QgsVectorLayer
from qgis.PyQt.QtWidgets import QLabel

from mtmsd_qgis.common.folders import RESOURCES
from mtmsd_qgis.state.sample_scene import copy_sample, sample_folder

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import help_pages  # noqa: E402


def menu_action(room: Docked, text: str):
    return next(a for a in room.plugin._actions if a.text().replace("&", "") == text)


def try_sample(room: Docked) -> None:
    room.click("mtmsdFirstStepsSample")
    room.wait(lambda: len(room.classes()) == 6, "no classes of the sample", 60)
    room.wait(lambda: room.classes()["water"][1] != "0", "no pixels", 60)


def test_the_sample_opens_with_classes_and_polygons_in_a_project_of_its_own(
    docked: Docked,  # noqa: F811
) -> None:
    layer = QgsVectorLayer("Point", "mine", "memory")
    QgsProject.instance().addMapLayer(layer)
    try_sample(docked)
    project = QgsProject.instance()
    assert Path(project.fileName()) == sample_folder() / "potsdam.qgz"
    assert "mine" not in [each.name() for each in project.mapLayers().values()]
    assert RESOURCES not in Path(docked.workspace.scene_path).parents, "the plugin's own is edited"
    counts = docked.classes()
    assert list(counts) == ["roof", "pavement", "low vegetation", "tree", "soil", "water"]
    ours = rows_of(RESOURCES / "sample/training_polygons.gpkg")
    assert sum(int(polygons) for polygons, _ in counts.values()) == ours > 6
    assert docked.workspace.training.path.parent == sample_folder()


def test_what_was_done_to_the_sample_is_there_the_next_time(docked: Docked) -> None:  # noqa: F811
    try_sample(docked)
    docked.workspace.training.rename(6, "lake")
    assert QgsProject.instance().write()
    QgsProject.instance().clear()
    menu_action(docked, "Try the Sample Scene").trigger()
    docked.wait(lambda: "lake" in docked.classes(), "the sample began anew", 60)
    assert any("as you left it" in text for text in docked.said)


def test_who_keeps_the_open_project_keeps_it(docked: Docked, qgis_iface, monkeypatch) -> None:  # noqa: F811
    asked = []
    monkeypatch.setattr(qgis_iface, "newProject", lambda ask=False: asked.append(ask))
    layer = QgsVectorLayer("Point", "mine", "memory")
    QgsProject.instance().addMapLayer(layer)
    docked.click("mtmsdFirstStepsSample")
    docked.wait(lambda: asked, "not asked")
    assert asked == [True], "QGIS is not told to ask for unsaved changes"
    assert list(QgsProject.instance().mapLayers()) == [layer.id()]


def test_a_sample_that_was_half_copied_is_completed(tmp_path: Path) -> None:
    folder = copy_sample()
    (folder / "enmap_potsdam.tif").unlink()
    (folder / "classes.json").write_text("edited", encoding="utf-8")
    copy_sample()
    whole = RESOURCES / "sample/enmap_potsdam.tif"
    assert (folder / "enmap_potsdam.tif").read_bytes() == whole.read_bytes()
    assert (folder / "classes.json").read_text(encoding="utf-8") == "edited"


def test_the_card_says_what_is_next_and_stays_closed(docked: Docked, scene: Path) -> None:  # noqa: F811
    def marks() -> dict[str, str]:
        steps = docked.part("mtmsdFirstSteps").findChildren(QLabel)
        return {s.objectName(): s.text() for s in steps if s.objectName().endswith("Step")}

    first = "Next, 1  Scene: Choose a hyperspectral raster"
    docked.wait(lambda: first in docked.text("mtmsdFirstStepsNext"), "no first step", 10)
    assert marks()["mtmsdSceneStep"] == "▶"
    docked.open(scene)
    docked.wait(lambda: "Next, 2  Pretraining" in docked.text("mtmsdFirstStepsNext"), "no next", 10)
    assert marks()["mtmsdSceneStep"] == "✓"
    docked.click("mtmsdFirstStepsClose")
    assert docked.part("mtmsdFirstSteps").isHidden()
    from mtmsd_qgis.gui.dock.first_steps import FirstSteps

    assert FirstSteps([], []).isHidden(), "it comes back with the next start"


def test_readme_help_and_dock_number_the_steps_alike(docked: Docked) -> None:  # noqa: F811
    titles = [s.title for s in docked.dock._sections]
    steps = [tuple(t.split("  ")) for t in titles if t[0].isdigit()]
    assert len(steps) == 8
    readme = (ROOT / "README.md").read_text(encoding="utf-8").split("**The dock**")[1]
    assert re.findall(r"^(\d)\. \*\*(\w+)\.?\*\*", readme, re.M)[:7] == steps[:7]
    tutorial = (RESOURCES / "help/tutorial.html").read_text(encoding="utf-8")
    assert re.findall(r"<h2>(\d) (\w+)</h2>", tutorial) == steps[:7]
    pages = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\d) (\w+)$", pages, re.M) == steps[:7]
    page = (RESOURCES / "help/index.html").read_text(encoding="utf-8")
    assert re.findall(r"<th>(\d) (\w+)</th>", page) == steps


def test_the_tutorial_in_qgis_is_that_of_the_docs_and_its_pictures_are_there() -> None:
    page = (ROOT / "resources/help/tutorial.html").read_text(encoding="utf-8")
    assert page == help_pages.tutorial(), "run tools/help_pages.py"
    text = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
    named = {ROOT / "docs" / path for path in re.findall(r"\]\((images/[^)]+)\)", text)}
    assert named == set((ROOT / "docs/images/tutorial").glob("*.png"))
    assert sum(picture.stat().st_size for picture in named) < 1_500_000


def test_help_and_tutorial_open_pages_that_are_there(docked: Docked, monkeypatch) -> None:  # noqa: F811
    from mtmsd_qgis.gui.dock import dock

    opened = []

    class Services:
        @staticmethod
        def openUrl(url) -> bool:
            opened.append(Path(url.toLocalFile()))
            return False

    monkeypatch.setattr(dock, "QDesktopServices", Services)
    menu_action(docked, "Tutorial").trigger()
    menu_action(docked, "Help").trigger()
    assert [p.name for p in opened] == ["tutorial.html", "index.html"]
    for page in opened:
        links = re.findall(r'href="([^"]+)"', page.read_text(encoding="utf-8"))
        assert not [link for link in links if not (page.parent / link).is_file()]
