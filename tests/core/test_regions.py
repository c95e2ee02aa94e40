"""Learnt regions as a file: kept, mapped with again and elsewhere, broken off, refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
from mtmsd.classify.classifier import load_classifier
from mtmsd.cli.main import main
from mtmsd.commands import assess, regions
from mtmsd.commands.arguments import build
from mtmsd.errors import Canceled, InputError
from mtmsd.files.tensor_file import checksum_of, load_arrays, save_arrays
from mtmsd.mapping import mapper
from mtmsd.regions import learner
from mtmsd.regions.classifier import RegionClassifier
from mtmsd.reporting import Reporter
from running import leftovers
from small_files import cube, rectangle, write_polygons, write_raster

pytestmark = pytest.mark.slow
WAVES = [450, 550, 650, 850, 1600, 2200]


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def run(*line: str | Path) -> int:
    return main([str(word) for word in line])


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as made:
        return made.read(1)


@pytest.fixture(scope="module")
def learnt(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the regions of two fields: r.gpkg, r.tif, k.safetensors, report.html."""
    folder = tmp_path_factory.mktemp("regions")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learner, "STEPS", 40)
        status = run(
            "regions", trained / "scene.tif", trained / "labels.gpkg", "-o", folder / "r.gpkg",
            "--map", folder / "r.tif", "--size", "5", "--report", folder / "report.html",
            "--classifier-out", folder / "k.safetensors",
        )  # fmt: skip
    assert status == 0
    return folder


def test_the_file_maps_the_same_scene_again_without_learning(
    learnt: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner, "STEPS", None)  # it would fail at once
    layer, raster = tmp_path / "again.gpkg", tmp_path / "again.tif"
    line = ["regions", trained / "scene.tif", "-o", layer, "--map", raster]
    assert run(*line, "--classifier", learnt / "k.safetensors") == 0
    np.testing.assert_array_equal(read(raster), read(learnt / "r.tif"))
    first, second = (pyogrio.raw.read(path) for path in (learnt / "r.gpkg", layer))
    assert [*first[0]["fields"]] == [*second[0]["fields"]]
    assert [*first[2]] == [*second[2]], "the same outlines"
    for one, other in zip(first[3], second[3], strict=True):
        np.testing.assert_array_equal(one, other)


