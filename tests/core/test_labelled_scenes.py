"""Scenes with labels are learnt together, and judged also on a scene that was not learnt."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from mtmsd.cli.main import main
from mtmsd.errors import InputError
from mtmsd.files.tensor_file import load_arrays
from mtmsd.labels.together import read_labels_together
from mtmsd.scene.raster import Scene
from mtmsd.scene.same_sensor import open_together
from running import TINY, fields_scene, messages, words
from small_files import GRID, cube, rectangle, write_polygons, write_raster

WAVELENGTHS = [450, 550, 650, 850, 1600, 2200]
CRS, FAR = "EPSG:32634", GRID @ GRID.translation(90, 70)


def field(folder: Path, name: str, spots: list[tuple[int, int]], **fields: Any) -> Path:
    """Write polygons of 4×5 px at these rows and columns of the second scene."""
    return write_polygons(
        folder / name, [rectangle(r, c, 4, 5, FAR) for r, c in spots], crs=CRS,
        **{key: np.array(values, object if isinstance(values[0], str) else None)
           for key, values in fields.items()},
    )  # fmt: skip


@pytest.fixture(scope="module")
def land(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of two scenes on different grids and CRS, bands reversed in the second, and labels.

    Both have the classes left and right; their fields are the same, right ones at the top of the
    second scene.
    """
    folder = tmp_path_factory.mktemp("land")
    scene, labels = fields_scene(folder)
    scene.rename(folder / "north.tif")
    labels.rename(folder / "north.gpkg")
    data = cube(6, 44, 36, seed=8)
    data[:3, :20] //= 2
    write_raster(folder / "south.tif", data[::-1], wavelengths=WAVELENGTHS[::-1], nodata=-9999,
                 transform=FAR, crs=CRS)  # fmt: skip
    spots = [(2, 2), (9, 12), (3, 25), (25, 3), (30, 14), (36, 26)]
    field(folder, "south.gpkg", spots, class_name=["right"] * 3 + ["left"] * 3)
    (folder / "scenes.csv").write_text("scene,labels,output\nnorth.tif,north.gpkg,n.tif\n"
                                       "south.tif,south.gpkg,s.tif\n")  # fmt: skip
    return folder


def run(*given: str | Path) -> int:
    return main([str(word) for word in given])


def pairs(land: Path) -> list[Path]:
    return [land / name for name in ("north.tif", "north.gpkg", "south.tif", "south.gpkg")]


def error_of(text: str) -> str:
    (error,) = [m for m in messages(text) if m["type"] == "error"]
    return error["message"]


@pytest.mark.parametrize("classifier", ["stack", "svm"])
def test_each_scene_is_scored_by_name_and_without_its_labels(
    land: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], classifier: str
):
    out = tmp_path / "c.safetensors"
    assert run("train", *pairs(land), "-o", out, "--classifier", classifier, "--json") == 0
    (done,) = [m for m in messages(capfd.readouterr().out) if m["type"] == "done"]
    accuracy = done["results"]["accuracy"]
    assert done["results"]["pixels"] == 12 * 20
    north, south = accuracy["scenes"]
    assert (north["name"], south["name"]) == ("north", "south")
    assert north["n"] + south["n"] == accuracy["n"]
    for scene in accuracy["scenes"]:
        assert scene["left_out"]["n"] == 120, "all labels of the scene are asked for"
        assert scene["left_out"]["overall"] > 0.95, "the fields are the same in both"
        assert scene["left_out"]["average"] > 0.95
        assert scene["left_out"]["unknown"] == []
    metadata = json.loads(_header(out))
    assert [(s["name"], s["pixels"]) for s in metadata["metadata"]["scenes"]] == [
        ("north", 120), ("south", 120)]  # fmt: skip
    assert [s["name"] for s in metadata["model"]["scenes"]] == ["north", "south"]
    assert [c["name"] for c in metadata["classes"]] == ["left", "right"]


def _header(path: Path) -> str:
    return json.dumps(load_arrays(path, "classifier")[1])


def test_a_scene_that_is_like_no_other_is_shown_to_be(land: Path, tmp_path: Path, capfd):
    """Its classes are the other way round: within the scene they are learnt, from outside not."""
    spots = [(2, 2), (9, 12), (3, 25), (25, 3), (30, 14), (36, 26)]
    swapped = field(tmp_path, "swapped.gpkg", spots,
                    class_name=["left"] * 3 + ["water"] * 3)  # fmt: skip
    words_ = [*pairs(land)[:3], swapped, "-o", tmp_path / "c.safetensors"]
    assert run("train", *words_, "--classifier", "svm", "--json") == 0
    (done,) = [m for m in messages(capfd.readouterr().out) if m["type"] == "done"]
    south = done["results"]["accuracy"]["scenes"][1]
    assert south["left_out"]["overall"] < 0.05
    assert south["left_out"]["unknown"] == ["water"]


def test_the_network_learns_several_scenes_too(land: Path, tmp_path: Path):
    model, out = tmp_path / "m.safetensors", tmp_path / "c.safetensors"
    settings = words(TINY | {"iterations": 2, "samples_per_epoch": 100, "epochs": 1})
    assert run("pretrain", land / "scenes.csv", "-o", model, *settings) == 0
    learn = ["train", land / "scenes.csv", "-o", out, "--model", model, "--classifier", "mtmsd"]
    assert run(*learn, "--holdout", "0", *settings) == 0
    maps = tmp_path / "maps"
    assert (
        run("classify", land / "south.tif", land / "north.tif", "-o", maps, "--classifier", out)
        == 0
    )
    with rasterio.open(maps / "south.tif") as dataset:
        assert (dataset.height, dataset.width, dataset.crs) == (44, 36, CRS)
        assert set(np.unique(dataset.read(1))) <= {1, 2}


