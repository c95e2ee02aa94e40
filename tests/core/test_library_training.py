"""Spectra of a library train: classes without a polygon, and beside polygons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from mtmsd.classes import ClassInfo
from mtmsd.cli.main import main
from mtmsd.errors import InputError
from mtmsd.libraries.training import TrainingLibrary, read_training_library, split_source
from mtmsd.reporting import Reporter
from mtmsd.scene.raster import Scene
from mtmsd.scene.whitening import fit_whitening
from mtmsd.stack.features import FeatureReader, features_alone
from small_files import rectangle, write_polygons, write_raster

WAVES = [450.0, 550.0, 650.0, 850.0, 1600.0, 2200.0]
SHAPES = {"left": (5, 6, 7, 8, 9, 10), "right": (10, 9, 8, 7, 6, 5), "pond": (9, 8, 3, 2, 1, 1)}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Three fields, polygons of two of them, and a library of the third, in percent."""
    rng = np.random.default_rng(3)
    field = np.repeat([0, 1, 2], 12)
    shapes = np.array(list(SHAPES.values()), float)[field].T[:, None]
    data = 300 * shapes * rng.normal(1, 0.05, (1, 30, 36)) + rng.normal(0, 20, (6, 30, 36))
    write_raster(tmp_path / "scene.tif", data.astype("int16"), wavelengths=WAVES, nodata=-9999)
    spots = [(2, 2), (12, 3), (22, 4), (3, 14), (13, 15), (23, 14)]
    write_polygons(
        tmp_path / "labels.gpkg",
        [rectangle(row, col, 4, 5) for row, col in spots],
        class_name=np.array(["left"] * 3 + ["right"] * 3, object),
    )
    write_library(tmp_path / "lib.csv", pond=SHAPES["pond"])
    return tmp_path


def write_library(path: Path, **spectra: tuple[float, ...]) -> Path:
    """Write spectra, told as the scene's shapes are, at 1 nm from 400 to 2300 nm in percent."""
    fine = np.arange(400, 2301)
    columns = [np.interp(fine, WAVES, np.array(values) * 3.0) for values in spectra.values()]
    rows = [",".join([str(w), *(f"{v:.5g}" for v in row)]) for w, *row in zip(fine, *columns)]
    path.write_text("\n".join([",".join(["wavelength_nm", *spectra]), *rows]))
    return path


def run(capfd: Any, *line: Any) -> tuple[int, list[dict[str, Any]]]:
    status = main([*map(str, line), "--json"])
    out, err = capfd.readouterr()
    lines = (out + err).splitlines()  # a job takes stdout for itself: the next finds it on stderr
    return status, [json.loads(text) for text in lines if text.startswith("{")]


@pytest.mark.parametrize("kind", ["stack", "svm", "rf"])
@pytest.mark.slow
def test_a_class_from_a_library_alone_is_mapped_and_named_in_the_report(files, capfd, kind):
    status, told = run(
        capfd, "map", files / "scene.tif", files / "labels.gpkg", "-o", files / "map.tif",
        "--classifier", kind, "--library", f"{files / 'lib.csv'}:pond",
        "--report", files / "r.html",
    )  # fmt: skip
    assert status == 0, told[-1]
    with rasterio.open(files / "map.tif") as dataset:
        values = dataset.read(1)
        classes = {c["name"]: c["value"] for c in json.loads(dataset.tags()["MTMSD"])["classes"]}
    assert classes == {"left": 1, "right": 2, "pond": 3}
    for name, part in zip(SHAPES, np.split(values, 3, axis=1), strict=True):
        inner = part[:, 2:-2]  # the stack looks around a pixel
        assert (inner == classes[name]).mean() > 0.9, name
    alone = "Learnt from library spectra alone, without a polygon: pond (lib.csv; 1 spectra in all)"
    accuracy = told[-1]["results"]["accuracy"]
    assert sum(alone in sentence for sentence in accuracy["warnings"]) == 1
    assert alone in (files / "r.html").read_text()
    assert "No reference pixels, so not evaluated: pond." in accuracy["warnings"]


