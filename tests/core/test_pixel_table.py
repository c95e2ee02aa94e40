"""Training pixels with their band values: what was labelled, and nothing else."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine
from mtmsd.cli.main import main
from mtmsd.files.atomic import SUFFIX
from mtmsd.labels.read import read_labels
from mtmsd.postprocess import pixel_table
from mtmsd.scene.raster import Scene
from small_files import GRID, UTM, cube, rectangle, write_polygons, write_raster
from test_labels import SQUARES

WAVES = [450.5, 550, 651.25, 800, 1000, 2200]


def export(*words: object) -> int:
    return main(["exportpixels", *map(str, words)])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def polygons(tmp_path: Path) -> Path:
    return write_polygons(tmp_path / "p.gpkg", SQUARES, class_id=[4, 9], class_name=["a", "ü, b"])


def test_each_pixel_is_a_row_with_its_own_values(
    tmp_path: Path, polygons: Path, monkeypatch
) -> None:
    monkeypatch.setattr(pixel_table, "BLOCK", 4)
    data = cube()
    scene = write_raster(tmp_path / "s.tif", data, wavelengths=WAVES)
    points, table = tmp_path / "o.gpkg", tmp_path / "o.csv"
    assert export(scene, polygons, "-o", points, "--table", table) == 0
    rows = rows_of(table)
    assert list(rows[0]) == [
        "class_id", "class_name", "polygon", "column", "row", "x", "y",
        "nm_450.5", "nm_550", "nm_651.25", "nm_800", "nm_1000", "nm_2200",
    ]  # fmt: skip
    assert len(rows) == 22
    for row in rows:
        r, c = int(row["row"]), int(row["column"])
        assert [float(v) for v in list(row.values())[7:]] == data[:, r, c].tolist()
        assert (float(row["x"]), float(row["y"])) == GRID * (c + 0.5, r + 0.5)
        assert row["class_name"] == {"4": "a", "9": "ü, b"}[row["class_id"]]
    with Scene.open(scene) as opened:
        labels = read_labels(polygons, opened)
    places = {(int(row["row"]), int(row["column"]), int(row["class_id"])) for row in rows}
    assert places == set(zip(*(x.tolist() for x in (labels.rows, labels.cols, labels.values)),
                             strict=True))  # fmt: skip
    meta, _, shapes, columns = pyogrio.raw.read(points)
    assert (meta["crs"], meta["geometry_type"]) == (UTM, "Point")
    found = dict(zip(meta["fields"].tolist(), columns, strict=True))
    assert found["nm_651.25"].tolist() == [float(row["nm_651.25"]) for row in rows]
    assert shapely.get_x(shapely.from_wkb(shapes)).tolist() == [float(row["x"]) for row in rows]
    assert len({row["polygon"] for row in rows}) == 2


def test_exported_points_train_the_same_pixels_again(tmp_path: Path, polygons: Path) -> None:
    scene = write_raster(tmp_path / "s.tif", cube(), wavelengths=WAVES)
    assert export(scene, polygons, "-o", tmp_path / "o.gpkg") == 0
    with Scene.open(scene) as opened:
        first = read_labels(polygons, opened)
        again = read_labels(tmp_path / "o.gpkg", opened)
    for name in ("rows", "cols", "values"):
        assert np.array_equal(getattr(first, name), getattr(again, name)), name
    assert [(c.value, c.name) for c in again.classes] == [(4, "a"), (9, "ü, b")]


def test_small_floats_are_read_back_to_the_bit(tmp_path: Path, polygons: Path) -> None:
    data = cube(dtype="float32") * np.float32(1.2345e-7)
    scene = write_raster(tmp_path / "s.tif", data)
    assert export(scene, polygons, "-o", tmp_path / "o.csv") == 0
    for row in rows_of(tmp_path / "o.csv"):
        values = np.array(list(row.values())[7:], np.float32)
        assert np.array_equal(values, data[:, int(row["row"]), int(row["column"])])


def test_bands_without_or_with_one_wavelength_have_columns_of_their_own(
    tmp_path: Path, polygons: Path
) -> None:
    scene = write_raster(tmp_path / "a.tif", cube())
    assert export(scene, polygons, "-o", tmp_path / "a.csv", "--exclude", "2") == 0
    assert list(rows_of(tmp_path / "a.csv")[0])[7:] == [f"band_{i}" for i in (1, 3, 4, 5, 6)]
    with Scene.open(scene) as opened:
        twice = opened.with_bands(opened.used, wavelengths=np.array([500, 600, 600, 7, 8, 9.0]))
        assert pixel_table.band_columns(twice)[:3] == [
            "nm_500", "nm_600_band_2", "nm_600_band_3",
        ]  # fmt: skip


def test_what_is_outside_without_data_or_in_two_classes_is_said_and_counted(
    tmp_path: Path, capsys
) -> None:
    data = cube()
    data[:, 1, 1:3] = -1
    scene = write_raster(tmp_path / "s.tif", data, nodata=-1)
    shapes = [SQUARES[0], rectangle(2, 1, 2, 4), rectangle(90, 90, 2, 2), rectangle(9, 9, 1, 1)]
    polygons = write_polygons(tmp_path / "p.gpkg", shapes, cls=["a", "b", "a", None])
    assert export(scene, polygons, "-o", tmp_path / "o.csv", "--class-field", "cls") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "1 of 4 features of 'p.gpkg' have no class in 'cls' and were left out." in said
    assert "1 of 4 features of 'p.gpkg' lie outside 's'." in said
    assert "8 pixels of 'p.gpkg' lie in two classes" in said
    assert "2 of 12 labelled pixels of 'p.gpkg' lie where 's' has no data" in said
    rows = rows_of(tmp_path / "o.csv")
    assert sorted(row["class_name"] for row in rows) == ["a"] * 2 + ["b"] * 8


@pytest.mark.parametrize("grid", [None, Affine(0, 10, 4e5, 10, 0, 5.8e6)])
def test_any_grid_places_the_points_where_qgis_shows_the_pixels(
    tmp_path: Path, grid: Affine | None
) -> None:
    scene = write_raster(tmp_path / "s.tif", cube(), transform=grid, crs=UTM if grid else None)
    shown = grid or Affine.scale(1, -1)
    polygons = write_polygons(
        tmp_path / "p.gpkg", [rectangle(1, 1, 3, 4, shown), rectangle(7, 6, 2, 5, shown)],
        crs=UTM if grid else None, class_id=[1, 2],
    )  # fmt: skip
    assert export(scene, polygons, "-o", tmp_path / "o.csv") == 0
    rows = rows_of(tmp_path / "o.csv")
    assert len(rows) == 22
    for row in rows:
        place = shown * (int(row["column"]) + 0.5, int(row["row"]) + 0.5)
        assert (float(row["x"]), float(row["y"])) == place


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-o", "o.shp"], "it is a GeoPackage or a table, but its name ends in '.shp'"),
        (["-o", "o.gpkg", "--table", "t.txt"], "it is a table, but its name ends in '.txt'"),
        (["-o", "p.gpkg"], "is also an input"),
        (["-o", "o.csv", "--table", "o.csv"], "Two outputs have the same name"),
        (["-o", "o.csv", "--class-field", "none"], "'p.gpkg' has no field 'none'"),
    ],
)
def test_a_refusal_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, polygons: Path, monkeypatch, capsys, words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    scene = write_raster(tmp_path / "s.tif", cube())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert export(scene, polygons, *words) == 1
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert not list(tmp_path.glob(f"*{SUFFIX}*"))
