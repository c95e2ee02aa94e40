"""The assessment from files to report: what it takes out, what it refuses, what it writes."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from mtmsd.assess.assess import assess_map, report_held_out
from mtmsd.assess.baseline import Baseline
from mtmsd.assess.evaluation import evaluate
from mtmsd.assess.map_report import report_of_map
from mtmsd.assess.validation import joined
from mtmsd.classes import ClassInfo
from mtmsd.errors import InputError
from mtmsd.labels.read import read_labels
from mtmsd.labels.splits import Split
from mtmsd.postprocess.filters import unknown_below
from mtmsd.reporting import Reporter
from mtmsd.scene.output import class_map
from mtmsd.scene.raster import Scene
from page import Page
from small_files import GRID, rectangle, write_polygons, write_raster

HEIGHT, WIDTH = 40, 60
CLASSES = [ClassInfo(1, "dry <b>soil</b>", "#aa7744"), ClassInfo(2, "grass & herbs", "#22aa44")]

METADATA = {
    "seed": 4,
    "settings": {"a": 1},
    "weights": {
        "timesteps": [50, 100],
        "stages": [0, 1, 2],
        "values": [[0.1, 0.2, 0.3], [0.3, 0.05, 0.05]],
    },
}


class _Heard(Reporter):
    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.artifacts: list[Path] = []

    def warning(self, message: str) -> None:
        self.warnings.append(message)

    def artifact(self, kind: str, path: Path) -> None:
        self.artifacts.append(path)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Left half dark, right half bright: two classes that spectra tell apart."""
    data = np.full((3, HEIGHT, WIDTH), 200) + np.random.default_rng(0).integers(
        -20, 20, (3, HEIGHT, WIDTH)
    )
    data[:, :, 30:] += 300
    path = tmp_path / "scene.tif"
    return write_raster(path, data.astype("int16"), wavelengths=[500, 700, 900], nodata=-9999)


@pytest.fixture
def mapped(tmp_path: Path, scene: Path) -> Path:
    """The true map, but for rows 0 to 9 of the right half, which are mapped as class 1."""
    values = np.ones((HEIGHT, WIDTH), np.uint8)
    values[10:, 30:] = 2
    values[30:35, :] = 0
    with (
        Scene.open(scene) as opened,
        class_map(tmp_path / "map.tif", opened, CLASSES, METADATA) as out,
    ):
        out.write(values, 0, 0)
    return tmp_path / "map.tif"


def _polygons(path: Path, *boxes: tuple[int, int, int, int, int]) -> Path:
    """Boxes of (class, row, col, height, width)."""
    return write_polygons(
        path, [rectangle(*box[1:]) for box in boxes], class_id=np.array([b[0] for b in boxes])
    )


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    """Class 1: 4×5 and 2×5 right. Class 2: 4×5 wrong, 6×5 right, 3 of its rows nodata."""
    return _polygons(
        tmp_path / "reference.gpkg",
        (1, 2, 3, 4, 5),
        (1, 20, 3, 2, 5),
        (2, 3, 40, 4, 5),
        (2, 27, 40, 6, 5),
    )


@pytest.fixture
def training(tmp_path: Path) -> Path:
    """Two boxes apart from the reference, and one of class 2 over two of its rows."""
    return _polygons(
        tmp_path / "training.gpkg", (1, 12, 20, 5, 5), (2, 15, 50, 5, 5), (2, 28, 40, 2, 5)
    )


def test_from_files_to_report(
    tmp_path: Path, mapped: Path, reference: Path, training: Path, scene: Path
) -> None:
    heard = _Heard()
    out = tmp_path / "out.html"
    sure = write_raster(tmp_path / "confidence.tif", np.full((HEIGHT, WIDTH), 0.85, np.float32))
    result = assess_map(
        mapped,
        reference,
        report=out,
        confidence_path=sure,
        scene_path=scene,
        training_path=training,
        reporter=heard,
        commands=["mtmsd map scene.tif"],
    )
    # Class 2 has 20 wrong pixels; of 6×5 right ones, 3 rows are nodata, 2 are training pixels.
    assert result["confusion"]["matrix"] == [[30, 0], [20, 5]]
    assert result["overall"] == pytest.approx(35 / 55)
    assert "10 of 65 reference pixels are training pixels and were left out." in heard.warnings
    assert any(w.startswith("15 of 80 labelled pixels") for w in heard.warnings)
    assert [b["overall"] for b in result["baselines"]] == [1.0, 1.0]
    # Two polygons a class cannot prove that the map is worse, and the verdict does not claim it.
    assert result["verdict"].startswith("The map's accuracy is lower than the spectral baseline's")
    assert "the reference polygons are too few to tell" in result["verdict"]
    assert [b["difference_interval"] for b in result["baselines"]] == [None, None]
    assert result["training"]["n"] == 60
    assert result["calibration"]["expected_error"] == pytest.approx(0.85 - 35 / 55)
    assert "21.4 points" in out.read_text(encoding="utf-8")
    assert json.loads((tmp_path / "out.json").read_text()) == json.loads(json.dumps(result))
    assert heard.artifacts == [out, tmp_path / "out.json"]
    assert shlex.split(result["commands"][1])[:4] == [
        "mtmsd",
        "assess",
        str(mapped),
        str(reference),
    ]


