"""Classes are told apart by number and by one rule for names, in training and in assessment."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import rasterio
from mtmsd.assess.assess import assess_map
from mtmsd.classes import ClassInfo, distinct_names, name_key
from mtmsd.errors import InputError
from mtmsd.files.model_check import read_classes
from mtmsd.labels.read import read_labels
from mtmsd.postprocess.filters import unknown_below
from mtmsd.scene.class_map import ClassMap
from mtmsd.scene.output import class_map
from mtmsd.scene.raster import Scene
from small_files import rectangle, write_polygons, write_raster
from test_labels import read

BOXES = [rectangle(1, 1, 3, 4), rectangle(1, 8, 3, 4), rectangle(7, 1, 3, 4), rectangle(7, 8, 3, 4)]
SIX = [*BOXES, rectangle(10, 1, 2, 4), rectangle(10, 8, 2, 4)]


def layer(path: Path, names: list[object], boxes: list = BOXES, **fields: list) -> Path:
    return write_polygons(path, boxes, **{"class": np.array(names, object)}, **fields)


def mapped(path: Path, raster: Path, labels: Path, classes: list[ClassInfo] | None = None) -> Path:
    """A map that is right at every label."""
    with Scene.open(raster) as scene:
        found = read_labels(labels, scene)
        with class_map(path, scene, classes or found.classes, {}) as out:
            values = np.ones((scene.height, scene.width), np.uint16)
            values[found.rows, found.cols] = found.values
            out.write(values, 0, 0)
    return path


VARIANTS = [
    ("water", "WATER"),
    ("Water", "Water "),
    ("bare soil", "bare\u00a0soil"),
    ("bare soil", "bare  soil"),
    ("bare soil", "bare\u3000soil"),
    ("soil", "\u200bsoil"),
    ("soil", "\ufeffsoil"),
    ("Straße", "STRASSE"),
    ("Gewässer", "Gewa\u0308sser"),
    ("Soil", "Ｓｏｉｌ"),
    ("Œuvre", "œuvre"),
    ("\u2764", "\u2764\ufe0f"),
    ("soil\n", "soil"),
]


@pytest.mark.parametrize(("one", "other"), VARIANTS)
def test_names_that_look_the_same_are_one_class_in_training_and_assessment(
    raster: Path, tmp_path: Path, one: str, other: str
) -> None:
    path = layer(tmp_path / "p.gpkg", [one, other, "zebra", "zebra"])
    labels = read(path, raster)
    assert labels.counts() == {1: 24, 2: 24}
    assert any("were taken as one class" in w for w in labels.warnings)
    again = layer(tmp_path / "again.gpkg", [other, "zebra", "ZEBRA ", one])
    known = read(again, raster, classes=labels.classes, minimum=0)
    assert known.classes == labels.classes
    assert known.counts() == {1: 24, 2: 24}


def test_a_map_of_mixed_spellings_agrees_with_the_polygons_that_made_it(
    raster: Path, tmp_path: Path
) -> None:
    path = layer(tmp_path / "p.gpkg", ["water", "Water ", "veg", "Veg"])
    made = mapped(tmp_path / "map.tif", raster, path)
    result = assess_map(made, path, report=tmp_path / "r.html")
    assert result["overall"] == 1
    assert any("'Water ' = 'water'" in w for w in result["warnings"])


def test_other_words_are_other_classes() -> None:
    words = [
        "soil",
        "soils",
        "bare soil",
        "baresoil",
        "bare_soil",
        "so-il",
        "Soil 1",
        "Soil 2",
        "ı",
    ]
    assert len({name_key(word) for word in words}) == len(words)


@pytest.mark.parametrize(
    "name",
    [
        "bare\u00a0soil",
        "👨‍👩‍👧 field",
        "🏴\U000e0067\U000e0062\U000e007f",
        "می‌خواهم",
        "未\u3000知",
        "\U0001fae9",
        "\ue000",
    ],
)
def test_a_classifier_of_any_written_name_can_be_read(name: str) -> None:
    entry = dataclasses.asdict(ClassInfo(1, name, "#112233"))
    assert read_classes([entry])[0].name == name


@pytest.mark.parametrize("name", ["a\x1b[2J", "a\nb", "a\u2028b", "a\x9b", ""])
def test_a_name_that_drives_a_terminal_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="class name"):
        read_classes([{"value": 1, "name": name, "color": "#112233"}])


@pytest.mark.parametrize(
    "name", ["bell\x07", "right\u202eleft", "two\nlines", " \u00a0padded\u2003"]
)
def test_a_name_is_kept_so_that_its_classifier_can_be_read(
    raster: Path, tmp_path: Path, name: str
) -> None:
    path = write_polygons(
        tmp_path / "p.gpkg", BOXES, class_id=[1, 1, 2, 2],
        class_name=np.array([name, name, "b", "b"], object),
    )  # fmt: skip
    classes = read(path, raster).classes
    assert read_classes([dataclasses.asdict(info) for info in classes]) == classes


def test_a_text_that_is_no_name_is_refused_before_any_work(raster: Path, tmp_path: Path) -> None:
    path = layer(tmp_path / "p.gpkg", ["a" * 2000, "b", "b", "b"])
    with pytest.raises(InputError, match=r"'p.gpkg' has a name of 2000 characters"):
        read(path, raster)


def test_two_classes_of_one_name_keep_their_pixels_and_names_apart(
    raster: Path, tmp_path: Path
) -> None:
    names = np.array(["Water", "water ", "Soil", "Soil"], object)
    path = write_polygons(tmp_path / "p.gpkg", BOXES, class_id=[1, 5, 7, 7], class_name=names)
    labels = read(path, raster)
    assert labels.counts() == {1: 12, 5: 12, 7: 24}
    assert [c.name for c in labels.classes] == ["Water (1)", "water (5)", "Soil"]
    assert read(path, raster, classes=labels.classes, minimum=0).classes == labels.classes
    by_name = layer(tmp_path / "n.gpkg", ["water", "Soil", "Soil", "Soil"])
    with pytest.raises(
        InputError, match=r"'water' in the field 'class' of 'n.gpkg' may be any of "
    ):
        read(by_name, raster, classes=labels.classes, minimum=0)
    apart = layer(tmp_path / "a.gpkg", ["WATER (5)", "Soil", "Soil", "Soil"])
    assert read(apart, raster, classes=labels.classes, minimum=0).counts() == {1: 0, 5: 12, 7: 36}


def test_names_are_distinct_whatever_they_are() -> None:
    classes = [ClassInfo(i, n, "#000000") for i, n in enumerate(["a", "A", "a (1)", "b"], 1)]
    assert len({name_key(c.name) for c in distinct_names(classes)}) == 4
    assert distinct_names(classes)[3] == classes[3]


def test_numbers_that_mean_other_classes_in_the_map_are_refused(
    raster: Path, tmp_path: Path
) -> None:
    known = [ClassInfo(1, "water", "#111111"), ClassInfo(2, "soil", "#222222")]
    for names, refused in ((["soil", "water"], True), (["Wasser", "Boden"], False)):
        both = np.array([names[0], names[0], names[1], names[1]], object)
        path = write_polygons(
            tmp_path / f"{names[0]}.gpkg", BOXES, class_id=[1, 1, 2, 2], class_name=both
        )
        if refused:
            with pytest.raises(
                InputError, match=r"class 1 of 'soil.gpkg' is called 'soil', but in"
            ):
                read(path, raster, classes=known)
        else:
            assert read(path, raster, classes=known).counts() == {1: 24, 2: 24}


@pytest.mark.parametrize("name", ["unknown", "Unknown ", "Unbekannt", "unclassified", "nodata"])
def test_a_class_that_the_user_calls_unknown_is_one_like_any_other(
    raster: Path, tmp_path: Path, name: str
) -> None:
    path = layer(tmp_path / "p.gpkg", [name, name, "B", "B"])
    made = mapped(tmp_path / "map.tif", raster, path)
    result = assess_map(made, path, report=tmp_path / "r.html")
    assert result["overall"] == 1
    assert not any("mapped as" in w for w in result["warnings"])
    sure = np.full((12, 15), 0.9, np.float32)
    sure[1, 1:4] = 0.1
    confidence = write_raster(tmp_path / "c.tif", sure)
    unsure = unknown_below(made, confidence, tmp_path / "u.tif", 0.5)
    with ClassMap.open(unsure) as opened:
        assert opened.unknown == 255
        assert len({name_key(c.name) for c in opened.classes}) == 3
    result = assess_map(unsure, path, report=tmp_path / "r.html")
    (said,) = (w for w in result["warnings"] if "mapped as" in w)
    assert said.startswith("3 of 48 reference pixels are mapped as 'unknown")
    assert said.endswith("; of the others 100.0% are right.")
    again = unknown_below(unsure, write_raster(tmp_path / "c2.tif", np.ones((12, 15), "f4")),
                          tmp_path / "v.tif", 0.5)  # fmt: skip
    with rasterio.open(again) as dataset:
        assert (dataset.read(1)[1, 1:4] == 255).all()


def test_a_label_with_the_number_of_unknown_pixels_is_refused(raster: Path, tmp_path: Path) -> None:
    path = layer(tmp_path / "p.gpkg", ["a", "a", "B", "B"])
    made = mapped(tmp_path / "map.tif", raster, path)
    confidence = write_raster(tmp_path / "c.tif", np.full((12, 15), 0.1, np.float32))
    unsure = unknown_below(made, confidence, tmp_path / "u.tif", 0.5)
    numbers = write_polygons(tmp_path / "n.gpkg", BOXES, code=[255, 255, 1, 1])
    with pytest.raises(InputError, match=r"of the value 255, which in the map 'u.tif' stands for"):
        assess_map(unsure, numbers, report=tmp_path / "r.html")


def test_names_cannot_be_compared_with_a_map_of_bare_numbers(raster: Path, tmp_path: Path) -> None:
    path = layer(tmp_path / "p.gpkg", ["a", "a", "b", "b"])
    bare = write_raster(tmp_path / "map.tif", np.ones((12, 15), "uint8"), nodata=0)
    with pytest.raises(InputError, match=r"field 'class', the map 'map.tif' has numbers without"):
        assess_map(bare, path, report=tmp_path / "r.html")
    Path(f"{bare}.aux.xml").write_text(
        "<PAMDataset><PAMRasterBand band='1'><CategoryNames><Category/><Category>B</Category>"
        "<Category>a</Category></CategoryNames></PAMRasterBand></PAMDataset>"
    )
    assert assess_map(bare, path, report=tmp_path / "r.html")["overall"] == 0.5


def field_of(raster: Path, path: Path, **fields: list) -> tuple[str, str]:
    """The field that was guessed, and the sentence about it."""
    columns = {k: np.array(v, object if isinstance(v[0], str) else None) for k, v in fields.items()}
    labels = read(write_polygons(path, SIX, **columns), raster)
    return labels.field, " ".join(labels.warnings)


def test_the_guessed_field_is_the_one_with_classes_and_is_named(
    raster: Path, tmp_path: Path
) -> None:
    rois, kinds = [f"roi {i}" for i in range(6)], ["A", "A", "B", "B", "C", "C"]
    numbers, three = list(range(1, 7)), [1, 1, 2, 2, 3, 3]
    cases = [
        ({"macroclass_id": three, "macroclass_name": kinds, "class_id": numbers,
          "class_name": rois},
         "macroclass_id"),
        ({"MC_ID": three, "MC_info": kinds, "C_ID": numbers, "C_info": rois}, "MC_ID"),
        ({"class_id": numbers, "class": kinds}, "class"),
        ({"type": ["polygon"] * 6, "name": kinds}, "name"),
        ({"value": [0.5, 1.5, 2.5, 0.5, 1.5, 2.5], "name": kinds}, "name"),
        ({"id": numbers, "type": kinds}, "type"),
    ]  # fmt: skip
    for i, (fields, expected) in enumerate(cases):
        field, said = field_of(raster, tmp_path / f"{i}.gpkg", **fields)
        assert field == expected
        assert f"field '{expected}', which was guessed (3 classes in 6 features)" in said


def test_fields_that_give_the_same_classes_need_no_word(raster: Path, tmp_path: Path) -> None:
    kinds = ["A", "A", "B", "B", "C", "C"]
    field, said = field_of(
        raster,
        tmp_path / "p.gpkg",
        class_id=[1, 1, 2, 2, 3, 3],
        class_name=kinds,
        color=["#111111"] * 6,
    )
    assert (field, said) == ("class_id", "")


@pytest.mark.parametrize("fields", [{"class": range(1, 7)}, {"id": range(6), "name": range(6)}])
def test_a_field_that_numbers_the_features_is_never_guessed(
    raster: Path, tmp_path: Path, fields: dict
) -> None:
    columns = {k: np.array([f"roi {i}" for i in v], object) for k, v in fields.items()}
    path = write_polygons(tmp_path / "p.gpkg", SIX, **columns)
    with pytest.raises(InputError, match="has another value in each of its 6 features"):
        read(path, raster)
    assert len(read(path, raster, class_field=next(reversed(columns))).classes) == 6


def test_the_only_class_of_a_field_is_said_with_the_field(raster: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"one class only \('polygon'\) in the field 'type'"):
        field_of(raster, tmp_path / "p.gpkg", type=["polygon"] * 6, owner=["x", "y"] * 3)
