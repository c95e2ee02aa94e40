"""From the command line to a map that can be trusted: layers of doubt, filters, the same again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
from mtmsd.cli.main import main
from mtmsd.postprocess.filters import majority_of
from rasterio.features import sieve
from running import TINY, fields_scene, words
from scipy.stats import entropy
from small_files import rectangle, write_polygons

pytestmark = pytest.mark.slow

SETTINGS = TINY | {"members": 2, "channels": 64, "iterations": 5}
LAYERS = ("confidence", "probabilities", "entropy", "disagreement")


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a map, filtered, and all that can be written beside it."""
    folder = tmp_path_factory.mktemp("made")
    scene, labels = fields_scene(folder)
    layers = [part for name in LAYERS for part in (f"--{name}", str(folder / f"{name}.tif"))]
    status = main(
        ["map", str(scene), str(labels), "-o", str(folder / "map.tif"), *layers,
         "--classifier", "mtmsd", "--report", str(folder / "report.html"), "--unknown-below", "0.6",
         "--majority", "3", "--sieve", "4", *words(SETTINGS)]
    )  # fmt: skip
    assert status == 0
    return folder


def test_layers_of_doubt_are_those_of_the_probabilities(made: Path) -> None:
    layers = {name: read(made / f"{name}.tif") for name in LAYERS}
    shares = layers["probabilities"]
    np.testing.assert_allclose(shares.sum(0), 1, atol=1e-5)
    np.testing.assert_allclose(layers["confidence"][0], shares.max(0), atol=1e-6)
    expected = entropy(shares.astype(np.float64), axis=0) / np.log(2)
    np.testing.assert_allclose(layers["entropy"][0], expected, atol=1e-5)
    assert (layers["disagreement"] >= 0).all()
    assert 0 < layers["disagreement"].max() <= 1


def test_unknown_majority_and_sieve_follow_each_other(made: Path) -> None:
    shares = read(made / "probabilities.tif")
    values = np.where(read(made / "confidence.tif")[0] < 0.6, 255, shares.argmax(0) + 1)
    smooth = majority_of(values.astype(np.int32), 3)
    np.testing.assert_array_equal(read(made / "map.tif")[0], sieve(smooth, 4, connectivity=4))
    with rasterio.open(made / "map.tif") as dataset:
        metadata = json.loads(dataset.tags()["MTMSD"])
    assert metadata["after"] == [{"unknown_below": 0.6}, {"majority": 3}, {"sieve": 4}]
    assert metadata["classes"][-1] == {"value": 255, "name": "unknown", "color": "#808080"}
    assert metadata["temperature"] > 0


def test_the_report_tells_what_the_user_must_know(made: Path) -> None:
    figures = json.loads((made / "report.json").read_text(encoding="utf-8"))
    assert figures["validation"] == {"kind": "cross", "folds": 3}
    assert len(figures["split_legend"]) == 3
    assert np.sum(figures["weights"]["values"]) == pytest.approx(1, abs=1e-4)
    assert figures["calibration"]["temperature"] > 0
    assert any("filtered after it was classified" in w for w in figures["warnings"])
    assert {"scene", "labels", "map"} == {i["role"] for i in figures["inputs"]}
    assert all(i["fingerprint"] for i in figures["inputs"])
    page = (made / "report.html").read_text(encoding="utf-8")
    for words_ in ("What the model looks at", "Can the confidence be trusted?", "sieve"):
        assert words_ in page


def test_the_command_in_the_report_gives_the_same_map_byte_for_byte(made: Path) -> None:
    figures = json.loads((made / "report.json").read_text(encoding="utf-8"))
    names = ["map.tif", *(f"{name}.tif" for name in LAYERS)]
    before = {name: (made / name).read_bytes() for name in names}
    for name in (*names, "map.classifier.safetensors", "map.model.safetensors"):
        (made / name).unlink()
    (command,) = figures["commands"]
    assert main(shlex.split(command)[1:]) == 0
    for name in names:
        assert (made / name).read_bytes() == before[name], name


def test_polygons_areas_and_points_of_the_map(made: Path) -> None:
    out, table, points = made / "regions.gpkg", made / "areas.csv", made / "points.gpkg"
    sure, shares = made / "confidence.tif", made / "probabilities.tif"
    assert main(["vectorize", str(made / "map.tif"), "-o", str(out), "--confidence", str(sure),
                 "--areas", str(table)]) == 0  # fmt: skip
    _, _, _, columns = pyogrio.raw.read(out, columns=["pixels"])
    assert columns[0].sum() == 40 * 48
    assert table.read_text(encoding="utf-8").startswith("class_id,class_name,pixels,share,area_ha")
    assert main(["nextlabels", str(shares), "-o", str(points), "--count", "5", "--labels",
                 str(made / "labels.gpkg")]) == 0  # fmt: skip
    assert len(pyogrio.raw.read(points)[2]) == 5


def test_a_simple_classifier_is_trained_without_a_model_and_maps_like_any_other(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene, labels = str(made / "scene.tif"), str(made / "labels.gpkg")
    file, out = str(tmp_path / "svm.safetensors"), tmp_path / "svm.tif"
    train = ["train", scene, labels, "-o", file, "--split", "polygons"]
    assert main([*train, "--classifier", "mtmsd"]) == 1
    assert "needs a diffusion model" in capsys.readouterr().err
    assert main([*train, "--classifier", "svm"]) == 0
    assert main(["classify", scene, "-o", str(out), "--classifier", file]) == 0
    found = read(out)[0]
    assert (found[:, :24] == 1).mean() > 0.95
    assert (found[:, 24:] == 2).mean() > 0.95
    capsys.readouterr()
    assert main(["classify", scene, "-o", str(tmp_path / "no.tif"), "--classifier", file,
                 "--disagreement", str(tmp_path / "d.tif")]) == 1  # fmt: skip
    assert "The classifier is no ensemble" in capsys.readouterr().err
    assert not list(tmp_path.glob("*no.tif*"))


def test_one_polygon_per_class_is_said_and_the_rest_still_reported(
    made: Path, tmp_path: Path
) -> None:
    labels = write_polygons(
        tmp_path / "two.gpkg",
        [rectangle(2, 2, 4, 5), rectangle(3, 28, 4, 5)],
        class_id=np.array([1, 2]),
    )
    report = tmp_path / "report.html"
    status = main(["map", str(made / "scene.tif"), str(labels), "-o", str(tmp_path / "m.tif"),
                   "--classifier", "svm", "--report", str(report)])  # fmt: skip
    assert status == 0
    figures = json.loads(report.with_suffix(".json").read_text(encoding="utf-8"))
    assert figures["verdict"].startswith("How accurate the map is cannot be said")
    assert sum(c["mapped"] for c in figures["area"]["classes"]) == pytest.approx(40 * 48 / 100)