def test_a_library_beside_a_single_class_of_polygons_is_enough(files, capfd):
    labels = write_polygons(
        files / "one.gpkg", [rectangle(2, 2, 4, 5), rectangle(12, 3, 4, 5)], class_id=[1, 1]
    )
    line = ["train", files / "scene.tif", labels, "-o", files / "c.safetensors", "--holdout", "0"]
    status, told = run(capfd, *line)
    assert (status, "has one class only" in told[-1]["message"]) == (1, True)
    status, told = run(capfd, *line, "--library", files / "lib.csv")
    assert status == 0, told[-1]
    (files / "only.csv").write_text("name,class\npond,1\n")
    status, told = run(
        capfd, *line, "--library", files / "lib.csv", "--library-classes", files / "only.csv"
    )
    assert (status, "have one class only" in told[-1]["message"]) == (1, True)


def test_spectra_of_a_known_class_join_it_and_a_table_gives_the_others_one(files):
    known = (ClassInfo(1, "left", "#112233"), ClassInfo(4, "right", "#445566"))
    library = write_library(files / "l.csv", a=SHAPES["pond"], b=SHAPES["left"], c=SHAPES["pond"])
    (files / "t.csv").write_text("name,class\nA,Water\nb,LEFT\n")
    with Scene.open(files / "scene.tif") as scene:
        found, classes = read_training_library(scene, [str(library)], known, table=files / "t.csv")
    assert [(c.value, c.name) for c in classes] == [(1, "left"), (2, "Water"), (4, "right")]
    assert found.values.tolist() == [2, 1]
    assert [info.name for info in found.alone] == ["Water"]
    assert found.origin == {"files": {"l.csv": {"Water": 1, "LEFT": 1}}, "alone": ["Water"]}
    assert (
        "1 of 3 spectra of 'l.csv' are not in 't.csv' and were left out, the first is 'c'"
        in (found.notes[0])
    )
    assert np.allclose(found.spectra[1], np.array(SHAPES["left"]) * 300, rtol=0.05)


def test_a_library_that_lacks_bands_is_refused_with_the_bands_to_leave_out(files, capfd):
    text = (files / "lib.csv").read_text().splitlines()
    (files / "short.csv").write_text("\n".join(text[:700]))  # to 1098 nm
    line = ["train", files / "scene.tif", files / "labels.gpkg", "-o", files / "c.safetensors"]
    line += ["--holdout", "0", "--library", f"{files / 'short.csv'}:pond"]
    status, told = run(capfd, *line)
    assert status == 1
    assert "'short.csv' cannot train: it does not cover 2 of the 6 bands" in told[-1]["message"]
    assert "--exclude 1600-2200nm" in told[-1]["hint"]
    assert run(capfd, *line, "--exclude", "1600-2200nm")[0] == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--library", "lib.csv", "--classifier", "mtmsd", "--model", "m.safetensors"],
         "'mtmsd' reads patches of the scene, so it cannot learn the spectra of a library"),
        (["--library-classes", "lib.csv"], "gives classes to a library, and there is none"),
        (["--library", "none.csv:pond"], "There is no spectral library"),
    ],
)  # fmt: skip
def test_what_cannot_train_is_refused_before_any_work(files, capfd, monkeypatch, options, sentence):
    monkeypatch.chdir(files)
    status, told = run(capfd, "train", "scene.tif", "labels.gpkg", "-o", "c.safetensors", *options)
    assert status == 1
    assert sentence in told[-1]["message"]
    assert not (files / "c.safetensors").exists()


def test_too_many_new_classes_are_refused(files):
    many = write_library(files / "many.csv", **{f"s{i}": SHAPES["pond"] for i in range(51)})
    with Scene.open(files / "scene.tif") as scene:
        with pytest.raises(InputError, match="would make 51 new classes; 50 are the most"):
            read_training_library(scene, [str(many)], [])
        found, _ = read_training_library(scene, [f"{many}:pond"], [])
    assert found.values.tolist() == [1] * 51


def test_a_spectrum_has_itself_as_its_neighbourhood_whitened_as_pixels_are(files):
    with Scene.open(files / "scene.tif") as scene:
        whitening = fit_whitening(scene, 4, seed=0)
        pixel = FeatureReader(scene, whitening).at(np.array([9]), np.array([7]), Reporter())
    alone = features_alone(pixel.spectra, whitening)
    assert np.array_equal(alone.context[:, 0], pixel.context[:, 0])
    assert all(np.array_equal(alone.context[:, i], alone.context[:, 0]) for i in range(4))


