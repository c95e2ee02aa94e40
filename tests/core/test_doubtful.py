"""Polygons that disagree with their class, as a layer: the right ones, in the right place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from mtmsd.cli.main import main
from small_files import GRID, UTM, rectangle, write_polygons, write_raster

SQUARES = [(row, col) for row in (4, 14, 24, 34) for col in (4, 14, 30, 40)]
"""Rows and columns of 4×4 px; the left half of the scene is grass, the right one water."""
WRONG = (24, 40)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    data = np.random.default_rng(0).normal(300, 20, (10, 44, 50))
    data[:, :, 25:] += np.linspace(100, 500, 10)[:, None, None]
    return write_raster(tmp_path / "scene.tif", data.astype("int16"))


def labelled(path: Path, wrong: tuple[int, int] | None) -> Path:
    values = [1 if (col < 25) != ((row, col) == wrong) else 2 for row, col in SQUARES]
    return write_polygons(
        path,
        [rectangle(row, col, 4, 4) for row, col in SQUARES],
        class_id=np.array(values),
        class_name=np.array([{1: "grass", 2: "water"}[value] for value in values], object),
    )


@pytest.mark.parametrize("command", ["train", "map"])
@pytest.mark.slow
def test_the_polygon_of_the_wrong_class_is_written_where_it_lies(
    scene: Path, tmp_path: Path, command: str
) -> None:
    labels, layer = labelled(tmp_path / "labels.gpkg", WRONG), tmp_path / "doubtful.gpkg"
    made = tmp_path / {"train": "c.safetensors", "map": "map.tif"}[command]
    asked = [command, scene, labels, "-o", made, "--classifier", "stack", "--doubtful", layer]
    assert main([str(word) for word in asked]) == 0
    meta, _, geometries, columns = pyogrio.raw.read(layer)
    (found,) = (dict(zip(meta["fields"], row, strict=True)) for row in zip(*columns, strict=True))
    assert (found["class_id"], found["class_name"], found["map_name"]) == (1, "grass", "water")
    assert (found["share"], found["pixels"]) == (1, 16)
    assert shapely.from_wkb(geometries[0]).equals(rectangle(*WRONG, 4, 4, GRID))
    assert meta["crs"] == UTM


@pytest.mark.slow
def test_without_a_doubtful_polygon_the_layer_is_empty(scene: Path, tmp_path: Path) -> None:
    labels, layer = labelled(tmp_path / "labels.gpkg", None), tmp_path / "doubtful.gpkg"
    asked = ["train", scene, labels, "-o", tmp_path / "c.safetensors", "--classifier", "stack"]
    assert main([str(word) for word in [*asked, "--doubtful", layer]]) == 0
    told = pyogrio.read_info(layer)
    assert told["features"] == 0
    assert {"class_name", "map_name", "share"} <= set(told["fields"])


@pytest.mark.parametrize(
    ("classifier", "name", "sentence"),
    [
        ("rf", "d.gpkg", "The classifier 'rf' does not tell which polygons disagree"),
        ("stack", "d.tif", "The output 'd.tif' cannot be written"),
        ("stack", "labels.gpkg", "is also an input"),
    ],
)
def test_what_cannot_be_listed_is_refused_before_any_work(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], classifier, name, sentence
) -> None:
    labels = labelled(tmp_path / "labels.gpkg", WRONG)
    for command, made in (("train", "c.safetensors"), ("map", "map.tif")):
        asked = [command, scene, labels, "-o", tmp_path / made, "--classifier", classifier]
        assert main([str(word) for word in [*asked, "--doubtful", tmp_path / name]]) == 1
        assert sentence in capsys.readouterr().err
        assert not (tmp_path / made).exists()