def test_classify_maps_with_it_whatever_its_own_blocks_are(
    learnt: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of a map do not lie on those of the regions: the pixels are the same."""
    monkeypatch.setattr(mapper, "BLOCK", 17)
    monkeypatch.setattr("mtmsd.regions.blocks.BLOCK", 20)
    raster, shares = tmp_path / "whole.tif", tmp_path / "p.tif"
    line = ["--classifier", learnt / "k.safetensors", "--map", raster]
    assert run("regions", trained / "scene.tif", "-o", tmp_path / "b.gpkg", *line) == 0
    out = tmp_path / "map.tif"
    line = ["classify", trained / "scene.tif", "-o", out, "--probabilities", shares]
    assert run(*line, "--classifier", learnt / "k.safetensors") == 0
    np.testing.assert_array_equal(read(out), read(raster))
    with rasterio.open(shares) as made:
        probabilities = made.read()
    np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(0) + 1, read(raster))


def test_it_maps_another_scene_of_other_size_and_its_gaps(learnt: Path, tmp_path: Path) -> None:
    data = cube(6, 23, 31, seed=1)
    data[:3, :, 12:] //= 2
    data[:, 5:9, 3:8] = -9999
    scene = write_raster(tmp_path / "other.tif", data, wavelengths=WAVES, nodata=-9999)
    line = ["regions", scene, "-o", tmp_path / "o.gpkg", "--map", tmp_path / "o.tif"]
    assert run(*line, "--classifier", learnt / "k.safetensors") == 0
    found = read(tmp_path / "o.tif")
    assert (found[5:9, 3:8] == 0).all()
    truth = np.where(np.arange(31) < 12, 1, 2) * np.ones((23, 1))
    known = found > 0
    assert known.sum() == 23 * 31 - 20
    assert (found == truth)[known].mean() > 0.95


def test_the_report_tells_ceiling_and_price(learnt: Path, trained: Path, tmp_path: Path) -> None:
    figures = json.loads((learnt / "report.json").read_text("utf-8"))
    own = figures["regions"]
    assert own["overall"] == figures["overall"]
    assert own["n"] == figures["n"]
    assert 0.9 < own["overall"] <= own["achievable"] <= 1
    assert own["pixel_map"] is None
    assert "achievable segmentation accuracy" in (learnt / "report.html").read_text("utf-8")
    pixels, report = tmp_path / "pixels.tif", tmp_path / "report.html"
    line = ["map", trained / "scene.tif", trained / "labels.gpkg", "-o", pixels]
    assert run(*line, "--classifier", "stack") == 0
    line = ["regions", trained / "scene.tif", "-o", tmp_path / "r.gpkg", "--report", report]
    line += ["--classifier", learnt / "k.safetensors", "--pixel-map", pixels]
    assert run(*line) == 0
    own = json.loads(report.with_suffix(".json").read_text("utf-8"))["regions"]
    with rasterio.open(pixels) as made:
        stack = json.loads(made.tags()["MTMSD"])["accuracy"]
    assert (own["pixel_map"], own["n"]) == (stack["overall"], stack["n"])


def test_a_map_of_other_held_out_pixels_is_not_compared(
    learnt: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = tmp_path / "forest.tif"
    line = ["map", trained / "scene.tif", trained / "labels.gpkg", "-o", pixels]
    assert run(*line, "--classifier", "rf", "--split", "polygons") == 0
    capsys.readouterr()
    line = ["regions", trained / "scene.tif", "-o", tmp_path / "r.gpkg"]
    line += ["--classifier", learnt / "k.safetensors", "--pixel-map", pixels]
    assert run(*line) == 0
    assert "not compared with 'forest.tif'" in told(capsys)


class Stopping(Reporter):
    """Asks for a cancel once a phase has begun whose title has these words."""

    def __init__(self, words: str) -> None:
        self.words, self.asked, self.titles = words, False, []

    @property
    def cancel_requested(self) -> bool:
        return self.asked

    def phase(self, name: str, title: str) -> None:
        self.titles.append(title)
        self.asked = self.words in title


@pytest.mark.parametrize(
    ("stop", "again"),
    [
        ("without fold 2", ["Learning regions without fold 1 of 3"]),
        ("from all polygons", ["Learning regions from all polygons"]),
        ("Writing the regions", ["Writing the regions"]),
    ],
)
def test_a_cancel_leaves_nothing_and_resume_goes_on_where_it_was(
    stop: str, again: list[str], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner, "STEPS", 2)
    values = {
        "scene": str(trained / "scene.tif"), "labels": str(trained / "labels.gpkg"),
        "output": str(tmp_path / "r.gpkg"), "map": str(tmp_path / "r.tif"), "size": 5,
    }  # fmt: skip
    with pytest.raises(Canceled):
        regions.run(build(regions.Arguments, values), Stopping(stop))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []
    assert leftovers(tmp_path) == []
    listening = Stopping("never")
    regions.run(build(regions.Arguments, {**values, "resume": True}), listening)
    assert listening.titles[:1] == again
    resumed = read(tmp_path / "r.tif")
    assert not (tmp_path / "r.gpkg.work").exists()
    regions.run(build(regions.Arguments, values), Reporter())
    np.testing.assert_array_equal(read(tmp_path / "r.tif"), resumed)


def broken_off(*_: object) -> None:
    raise Canceled


def test_map_with_validation_tells_the_regions_and_resumes_them(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner, "STEPS", 20)
    report, kept = tmp_path / "report.html", tmp_path / "k.safetensors"
    reference = write_polygons(
        tmp_path / "reference.gpkg", [rectangle(9, 14, 4, 5), rectangle(9, 40, 4, 5)],
        class_id=np.array([1, 2]), class_name=np.array(["left", "right"], object),
    )  # fmt: skip
    line = ["map", trained / "scene.tif", trained / "labels.gpkg", "-o", tmp_path / "m.tif"]
    line += ["--classifier", "rf", "--regions", "supertokens", "--region-size", "5"]
    line += ["--validation", reference, "--region-out", kept, "--report", report]
    with monkeypatch.context() as patch:
        patch.setattr(assess, "run", broken_off)
        assert run(*line) == 3
    stamp = kept.stat().st_mtime_ns
    monkeypatch.setattr(learner, "STEPS", None)  # it would fail at once
    assert run(*line, "--resume") == 0
    assert kept.stat().st_mtime_ns == stamp, "not learnt again"
    figures = json.loads(report.with_suffix(".json").read_text("utf-8"))
    own = figures["regions"]
    assert own["pixel_map"] is None, "the two are judged by other pixels"
    assert 0.9 < own["overall"] <= own["achievable"] <= 1
    assert "No map with these regions" in report.read_text("utf-8")


BAD = [
    ({}, "learnt from labels, or mapped with a file of learnt ones"),
    ({"labels": "labels.gpkg", "classifier": "classifier.safetensors"}, "Give one of the two"),
    ({"classifier": "classifier.safetensors", "size": 4}, "have their size and their file already"),
    ({"classifier": "classifier.safetensors"}, "classifier of single pixels; it holds no learnt"),
    ({"classifier": "model.safetensors"}, "a diffusion-model file, not a classifier file"),
    ({"labels": "labels.gpkg", "size": 1}, "cannot begin as squares of 1 px in scene"),
    ({"labels": "labels.gpkg", "size": 41}, "Give a size from 2 to 40, or 0"),
    ({"labels": "labels.gpkg", "map": "m.png"}, "'m.png' cannot be written: it is a GeoTIFF"),
    ({"labels": "labels.gpkg", "kind": "slic"}, "There is no kind of regions 'slic'"),
    ({"labels": "labels.gpkg", "classifier_output": "k.pt"}, "'k.pt' cannot be written"),
    ({"labels": "labels.gpkg", "holdout": 1}, "share of polygons to hold out cannot be 1"),
]


@pytest.mark.parametrize(("given", "sentence"), BAD)
def test_what_cannot_be_is_one_sentence_and_nothing_is_written(
    given: dict, sentence: str, trained: Path, tmp_path: Path
) -> None:
    files = {
        name: str((tmp_path if name in ("map", "classifier_output") else trained) / value)
        for name, value in given.items()
        if isinstance(value, str) and name != "kind"
    }
    values = {"scene": str(trained / "scene.tif"), "output": str(tmp_path / "r.gpkg"), **given}
    with pytest.raises(InputError) as caught:
        regions.run(build(regions.Arguments, values | files), Reporter())
    assert sentence in f"{caught.value.message} {caught.value.hint or ''}"
    assert list(tmp_path.iterdir()) == []


def test_map_says_that_a_size_alone_asks_for_no_regions(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["map", trained / "scene.tif", trained / "labels.gpkg", "-o", tmp_path / "m.tif"]
    assert run(*line, "--region-size", "4") == 1
    assert "No regions are asked for, but region_size is given" in told(capsys)


def test_a_scene_of_other_bands_is_refused(
    learnt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = write_raster(tmp_path / "few.tif", cube(3, 20, 20), wavelengths=WAVES[:3])
    line = ["regions", scene, "-o", tmp_path / "r.gpkg", "--classifier", learnt / "k.safetensors"]
    assert run(*line) == 1
    assert "few" in told(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["few.tif"]


def test_it_is_no_onnx_and_says_what_maps_with_it(
    learnt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export", learnt / "k.safetensors", "-o", tmp_path / "k.onnx") == 1
    text = told(capsys)
    assert "holds no diffusion network" in text
    assert "Only the engine with torch maps with this file" in text


WRONG = [
    ("kind", "slic", "regions of the kind slic"),
    ("size", 1, "squares of 1 px"),
    ("size", 2.5, "squares of 2.5 px"),
    ("seed", -1, "the seed -1"),
    ("color", 1, "TypeError"),
]


@pytest.mark.parametrize(("name", "value", "said"), WRONG)
def test_a_file_with_settings_that_cannot_be_is_refused(
    name: str, value: object, said: str, learnt: Path, tmp_path: Path
) -> None:
    arrays, metadata = load_arrays(learnt / "k.safetensors", "classifier")
    metadata["regions"][name] = value
    save_arrays(tmp_path / "bad.safetensors", "classifier", arrays, metadata)
    with pytest.raises(InputError, match=r"bad\.safetensors") as caught:
        load_classifier(tmp_path / "bad.safetensors")
    assert said in caught.value.message


@pytest.mark.parametrize("broken", ["input.mean", "network.out.1.weight", "whitening.weights"])
@pytest.mark.parametrize("how", ["missing", "short", "nan"])
def test_a_file_with_a_broken_part_is_refused(
    broken: str, how: str, learnt: Path, tmp_path: Path
) -> None:
    arrays, metadata = load_arrays(learnt / "k.safetensors", "classifier")
    whole = arrays.pop(broken)
    if how == "short":
        arrays[broken] = whole[:-1]
    elif how == "nan":
        arrays[broken] = np.full_like(whole, np.nan)
    save_arrays(tmp_path / "bad.safetensors", "classifier", arrays, metadata)
    with pytest.raises(InputError, match=r"bad\.safetensors"):
        load_classifier(tmp_path / "bad.safetensors")


def test_it_comes_back_from_its_file_bit_by_bit(learnt: Path, tmp_path: Path) -> None:
    first = load_classifier(learnt / "k.safetensors")
    assert isinstance(first, RegionClassifier)
    assert first.settings.size == 5
    assert [info.name for info in first.classes] == ["left", "right"]
    assert first.metadata["accuracy"]["regions"]["n"] > 0
    first.save(tmp_path / "k.safetensors")
    assert checksum_of(tmp_path / "k.safetensors") == checksum_of(learnt / "k.safetensors")
