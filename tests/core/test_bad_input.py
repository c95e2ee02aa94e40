"""Bad input: one clear sentence that names the thing, the right status, nothing half-written."""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path

import numpy as np
import pytest
from mtmsd.cli.main import main
from running import TINY, end, fields_scene, leftovers, start, words
from small_files import cube, rectangle, write_polygons, write_raster


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Good and bad files by name."""
    folder = tmp_path_factory.mktemp("given")
    scene, labels = fields_scene(folder)
    text = folder / "notes.txt"
    text.write_text("not a raster")
    ids = np.array([1, 2])
    near = [rectangle(2, 2, 4, 5), rectangle(3, 28, 4, 5)]
    far = [rectangle(row, 500, 4, 5) for row in (2, 30)]
    small = [rectangle(2, 2, 4, 5), rectangle(3, 28, 1, 2)]
    return {
        "scene": scene,
        "labels": labels,
        "text": text,
        "folder": folder,
        "gray": write_raster(folder / "gray.tif", cube(1, 40, 48)),
        "empty": write_raster(folder / "empty.tif", np.full((6, 40, 48), -1, "int16"), nodata=-1),
        "outside": write_polygons(folder / "outside.gpkg", far, class_id=ids),
        "none": write_polygons(folder / "none.gpkg", [], class_id=np.array([], int)),
        "nameless": write_polygons(folder / "nameless.gpkg", near, height=np.array([1.5, 2.5])),
        "single": write_polygons(folder / "single.gpkg", near, class_id=np.array([7, 7])),
        "small": write_polygons(folder / "small.gpkg", small, class_id=ids),
    }


@pytest.mark.parametrize(
    ("scene", "labels", "options", "parts"),
    [
        ("{folder}/no.tif", "{labels}", [], ["no.tif"]),
        ("{text}", "{labels}", [], ["notes.txt"]),
        ("{folder}", "{labels}", [], ["given"]),
        ("{gray}", "{labels}", [], ["gray.tif", "one band"]),
        ("{empty}", "{labels}", [], ["empty.tif", "no valid pixel"]),
        ("{scene}", "{folder}/no.gpkg", [], ["no.gpkg"]),
        ("{scene}", "{text}", [], ["notes.txt"]),
        ("{scene}", "{outside}", [], ["outside.gpkg", "scene"]),
        ("{scene}", "{none}", [], ["none.gpkg"]),
        ("{scene}", "{nameless}", [], ["nameless.gpkg", "height"]),
        ("{scene}", "{labels}", ["--class-field", "kind"], ["kind", "class_id", "class_name"]),
        ("{scene}", "{single}", [], ["single.gpkg", "one class only"]),
        ("{scene}", "{small}", [], ["small.gpkg", "'2' has 2", "3"]),
        ("{scene}", "{labels}", ["--validation", "{outside}"], ["outside.gpkg"]),
        ("{scene}", "{labels}", ["--exclude", "1-6"], ["scene.tif", "0 of 6 bands"]),
        ("{scene}", "{labels}", ["--set", "wide=3"], ["no setting 'wide'"]),
        ("{scene}", "{labels}", ["--set", "epochs=many"], ["epochs", "'many'"]),
        ("{scene}", "{labels}", ["--set", "width=33"], ["width", "'33'", "multiple of 32"]),
        ("{scene}", "{labels}", ["--device", "tpu"], ["tpu"]),
        ("{scene}", "{labels}", ["--model", "{scene}"], ["scene.tif", "not a model file"]),
        ("{scene}", "{labels}", ["--model", "{folder}/no.st"], ["no.st"]),
        ("{scene}", "{labels}", ["--holdout", "1"], ["hold out cannot be 1"]),
        ("{scene}", "{labels}", ["--report", "{labels}"], ["labels.gpkg is also an input"]),
        ("{scene}", "{labels}", ["--confidence", "/proc/c.tif"], ["/proc"]),
    ],
)
def test_the_sentence_names_the_thing_before_the_work_begins(
    given: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    scene: str,
    labels: str,
    options: list[str],
    parts: list[str],
):
    words = [word.format(**given) for word in (scene, labels, *options)]
    status = main(["map", *words, "-o", str(tmp_path / "map.tif")])
    out, err = capsys.readouterr()
    assert (status, out) == (1, "")
    assert "Traceback" not in err
    sentence = err[err.index("Error: ") :].strip()
    assert "\n" not in sentence
    for part in parts:
        assert part in sentence
    assert "Learning" not in err, "it was told only after the work had begun"
    assert list(tmp_path.iterdir()) == []


def test_polygons_in_another_crs_are_reprojected(given: dict[str, Path], tmp_path: Path):
    import pyogrio
    import shapely
    from rasterio.warp import transform_geom

    meta, _, geometry, fields = pyogrio.raw.read(given["labels"])
    turned = [
        shapely.geometry.shape(
            transform_geom(meta["crs"], "EPSG:4326", shapely.geometry.mapping(shapely.from_wkb(g)))
        )
        for g in geometry
    ]
    names = dict(zip(meta["fields"], fields, strict=True))
    other = write_polygons(tmp_path / "degrees.gpkg", turned, crs="EPSG:4326", **names)
    from mtmsd.labels.read import read_labels
    from mtmsd.scene.raster import Scene

    with Scene.open(given["scene"]) as scene:
        one, two = (read_labels(path, scene) for path in (given["labels"], other))
    assert sorted(zip(one.rows, one.cols, one.values, strict=True)) == sorted(
        zip(two.rows, two.cols, two.values, strict=True)
    )


@pytest.mark.slow
def test_a_full_disk_is_a_sentence_and_leaves_nothing_half_written(
    given: dict[str, Path], tmp_path: Path
):
    """A limit on the size of files stands for the disk: writing fails in the same place."""
    process = start(
        "pretrain", given["scene"], "-o", tmp_path / "out", *words(TINY | {"iterations": 1}),
        stdin=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)),
    )  # fmt: skip
    status, _, err = end(process)
    assert status == 4
    assert f"Error: 'out' cannot be written to '{tmp_path}': the disk is full" in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()
    assert leftovers(tmp_path) == []