def test_the_report_is_one_file_whose_first_sentence_is_the_verdict(
    tmp_path: Path, mapped: Path, reference: Path
) -> None:
    out = tmp_path / "out.html"
    result = assess_map(mapped, reference, report=out, json_out=tmp_path / "figures.json")
    page = out.read_text(encoding="utf-8")
    parsed = Page(page)
    assert parsed.links
    assert all(link.startswith("data:image/") for link in parsed.links)
    assert not re.search(r"@import|url\(|<script|<link", page)
    body = re.sub(r"<[^>]+>", "", page[page.index("<p") :])
    assert body.startswith(result["verdict"].replace("&", "&amp;"))
    assert result["verdict"].endswith("there is no spectral baseline to compare with.")
    assert "dry <b>soil</b>" in parsed.text, "a class name must not become markup"
    assert "@media print" in page
    assert (tmp_path / "figures.json").is_file()
    assert not (tmp_path / "out.json").exists()


def _named(path: Path, *boxes: tuple[str, int, int, int, int]) -> Path:
    return write_polygons(
        path, [rectangle(*box[1:]) for box in boxes], kind=np.array([b[0] for b in boxes])
    )


def test_a_reference_that_calls_its_classes_otherwise_is_matched(
    tmp_path: Path, mapped: Path
) -> None:
    boxes = (("Wiese", 20, 40, 5, 6), ("Acker", 20, 3, 2, 5), ("Weg", 2, 3, 1, 4))
    theirs = _named(tmp_path / "r.gpkg", *boxes, ("grass & herbs", 2, 40, 2, 5))
    match = {"Wiese": "2", "Acker": "dry <b>soil</b>", "Weg": "", "Wald": "2"}
    result = assess_map(
        mapped, theirs, class_field="kind", match=match, report=tmp_path / "out.html"
    )
    assert [c["name"] for c in result["classes"]] == [c.name for c in CLASSES]
    # 10 of Acker and 30 of Wiese are right; the map's own name needs no match, and is wrong
    assert result["confusion"]["matrix"] == [[10, 0], [10, 30]]
    assert "4 pixels of 'r.gpkg' were left out as asked: Weg." in result["warnings"]
    assert any("so their match has no effect: Wald." in w for w in result["warnings"])
    assert "--match Wiese=2" in result["commands"][-1]


def test_a_class_that_is_none_of_the_maps_counts_as_wrong_and_is_named(
    tmp_path: Path, mapped: Path, reference: Path
) -> None:
    result = assess_map(mapped, reference, match={"2": "-"}, report=tmp_path / "out.html")
    assert result["n"] == 65, "its pixels are not left out"
    assert sum(row[0] for row in result["confusion"]["matrix"][:1]) == 30
    assert any("classes that the map does not know" in w for w in result["warnings"])


@pytest.mark.parametrize(
    ("match", "said"),
    [
        ({"Acker": "snow"}, r"no class 'snow' for 'Acker' of 'r\.gpkg'; it has 'dry"),
        ({"Acker": "", "Wiese": ""}, "All classes of 'r.gpkg' are left out"),
    ],
)
def test_a_match_with_a_class_that_is_not_there_is_named(
    tmp_path: Path, mapped: Path, match: dict[str, str], said: str
) -> None:
    theirs = _named(tmp_path / "r.gpkg", ("Wiese", 20, 40, 5, 6), ("Acker", 20, 3, 2, 5))
    with pytest.raises(InputError, match=said):
        assess_map(mapped, theirs, class_field="kind", match=match, report=tmp_path / "out.html")
    assert not (tmp_path / "out.html").exists()


