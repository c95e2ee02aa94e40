"""Several scenes from the Toolbox, with the real engine: one job, maps in a group, one list."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import Feedback
from osgeo import gdal
from qgis.core import QgsProcessingException, QgsProject, QgsRasterLayer
from test_models_dialog import classifier  # noqa: F401

pytestmark = pytest.mark.usefixtures("engine_python")


def pixels(path: str | Path) -> np.ndarray:
    return gdal.Open(str(path)).ReadAsArray()


@pytest.fixture
def given(scene: Path, classifier: Path, tmp_path: Path) -> dict:  # noqa: F811
    """A layer of the project, a file beside it, and a file that is no scene."""
    here = Path(shutil.copy(scene, tmp_path / "here.tif"))
    there = Path(shutil.copy(scene, tmp_path / "there.tif"))
    broken = tmp_path / "broken.tif"
    broken.write_bytes(scene.read_bytes()[:2000])
    layer = QgsRasterLayer(str(here), "a name of its own")
    QgsProject.instance().addMapLayer(layer)
    return {"INPUTS": [layer.id()], "FILES": [str(broken), str(there)],
            "CLASSIFIER": str(classifier), "OUTPUT": str(tmp_path / "maps")}  # fmt: skip


def test_layers_and_files_are_mapped_and_the_bad_one_is_named(
    provider, processing, given: dict, tmp_path: Path
):
    feedback, joined = Feedback(), str(tmp_path / "all.tif")
    made = processing.runAndLoadResults(
        "mtmsd:classifyscenes", {**given, "WITH_CONFIDENCE": True, "MOSAIC": joined},
        feedback=feedback,
    )  # fmt: skip
    maps = [str(tmp_path / "maps" / name) for name in ("here.tif", "there.tif")]
    assert made["MAPS"] == maps
    assert made["FAILED"] == 1
    assert (pixels(maps[0])[8:, :16] == 3).mean() > 0.9
    np.testing.assert_array_equal(pixels(joined), pixels(maps[0]))
    assert sorted(p.name for p in (tmp_path / "maps").iterdir() if p.suffix != ".xml") == [
        "confidence", "here.tif", "there.tif"]  # fmt: skip
    warned = [m["text"] for m in feedback.messages if m["type"] == "pushed warning"]
    assert [text for text in warned if "broken.tif is not mapped" in text]
    worked = feedback.percents[: feedback.percents.index(100) + 1]  # QGIS's own loading follows
    assert worked == sorted(worked)
    names = {layer.name(): layer for layer in QgsProject.instance().mapLayers().values()}
    for name in ("Class map – here", "Class map – there", "Mosaic – maps"):
        labels = [c.label for c in names[name].renderer().classes()]
        assert labels[:2] == ["grass", "water"], name


def test_where_no_scene_can_be_mapped_it_fails(run, given: dict):
    given["INPUTS"], given["FILES"] = [], given["FILES"][:1]
    with pytest.raises(QgsProcessingException, match="1 of 1 scenes could not be mapped"):
        run("classifyscenes", given)