def test_map_of_a_table_makes_a_map_and_a_report_of_each(land: Path, tmp_path: Path):
    out, reports, sure = tmp_path / "maps", tmp_path / "reports", tmp_path / "sure"
    given = ["map", land / "scenes.csv", "-o", out, "--report", reports, "--confidence", sure]
    assert run(*given, "--classifier", "svm") == 0
    for name, (rows, columns) in {"n": (40, 48), "s": (44, 36)}.items():
        with rasterio.open(out / f"{name}.tif") as dataset:
            assert (dataset.height, dataset.width) == (rows, columns)
            found = dataset.read(1)
        truth = np.full(found.shape, 1)
        truth[np.s_[:, 24:] if name == "n" else np.s_[:20]] = 2
        assert (found == truth).mean() > 0.95
        page = (reports / f"{name}.html").read_text()
        assert "Scene by scene" in page
        assert "<th>south</th>" in page
        assert (sure / f"{name}.tif").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "maps", "maps.classifier.safetensors", "reports", "sure"]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"class_id": [1, 2], "class_name": ["left", "water"]},
         r"The class 2 is 'right' in 'north.gpkg' and 'water' in 'other.gpkg'."),
        ({"class_id": [1, 3], "class_name": ["left", "right"]},
         r"The class 'right' is 2 in 'north.gpkg' and 3 in 'other.gpkg'."),
    ],
)  # fmt: skip
def test_files_that_disagree_on_a_class_are_refused(land: Path, tmp_path: Path, fields, said: str):
    other = field(tmp_path, "other.gpkg", [(2, 2), (25, 3)], **fields)
    with (
        open_together([Scene.open(land / "north.tif"), Scene.open(land / "south.tif")]) as both,
        pytest.raises(InputError, match=said),
    ):
        read_labels_together([land / "north.gpkg", other], both)


@pytest.mark.parametrize(
    ("fields", "classes"),
    [
        # numbers without names are those of the other file
        ({"class_id": [2, 1]}, {1: "left", 2: "right"}),
        # names without numbers: those known have theirs, others the next
        ({"class_name": ["Right ", "bare"]}, {1: "left", 2: "right", 3: "bare"}),
        ({"class_id": [7, 1], "class_name": ["bare", "left"]}, {1: "left", 2: "right", 7: "bare"}),
    ],
)
def test_classes_are_matched_by_number_and_name(land: Path, tmp_path: Path, fields, classes):
    other = field(tmp_path, "other.gpkg", [(2, 2), (25, 3)], **fields)
    with open_together([Scene.open(land / "north.tif"), Scene.open(land / "south.tif")]) as both:
        labels = read_labels_together([land / "north.gpkg", other], both)
        second = labels.subset(both.scene_of(labels.rows) == 1)
        row, col = int(second.rows.min()) - both.areas[1][0], int(second.cols.min())
    assert {info.value: info.name for info in labels.classes} == classes
    assert len({info.color for info in labels.classes}) == len(classes)
    assert (row, col) == (2, 2)
    first_value = {2: 2, 3: 2, 7: 7}[max(classes)]
    assert second.values[second.rows - second.rows.min() < 4].tolist() == [first_value] * 20
    assert not set(second.groups) & set(labels.groups[: len(labels) - len(second)])


def _table(folder: Path, text: str) -> list[str | Path]:
    (folder / "table.csv").write_text(text)
    return [folder / "table.csv"]


@pytest.mark.parametrize(
    ("command", "given", "said"),
    [
        ("train", "north.tif north.gpkg south.tif", "south.tif has no labels"),
        ("train", "scene,labels\nnorth.tif,north.gpkg\nsouth.tif,\n", "south.tif has no labels"),
        ("train", "scene,output\nnorth.tif,n.tif\n", "has no column 'labels'"),
        ("map", "scene,output\nnorth.tif,n.tif\n", "has no column 'labels'"),
        ("map", "scene,labels,output\nnorth.tif,north.gpkg,n.tif\nsouth.tif,south.gpkg,n.tif\n",
         "Two outputs have the same name, n.tif"),
        ("train", "north.tif north.gpkg north.tif south.gpkg", "north.tif is given twice"),
        ("train", "north.tif north.gpkg broken.tif south.gpkg", "broken.tif"),
        ("map", "north.tif north.gpkg broken.tif south.gpkg", "broken.tif"),
        ("map", "north.tif north.gpkg south.tif south.gpkg --polygons p.gpkg", "--polygons is for"),
    ],
)  # fmt: skip
def test_a_wrong_list_is_refused_before_any_work(
    land: Path, tmp_path: Path, monkeypatch, capfd, command: str, given: str, said: str
):
    for path in land.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "broken.tif").write_bytes((land / "north.tif").read_bytes()[:1000])
    monkeypatch.chdir(tmp_path)
    listed = _table(tmp_path, given) if "\n" in given else given.split()
    before = sorted(tmp_path.iterdir())
    assert run(command, *listed, "-o", tmp_path / "out", "--json") == 1
    text = capfd.readouterr().out
    assert said in error_of(text)
    assert not [m for m in messages(text) if m["type"] == "phase"]
    assert sorted(tmp_path.iterdir()) == before