def test_without_a_reference_the_report_is_of_what_the_classifier_brought_along(
    tmp_path: Path, scene: Path, training: Path
) -> None:
    rival = Baseline("svm", "support vector machine", np.array([1, 1, 2, 1], np.uint16), 2.5)
    told = evaluate([1, 1, 2, 2], [1, 2, 2, 2], CLASSES, [rival], groups=[0, 1, 2, 3])
    del told["baselines"][0]["seconds"]  # as in a classifier's file
    for name, metadata in (("told", METADATA | {"accuracy": told}), ("silent", METADATA)):
        with (
            Scene.open(scene) as opened,
            class_map(tmp_path / f"{name}.tif", opened, CLASSES, metadata) as out,
        ):
            out.write(np.ones((HEIGHT, WIDTH), np.uint8), 0, 0)
    page = tmp_path / "out.html"
    result = report_of_map(
        tmp_path / "told.tif", report=page, scene_path=scene, training_path=training
    )
    assert result["confusion"]["matrix"] == [[1, 1], [0, 2]]
    assert result["overall"] == 0.75
    assert "75.0" in page.read_text(encoding="utf-8")
    alone = report_of_map(tmp_path / "told.tif", report=tmp_path / "alone.html")
    assert alone["overall"] == 0.75
    with pytest.raises(InputError, match=r"map 'silent\.tif' brings no accuracy along"):
        report_of_map(tmp_path / "silent.tif", report=tmp_path / "none.html")


def test_areas_are_those_of_the_pixels(tmp_path: Path, mapped: Path, reference: Path) -> None:
    area = assess_map(mapped, reference, report=tmp_path / "out.html")["area"]
    assert area["unit"] == "ha"
    by_name = {c["name"]: c for c in area["classes"]}
    assert by_name["grass & herbs"]["pixels"] == 25 * 30
    assert by_name["grass & herbs"]["mapped"] == pytest.approx(25 * 30 * 0.01)
    total = sum(c["mapped"] for c in area["classes"])
    assert sum(c["adjusted"] for c in area["classes"]) == pytest.approx(total)
    # 20 of the 50 reference pixels mapped as class 1 are class 2: so are 40 % of its area.
    assert by_name["grass & herbs"]["adjusted"] == pytest.approx(7.5 + 0.4 * (total - 7.5))


def test_a_map_of_a_part_is_assessed_at_its_own_place(
    tmp_path: Path, scene: Path, training: Path
) -> None:
    part = np.ones((20, 30), np.uint8)
    part[:, 15:] = 2
    path = write_raster(
        tmp_path / "part.tif", part, transform=GRID * Affine.translation(15, 10), nodata=0
    )
    reference = _polygons(tmp_path / "r.gpkg", (1, 12, 24, 5, 6), (2, 12, 30, 5, 10))
    result = assess_map(
        path, reference, report=tmp_path / "o.html", scene_path=scene, training_path=training
    )
    # 5 of class 1's pixels are training pixels.
    assert result["confusion"]["matrix"] == [[25, 0], [0, 50]]
    assert [b["overall"] for b in result["baselines"]] == [1.0, 1.0]
    assert result["classes"][1]["name"] == "2"


def test_a_class_the_map_does_not_know_is_said_and_the_rest_reported(
    tmp_path: Path, mapped: Path
) -> None:
    labels = _polygons(tmp_path / "l.gpkg", (1, 2, 3, 4, 5), (9, 12, 3, 4, 5))
    heard = _Heard()
    result = assess_map(mapped, labels, report=tmp_path / "o.html", reporter=heard)
    assert result["overall"] == 0.5
    assert any("classes that the map does not know" in w and "9 (9)" in w for w in heard.warnings)
    assert any("not evaluated: grass & herbs" in w for w in heard.warnings)


def test_unknown_pixels_count_as_wrong_and_are_counted(
    tmp_path: Path, mapped: Path, reference: Path
) -> None:
    stated = np.full((HEIGHT, WIDTH), 0.9, np.float32)
    stated[:, 41:] = 0.3  # 4 of the 5 columns of class 2's boxes
    sure = write_raster(tmp_path / "sure.tif", stated)
    unknown_below(mapped, sure, tmp_path / "unknown.tif", 0.5)
    result = assess_map(tmp_path / "unknown.tif", reference, report=tmp_path / "o.html")
    # Class 1: 30 right. Class 2: of 4×5 wrong and 3×5 right pixels a fifth is left.
    assert result["overall"] == pytest.approx((30 + 3) / 65)
    share = f"{33 / 37:.1%}"
    assert result["warnings"][-2:] == [
        f"28 of 65 reference pixels are mapped as 'unknown', which counts as wrong; of the others "
        f"{share} are right.",
        "No reference pixels, so not evaluated: unknown.",
    ]


