"""Two maps of one place: what became what, on which grid, under which names, how sure."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from mtmsd.classes import ClassInfo
from mtmsd.cli.main import main
from mtmsd.scene.class_map import ClassMap
from mtmsd.scene.output import class_map
from small_files import GRID, UTM, rectangle, write_polygons, write_raster

GRASS, WATER, TOWN = ((1, "grass", "#22aa44"), (2, "water", "#0000ff"), (3, "town", "#cc2222"))
BEFORE = np.repeat([[1, 1, 1, 1, 2, 2]], 4, 0)
AFTER = np.array([[1, 1, 3, 3, 2, 2], [1, 1, 3, 3, 2, 2], [1, 1, 1, 1, 2, 1], [1, 1, 1, 1, 2, 0]])


def a_map(
    path: Path,
    values: np.ndarray,
    classes: tuple[tuple[int, str, str], ...] = (GRASS, WATER, TOWN),
    transform: Affine = GRID,
    crs: str = UTM,
    **metadata: Any,
) -> Path:
    """A class map as the engine writes it."""
    blank = path.with_suffix(".blank.tif")
    write_raster(blank, values.astype(np.uint8), transform=transform, crs=crs, nodata=0)
    with (
        ClassMap.open(blank) as grid,
        class_map(path, grid, [ClassInfo(*c) for c in classes], metadata) as out,  # type: ignore[arg-type]
    ):
        out.write(values, 0, 0)
    return path


def change(*words: str | Path) -> int:
    return main(["change", *map(str, words)])


def rows_of(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    with path.open(encoding="utf-8") as stream:
        return {(row["from"], row["to"]): row for row in csv.DictReader(stream)}


@pytest.fixture
def maps(tmp_path: Path) -> tuple[Path, Path]:
    """Grass and water; of the grass 4 of 16 pixels became town, of the water 1 of 8 grass."""
    return a_map(tmp_path / "2020.tif", BEFORE), a_map(tmp_path / "2024.tif", AFTER)


def test_what_became_what_is_counted_and_mapped(maps: tuple[Path, Path], tmp_path: Path):
    assert change(*maps, "-o", tmp_path / "change.tif") == 0
    rows = rows_of(tmp_path / "change.csv")
    found = {pair: (int(row["pixels"]), float(row["area_ha"])) for pair, row in rows.items()}
    assert found == {
        ("grass", "grass"): (12, 0.12), ("grass", "town"): (4, 0.04),
        ("water", "grass"): (1, 0.01), ("water", "water"): (6, 0.06),
    }  # fmt: skip
    with ClassMap.open(tmp_path / "change.tif") as result:
        assert (result.transform, result.crs) == (GRID, rasterio.CRS.from_string(UTM))
        names = {c.value: c.name for c in result.classes}
        values = result.values(0, 0, 4, 6)
        colors = {c.name: c.color for c in result.classes}
        table = result.dataset.colormap(1)
    town = int(rows["grass", "town"]["value"])
    assert names[town] == "grass → town"
    np.testing.assert_array_equal(values == town, (BEFORE == 1) & (AFTER == 3))
    np.testing.assert_array_equal(values == 0, AFTER == 0)
    assert len(set(colors.values())) == len(colors), "each pair has a colour of its own"
    assert "#{:02x}{:02x}{:02x}".format(*table[town][:3]) == colors["grass → town"]
    assert Path(f"{tmp_path / 'change.tif'}.aux.xml").read_text().count("grass → town") == 1


def test_classes_are_matched_by_name_not_by_number(maps: tuple[Path, Path], tmp_path: Path):
    other = {1: 7, 2: 4, 3: 1}
    renumbered = np.vectorize(lambda v: other.get(v, 0))(AFTER)
    named = ((7, " GRASS ", "#22aa44"), (4, "water", "#0000ff"), (1, "town", "#cc2222"))
    after = a_map(tmp_path / "renumbered.tif", renumbered, named)
    assert change(maps[0], after, "-o", tmp_path / "a.tif") == 0
    assert change(*maps, "-o", tmp_path / "b.tif") == 0
    a = [int(row["pixels"]) for row in rows_of(tmp_path / "a.csv").values()]
    assert sorted(a) == sorted(int(r["pixels"]) for r in rows_of(tmp_path / "b.csv").values())


def test_a_table_says_what_is_the_same(
    maps: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    named = ((1, "meadow", "#22aa44"), (2, "lake", "#0000ff"), (3, "built", "#cc2222"))
    after = a_map(tmp_path / "renamed.tif", AFTER, named)
    table = tmp_path / "legend.csv"
    table.write_text("before,after\ngrass,Meadow\n2,lake\n")
    assert change(maps[0], after, "-o", tmp_path / "c.tif", "--legend", table) == 0
    found = {p: int(r["pixels"]) for p, r in rows_of(tmp_path / "c.csv").items()}
    assert found == {("meadow", "meadow"): 12, ("meadow", "built"): 4,
                     ("lake", "meadow"): 1, ("lake", "lake"): 6}  # fmt: skip
    assert change(maps[0], after, "-o", tmp_path / "d.tif") == 0
    assert "Only '2020.tif' has the classes 'grass', 'water'" in capfd.readouterr().err
    assert ("grass", "meadow") in rows_of(tmp_path / "d.csv")


@pytest.mark.parametrize(
    ("text", "said"),
    [("before,later\ngrass,grass\n", "no column 'after'"), ("", "no column 'before'"),
     ("before,after\ngras,grass\n", "no class 'gras'"),
     ("before,after\ngrass\n", "no class ''")],
)  # fmt: skip
def test_a_wrong_table_is_named(
    maps: tuple[Path, Path], tmp_path: Path, text: str, said: str, capfd: Any
):
    table = tmp_path / "legend.csv"
    table.write_text(text)
    assert change(*maps, "-o", tmp_path / "c.tif", "--legend", table) == 1
    err = capfd.readouterr().err
    assert said in err
    assert "legend.csv" in err.replace("\n", "")
    assert not (tmp_path / "c.tif").exists()


def test_maps_that_lie_shifted_by_whole_pixels_are_compared_where_both_are(
    maps: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    part = a_map(tmp_path / "part.tif", AFTER[1:, 2:], transform=GRID * Affine.translation(2, 1))
    assert change(maps[0], part, "-o", tmp_path / "c.tif") == 0
    found = {p: int(r["pixels"]) for p, r in rows_of(tmp_path / "c.csv").items()}
    assert found == {("grass", "grass"): 4, ("grass", "town"): 2,
                     ("water", "grass"): 1, ("water", "water"): 4}  # fmt: skip
    with rasterio.open(tmp_path / "c.tif") as result:
        assert result.shape == (3, 4)
        assert result.transform == GRID * Affine.translation(2, 1)
    assert change(part, maps[0], "-o", tmp_path / "back.tif") == 0
    assert rows_of(tmp_path / "back.csv")["town", "grass"]["pixels"] == "2"
    assert "Only the 4×3 pixels that both maps cover" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("transform", "crs", "said"),
    [(GRID * Affine.translation(0.5, 0), UTM, "different grids"),
     (GRID * Affine.scale(2), UTM, "20×20"), (GRID, "EPSG:32634", "EPSG:32634"),
     (GRID * Affine.rotation(3), UTM, "turned"),
     (GRID * Affine.translation(6, 0), UTM, "do not overlap")],
)  # fmt: skip
def test_other_grids_are_refused_with_both_said(
    maps: tuple[Path, Path], tmp_path: Path, transform: Affine, crs: str, said: str, capfd: Any
):
    other = a_map(tmp_path / "other.tif", AFTER, transform=transform, crs=crs)
    assert change(maps[0], other, "-o", tmp_path / "c.tif") == 1
    err = capfd.readouterr().err.replace("\n", " ")
    assert said in err
    assert "'2020.tif' has 6×4 pixels of 10×10 from (400000, 5800000) in EPSG:32633" in err
    assert "'other.tif' has 6×4 pixels of" in err
    assert not list(tmp_path.glob("c.*"))


def test_low_confidence_in_either_map_is_apart(maps: tuple[Path, Path], tmp_path: Path):
    sure = np.full((4, 6), 0.9, np.float32)
    one, two = sure.copy(), sure.copy()
    one[0, 2], two[0, 3], two[3, 0] = 0.3, np.nan, 0.59
    files = [write_raster(tmp_path / f"{i}.tif", a) for i, a in enumerate((one, two))]
    words = ["--before-confidence", files[0], "--after-confidence", files[1], "--below", "0.6"]
    assert change(*maps, "-o", tmp_path / "c.tif", *words) == 0
    rows = rows_of(tmp_path / "c.csv")
    assert rows["unknown", "unknown"]["pixels"] == "3"
    assert rows["grass", "town"]["pixels"] == "2"
    with ClassMap.open(tmp_path / "c.tif") as result:
        assert result.unknown == 255
        rows_, cols = np.nonzero(result.values(0, 0, 4, 6) == 255)
    assert list(zip(rows_, cols, strict=True)) == [(0, 2), (0, 3), (3, 0)]


def test_the_unknown_of_a_map_is_no_class(maps: tuple[Path, Path], tmp_path: Path):
    values = AFTER.copy()
    values[0, :2] = 255
    named = (GRASS, WATER, TOWN, (255, "unknown", "#808080"))
    after = a_map(tmp_path / "doubtful.tif", values, named, unknown=255)
    assert change(maps[0], after, "-o", tmp_path / "c.tif") == 0
    rows = rows_of(tmp_path / "c.csv")
    assert rows["unknown", "unknown"]["pixels"] == "2"
    assert rows["grass", "grass"]["pixels"] == "10"


def accuracy(matrix: list[list[int]], polygons: int) -> dict[str, Any]:
    n = int(np.sum(matrix))
    told = {"values": [1, 2, 3][: len(matrix)], "matrix": matrix}
    return {"n": n, "polygons": polygons, "confusion": told}


def test_errors_follow_from_the_held_out_polygons_of_both_maps(tmp_path: Path):
    """Against 20,000 draws of the two confusions, each with the spread of its own sample."""
    one, two = [[45, 4], [5, 46]], [[38, 6], [2, 54]]
    before = a_map(tmp_path / "a.tif", BEFORE, (GRASS, WATER), accuracy=accuracy(one, 100))
    after = np.where(AFTER == 3, 2, AFTER)
    later = a_map(tmp_path / "b.tif", after, (GRASS, WATER), accuracy=accuracy(two, 100))
    assert change(before, later, "-o", tmp_path / "c.tif") == 0
    rows = rows_of(tmp_path / "c.csv")
    size = np.array([[12, 4], [1, 6]]) * 0.01
    rng = np.random.default_rng(0)

    def drawn(matrix: list[list[int]]) -> np.ndarray:
        counts = np.array(matrix).T  # rows: map
        n = counts.sum(1)
        first = rng.binomial(n[:, None], (counts[:, 0] / n)[:, None], (2, 20_000)) / n[:, None]
        return np.stack([first, 1 - first], 1)  # map, reference, draw

    p, q = drawn(one), drawn(two)
    areas = np.einsum("ab,aid,bjd->ijd", size, p, q)
    for i, j, pair in [(0, 0, ("grass", "grass")), (0, 1, ("grass", "water")),
                       (1, 0, ("water", "grass")), (1, 1, ("water", "water"))]:  # fmt: skip
        assert float(rows[pair]["adjusted_ha"]) == pytest.approx(areas[i, j].mean(), abs=3e-4)
        assert float(rows[pair]["standard_error_ha"]) == pytest.approx(areas[i, j].std(), rel=0.05)
    total = sum(float(row["adjusted_ha"]) for row in rows.values())
    assert total == pytest.approx(0.23, abs=2e-4)


def test_pixels_of_few_polygons_tell_less(tmp_path: Path):
    errors = []
    for polygons in (100, 25):
        folder = tmp_path / str(polygons)
        folder.mkdir()
        known = {"accuracy": accuracy([[45, 4], [5, 46]], polygons)}
        after = np.where(AFTER == 3, 2, AFTER)
        maps = [a_map(folder / n, v, (GRASS, WATER), **known)
                for n, v in (("a.tif", BEFORE), ("b.tif", after))]  # fmt: skip
        assert change(*maps, "-o", folder / "c.tif") == 0
        errors.append(float(rows_of(folder / "c.csv")["grass", "grass"]["standard_error_ha"]))
    assert errors[1] == pytest.approx(2 * errors[0], rel=0.02)


def test_without_any_accuracy_no_error_is_made_up(
    maps: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    assert change(*maps, "-o", tmp_path / "c.tif") == 0
    rows = rows_of(tmp_path / "c.csv").values()
    assert (
        {row["standard_error_ha"] for row in rows} == {row["adjusted_ha"] for row in rows} == {""}
    )
    said = capfd.readouterr().err.replace("\n", " ")
    assert "no standard errors of the areas: '2020.tif' and '2024.tif'" in said


def test_a_reference_of_the_change_gives_olofssons_figures(tmp_path: Path):
    """The published example (2014, table 8) in small: 80 × 60 pixels, strata as mapped."""
    before = np.repeat([[1, 2, 1, 2]], 80, 0).repeat(15, 1)
    after = np.repeat([[1, 2, 2, 1]], 80, 0).repeat(15, 1)
    maps = [a_map(tmp_path / n, v, (GRASS, WATER)) for n, v in (("a", before), ("b", after))]
    maps = [m.rename(m.with_suffix(".tif")) for m in maps]
    spots = [(r, c) for c in (7, 22, 37, 52) for r in range(3, 75, 8)]
    truth = [(before[r, c], after[r, c]) for r, c in spots]
    truth[0] = (1, 2)  # of nine pixels mapped as grass in both, one became water
    layer = write_polygons(
        tmp_path / "truth.gpkg", [rectangle(r, c, 1, 1) for r, c in spots],
        was=np.array([t[0] for t in truth]), now=np.array([t[1] for t in truth]),
    )  # fmt: skip
    words = ["--reference", layer, "--from-field", "was", "--to-field", "now"]
    assert change(*maps, "-o", tmp_path / "c.tif", *words) == 0
    rows = rows_of(tmp_path / "c.csv")
    stratum, error = 12.0, 12.0 * np.sqrt(8 / 81 / 8)  # 1200 pixels of 0.01 ha; p (1 - p) / (n - 1)
    for pair, area, se in [(("grass", "grass"), stratum * 8 / 9, error),
                           (("grass", "water"), stratum * 10 / 9, error),
                           (("water", "water"), stratum, 0)]:  # fmt: skip
        assert float(rows[pair]["adjusted_ha"]) == pytest.approx(area, abs=1e-3)
        assert float(rows[pair]["standard_error_ha"]) == pytest.approx(se, abs=1e-3)


def test_a_reference_without_its_fields_is_refused(
    maps: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    assert change(*maps, "-o", tmp_path / "c.tif", "--reference", "x.gpkg") == 1
    assert "--from-field and --to-field" in capfd.readouterr().err


def test_messages_tell_the_transitions(
    maps: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    assert change(*maps, "-o", tmp_path / "c.tif", "--table", tmp_path / "t.csv", "--json") == 0
    last = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert last["results"]["table"] == str(tmp_path / "t.csv")
    pixels = {(r["from_name"], r["to_name"]): r["pixels"] for r in last["results"]["transitions"]}
    assert pixels["grass", "town"] == 4