def test_library_pixels_scatter_as_the_polygons_do_and_keep_the_spectrum_itself():
    spectra = np.array([[10.0, 20.0]], np.float32)
    library = TrainingLibrary(spectra, np.array([7], np.uint16))
    known = np.array([[1, 1], [3, 3], [2, 2], [4, 4]], np.float32)
    pixels, values = library.pixels(known, np.array([1, 1, 2, 2]), 0)
    assert values.tolist() == [7, 7]
    assert pixels[0].tolist() == [10, 20]
    assert {round(float(v), 4) for v in pixels[1] / spectra[0]} <= {0.5, 1.5, 0.6667, 1.3333}
    assert np.array_equal(pixels, library.pixels(known, np.array([1, 1, 2, 2]), 0)[0])


def test_a_path_with_a_colon_is_a_path(tmp_path):
    file = tmp_path / "a:b.csv"
    file.write_text("")
    assert split_source(str(file)) == (file, "")
    assert split_source(f"{file}: my  class") == (file, "my class")
    assert split_source("C:/none.csv") == (Path("C:/none.csv"), "")


def test_a_table_numbers_and_colours_classes_that_no_polygon_has(files):
    known = (ClassInfo(1, "left", "#112233"), ClassInfo(4, "right", "#445566"))
    spectra = dict.fromkeys("abcd", SHAPES["pond"])
    library, table = write_library(files / "l.csv", **spectra), files / "t.csv"

    def classes_of(*rows: str) -> list[tuple[int, str, str]]:
        table.write_text("\n".join(["name,class,value,color", *rows]))
        with Scene.open(files / "scene.tif") as scene:
            _, classes = read_training_library(scene, [str(library)], known, table=table)
        return [(c.value, c.name, c.color) for c in classes]

    rows = ("a,pond,9,#0000FF", "b,sand,4,", "c,RIGHT,7,#ffffff", "d,ash,,")
    found = classes_of(*rows)
    assert found[0] == (1, "left", "#112233")
    assert found[3:] == [(4, "right", "#445566"), (9, "pond", "#0000FF")]
    assert [row[:2] for row in found[1:3]] == [(2, "sand"), (3, "ash")]
    for row, sentence in (
        ("a,pond,x,", "the value 'x'"),
        ("a,pond,0,", "the value '0'"),
        ("a,pond,65536,", "the value '65536'"),
        ("a,pond,9,blue", "the colour"),
    ):
        with pytest.raises(InputError, match=f"the class 'pond' {sentence}"):
            classes_of(row)


def test_values_that_are_in_the_scenes_units_by_word_say_nothing_of_a_scale(files):
    with Scene.open(files / "scene.tif") as scene:
        one, _ = read_training_library(scene, [str(files / "lib.csv")], [], factor=1)
        two, _ = read_training_library(scene, [str(files / "lib.csv")], [], factor=2)
    assert one.notes == ()
    assert two.notes == ("The values of 'lib.csv' were multiplied by 2.",)
    assert np.allclose(two.spectra, 2 * one.spectra)


def test_spectra_that_are_named_by_numbers_or_with_a_semicolon_are_read_from_an_export(files):
    rows = [f"{i},{wave:g},{i},{2 * i},{3 * i}" for i, wave in enumerate(WAVES, 1)]
    head = 'band,wavelength_nm,1,2,"soil; dry, fine"'
    (files / "own.csv").write_text("\n".join([head, *rows]))
    with Scene.open(files / "scene.tif") as scene:
        found, _ = read_training_library(scene, [str(files / "own.csv")], [], factor=1)
    assert found.origin["alone"] == ["1", "2", "soil; dry, fine"]
    assert found.spectra.tolist() == [[float(k * i) for i in range(1, 7)] for k in (1, 2, 3)]


def test_a_spectrum_that_is_left_out_may_lack_bands(files):
    text = (files / "lib.csv").read_text().splitlines()
    rows = [f"{line},{line.split(',')[1] if i < 700 else ''}" for i, line in enumerate(text)]
    (files / "both.csv").write_text("\n".join([f"{text[0]},part", *rows[1:]]))
    (files / "t.csv").write_text("name,class\npond,pond\n")
    with Scene.open(files / "scene.tif") as scene:
        line = (scene, [str(files / "both.csv")], [])
        found, _ = read_training_library(*line, table=files / "t.csv")
        assert found.spectra.shape == (1, 6)
        with pytest.raises(InputError, match="does not cover 2 of the 6 bands"):
            read_training_library(*line)