def test_names_match_the_map_whatever_their_order(tmp_path: Path, mapped: Path) -> None:
    # Alone, this file's only class would be numbered 1, which is soil in the map.
    labels = write_polygons(
        tmp_path / "names.gpkg",
        [rectangle(15, 40, 4, 5)],
        landcover=np.array(["grass & herbs"], object),
    )
    result = assess_map(mapped, labels, report=tmp_path / "o.html")
    assert result["overall"] == 1.0


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("float map", "is not a class map: it has values of type float32"),
        ("scene", "is not a class map: it has 3 bands"),
        ("no raster", "cannot be read as a raster"),
        ("outside", "outside"),
        ("other classes", r"have the classes 11, 12, the map 'map.tif' has 1, 2: none in common"),
        ("only nodata", "has no data"),
        ("all trained", "All 65 reference pixels are training pixels"),
        ("no folder", "cannot be written"),
    ],
)
def test_bad_input_is_one_clear_sentence(
    tmp_path: Path, mapped: Path, reference: Path, scene: Path, case: str, words: str
) -> None:
    values = np.ones((HEIGHT, WIDTH), np.float32)
    text = tmp_path / "text.txt"
    text.write_text("no raster")
    box = tmp_path / "box.gpkg"
    arguments = {
        "float map": (write_raster(tmp_path / "f.tif", values), reference),
        "scene": (scene, reference),
        "no raster": (text, reference),
        "outside": (mapped, _polygons(box, (1, 500, 500, 4, 4))),
        "other classes": (
            mapped,
            _polygons(tmp_path / "other.gpkg", (11, 2, 2, 4, 4), (12, 9, 2, 4, 4)),
        ),
        "only nodata": (mapped, _polygons(tmp_path / "n.gpkg", (1, 31, 2, 3, 4))),
    }.get(case, (mapped, reference))
    report = tmp_path / ("gone" if case == "no folder" else ".") / "o.html"
    trained = reference if case == "all trained" else None
    with pytest.raises(InputError, match=words) as caught:
        assess_map(*arguments, report=report, training_path=trained)
    assert "Traceback" not in caught.value.message
    assert caught.value.hint
    assert not list(tmp_path.glob("*.html"))
    assert not list(tmp_path.glob(".*"))


def test_held_out_figures_are_reported_as_they_are(
    tmp_path: Path, mapped: Path, reference: Path, training: Path, scene: Path
) -> None:
    with Scene.open(scene) as opened:
        test, train = (read_labels(p, opened, minimum=0) for p in (reference, training))
        evaluation = evaluate(test.values, test.values, CLASSES, split_description="Held out.")
        evaluation["learning_curve"] = [
            {"labels": 10, "overall": 0.5, "interval": [0.4, 0.6]},
            {"labels": 20, "overall": 0.7, "interval": [0.6, 0.8]},
        ]
        result = report_held_out(
            mapped,
            evaluation,
            joined([train, test]),
            [Split(train, test, (), "Held out.")],
            report=tmp_path / "o.html",
            scene=opened,
        )
    assert result["overall"] == 1.0, "the held-out figures, not those of the map"
    page = (tmp_path / "o.html").read_text(encoding="utf-8")
    for words in ("Held out.", "Would more labels help?", "What the model looks at", "Spectra"):
        assert words in page


def test_folds_are_drawn_and_nothing_held_out_still_gives_a_report(
    tmp_path: Path, mapped: Path, reference: Path, training: Path, scene: Path
) -> None:
    with Scene.open(scene) as opened:
        one, two = (read_labels(p, opened, minimum=0) for p in (reference, training))
        labels = joined([one, two])
        evaluation = evaluate(labels.values, labels.values, CLASSES)
        folds = [Split(two, one, (), "Folds."), Split(one, two, (), "Folds.")]
        crossed = report_held_out(mapped, evaluation, labels, folds, report=tmp_path / "a.html")
        nothing = report_held_out(
            mapped, None, labels, (), report=tmp_path / "b.html", scene=opened
        )
    titles = [(part["title"], part["pixels"]) for part in crossed["split_legend"]]
    assert titles == [("tested in fold 1", len(one)), ("tested in fold 2", len(two))]
    assert nothing["verdict"].startswith("How accurate the map is cannot be said")
    assert [part["title"] for part in nothing["split_legend"]] == ["training"]
    page = Page((tmp_path / "b.html").read_text(encoding="utf-8"))
    assert "Spectra of the reference classes" in page.text
    assert "Confusion matrix" not in page.text
    assert sum(c["mapped"] for c in nothing["area"]["classes"]) == pytest.approx(21.0)
