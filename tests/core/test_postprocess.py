"""What is done with a finished map: sieve, majority, unknown, polygons, areas."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from mtmsd.assess.assess import assess_map
from mtmsd.classes import ClassInfo
from mtmsd.errors import InputError
from mtmsd.postprocess import filters, vectorize
from mtmsd.postprocess.area_table import write_area_table
from mtmsd.scene.class_map import ClassMap
from mtmsd.scene.output import class_map
from mtmsd.scene.pixel_area import pixel_area
from rasterio.features import shapes
from rasterio.warp import transform as transform_points
from small_files import GRID, write_raster

CLASSES = [ClassInfo(1, "soil", "#aa7744"), ClassInfo(2, "grass", "#22aa44")]


def _map(path: Path, values: np.ndarray) -> Path:
    """A class map as the engine writes it."""
    blank = write_raster(path.with_suffix(".blank.tif"), values.astype(np.uint8), nodata=0)
    with (
        ClassMap.open(blank) as grid,
        class_map(path, grid, CLASSES, {"seed": 1}) as out,  # type: ignore[arg-type]
    ):
        out.write(values, 0, 0)
    return path


def _read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def test_sieve_gives_small_regions_to_their_largest_neighbour(tmp_path: Path) -> None:
    values = np.ones((8, 9), np.uint8)
    values[:, 5:] = 2
    values[1:3, 1] = 2  # 2 pixels inside class 1: too small
    values[5:7, 6:8] = 1  # 4 pixels inside class 2: large enough
    values[7, 0] = 0
    expected = values.copy()
    expected[1:3, 1] = 1
    source = _map(tmp_path / "map.tif", values)
    out = filters.sieve(source, tmp_path / "sieved.tif", 4)
    np.testing.assert_array_equal(_read(out), expected)
    with rasterio.open(source) as before, rasterio.open(out) as after:
        assert after.transform == before.transform
        assert after.colormap(1) == before.colormap(1)
        metadata = json.loads(after.tags()["MTMSD"])
    assert metadata["after"] == [{"sieve": 4}]
    assert metadata["seed"] == 1
    assert Path(f"{out}.aux.xml").read_text().count("grass") == 1
    assert sorted(p.name for p in tmp_path.glob(".*")) == []


def test_sieve_leaves_an_island_in_nodata(tmp_path: Path) -> None:
    values = np.zeros((6, 6), np.uint8)
    values[2, 2], values[5] = 2, 1
    out = filters.sieve(_map(tmp_path / "map.tif", values), tmp_path / "s.tif", 3)
    np.testing.assert_array_equal(_read(out), values)


def test_majority_by_counting() -> None:
    generator = np.random.default_rng(0)
    values = generator.integers(0, 4, (17, 23)).astype(np.int32)
    result = filters.majority_of(values, 3)
    padded = np.pad(values, 1)
    for row, col in np.ndindex(values.shape):
        count = np.bincount(padded[row : row + 3, col : col + 3].ravel(), minlength=4)
        count[0] = 0
        own = values[row, col]
        if own == 0:
            assert result[row, col] == 0
        elif count[own] == count.max():
            assert result[row, col] == own, "a tie changes nothing"
        else:
            assert count[result[row, col]] == count.max()


def test_majority_has_no_seams_between_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(1).integers(0, 3, (40, 50)).astype(np.uint8)
    source = _map(tmp_path / "map.tif", values)
    whole = _read(filters.majority(source, tmp_path / "whole.tif", 5))
    blocks = ClassMap.blocks
    monkeypatch.setattr(ClassMap, "blocks", lambda self, size=16: blocks(self, size))
    np.testing.assert_array_equal(_read(filters.majority(source, tmp_path / "b.tif", 5)), whole)
    np.testing.assert_array_equal(whole, filters.majority_of(values.astype(np.int32), 5))


def test_low_confidence_becomes_unknown(tmp_path: Path) -> None:
    source = _map(tmp_path / "map.tif", np.array([[1, 2, 2], [0, 1, 2]]))
    stated = np.array([[0.9, 0.4, 0.5], [np.nan, 0.3, np.nan]], np.float32)
    confidence = write_raster(tmp_path / "confidence.tif", stated, nodata=np.nan)
    out = filters.unknown_below(source, confidence, tmp_path / "u.tif", 0.5)
    np.testing.assert_array_equal(_read(out), [[1, 255, 2], [0, 255, 2]])
    with ClassMap.open(out) as result:
        assert result.classes[-1] == ClassInfo(255, "unknown", "#808080")


def _regions(values: np.ndarray, transform: Affine) -> dict[int, list[shapely.Geometry]]:
    """GDAL's polygons of the whole array at once."""
    found: dict[int, list[shapely.Geometry]] = {}
    for outline, value in shapes(values, mask=values > 0, transform=transform):
        found.setdefault(int(value), []).append(shapely.geometry.shape(outline))
    return found


@pytest.mark.parametrize("strip", [1, 3, 7, 512])
def test_polygons_do_not_depend_on_the_strips(tmp_path: Path, strip: int) -> None:
    generator = np.random.default_rng(2)
    values = np.repeat(np.repeat(generator.integers(0, 3, (10, 12)), 2, 0), 2, 1).astype(np.uint8)
    values[:, 3] = 1  # one region that crosses every strip
    values[4:16, 8:14] = 2
    values[7:12, 10:12] = 0  # a hole
    source = _map(tmp_path / "map.tif", values)
    stated = generator.random(values.shape).astype(np.float32)
    confidence = write_raster(tmp_path / "c.tif", stated)
    out = tmp_path / "regions.gpkg"
    count = vectorize.vectorise(source, out, confidence_path=confidence, strip=strip)
    meta, _, geometry, columns = pyogrio.raw.read(out)
    fields = dict(zip(meta["fields"], columns, strict=True))
    written = shapely.from_wkb(geometry)
    assert count == len(written)
    assert shapely.is_valid(written).all()
    assert set(shapely.get_type_id(written)) == {3}
    np.testing.assert_allclose(shapely.area(written), fields["pixels"] * 100)
    np.testing.assert_allclose(fields["area_ha"], fields["pixels"] * 0.01)
    for value, expected in _regions(values, GRID).items():
        assert (fields["class_id"] == value).sum() == len(expected)
        for region in expected:
            (row,) = np.flatnonzero([g.equals(region) for g in written])
            assert fields["class_id"][row] == value
            inside = rasterio.features.geometry_mask([region], values.shape, GRID, invert=True)
            assert fields["confidence"][row] == pytest.approx(stated[inside].mean())
    names = {1: "soil", 2: "grass"}
    assert all(names[v] == n for v, n in zip(fields["class_id"], fields["class_name"], strict=True))


def test_area_table(tmp_path: Path) -> None:
    values = np.array([[1, 1, 2, 0], [1, 2, 2, 2]])
    source = _map(tmp_path / "map.tif", values)
    area = {"unit": "ha", "classes": [{"value": 1, "adjusted": 0.025, "adjusted_margin": None}]}
    out = write_area_table(source, tmp_path / "areas.csv", area=area)
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["class_name"] for r in rows] == ["soil", "grass"]
    assert [int(r["pixels"]) for r in rows] == [3, 4]
    assert [float(r["area_ha"]) for r in rows] == pytest.approx([0.03, 0.04])
    assert [float(r["share"]) for r in rows] == pytest.approx([3 / 7, 4 / 7], abs=1e-6)
    assert [r["adjusted_ha"] for r in rows] == ["0.0250", ""]
    assert [r["margin_95"] for r in rows] == ["", ""]


def test_pixels_in_degrees_have_the_ellipsoid_s_area(tmp_path: Path) -> None:
    # A whole band of 1° of latitude, from one parallel to the next, around the Earth.
    one = np.ones((180, 360), np.uint8)
    path = write_raster(
        tmp_path / "globe.tif", one, transform=Affine(1, 0, -180, 0, -1, 90), crs="EPSG:4326"
    )
    with ClassMap.open(path) as globe:
        area = pixel_area(globe)
    assert area is not None
    hectares = area.block(0, 0, 180, 360)[:, 0]
    assert hectares.sum() * 360 == pytest.approx(51_006_562_172, rel=1e-9)  # WGS 84's surface
    assert hectares[0] < hectares[89]
    np.testing.assert_allclose(hectares, hectares[::-1])


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("crs", [None, 'LOCAL_CS["site grid",UNIT["metre",1]]'])
def test_pixels_without_a_known_size_have_no_area(tmp_path: Path, crs: str | None) -> None:
    path = write_raster(tmp_path / "map.tif", np.ones((3, 4), np.uint8), crs=crs)
    with ClassMap.open(path) as source:
        assert pixel_area(source) is None
    table = write_area_table(path, tmp_path / "areas.csv").read_text(encoding="utf-8")
    assert table.splitlines()[1] == "1,,12,1.000000,"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, c, o: filters.sieve(m, o, 1), "minimum mapping unit of 1"),
        (lambda m, c, o: filters.majority(m, o, 4), "cannot be 4"),
        (lambda m, c, o: filters.unknown_below(m, c, o, 1.5), "cannot be 1.5"),
        (lambda m, c, o: filters.unknown_below(m, c, o, 0.5), "has 2×2 pixels, the map"),
        (lambda m, c, o: vectorize.vectorise(m, o / "no" / "x.gpkg"), "there is no folder"),
        (lambda m, c, o: filters.sieve(m, o / "no" / "x.tif", 3), "there is no folder"),
    ],
)
def test_bad_input_is_one_clear_sentence(tmp_path: Path, call, words: str) -> None:
    source = _map(tmp_path / "map.tif", np.array([[1, 2, 2], [0, 1, 2]]))
    confidence = write_raster(tmp_path / "c.tif", np.ones((2, 2), np.float32))
    with pytest.raises(InputError, match=words):
        call(source, confidence, tmp_path / "out.tif")
    assert not (tmp_path / "out.tif").exists()


PLACES = {
    "EPSG:3857": Affine(30, 0, 1_456_000, 0, -30, 6_890_000),
    "EPSG:3395": Affine(30, 0, 1_456_000, 0, -30, 6_855_000),
    "EPSG:32662": Affine(30, 0, 1_456_000, 0, -30, 5_830_000),
    "EPSG:4326": Affine(0.0003, 0, 13.1, 0, -0.0003, 52.5),
    "EPSG:4807": Affine(0.0003, 0, 12, 0, -0.0003, 58),
    "EPSG:3413": Affine(300, 0, -7_000, 0, -300, 9_000),
}


@pytest.mark.parametrize("turned", [0, 35])
@pytest.mark.parametrize("crs", PLACES)
def test_areas_are_those_on_the_ground_in_table_polygons_and_report(
    tmp_path: Path, crs: str, turned: float
) -> None:
    grid = PLACES[crs] * Affine.rotation(turned)
    values = np.ones((40, 50), np.uint8)
    values[:, 20:] = 2
    path = write_raster(tmp_path / "map.tif", values, transform=grid, crs=crs, nodata=0)
    true = _on_the_ground(grid, crs, *np.meshgrid(np.arange(50.0), np.arange(40.0))).sum()
    text = write_area_table(path, tmp_path / "a.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert sum(float(row["area_ha"]) for row in rows) == pytest.approx(true, rel=1e-3)
    vectorize.vectorise(path, tmp_path / "v.gpkg")
    _, _, _, (areas,) = pyogrio.raw.read(tmp_path / "v.gpkg", columns=["area_ha"])
    assert areas.sum() == pytest.approx(true, rel=1e-3)
    labels = write_raster(tmp_path / "labels.tif", values, transform=grid, crs=crs, nodata=0)
    result = assess_map(path, labels, report=tmp_path / "r.html")
    assert sum(c["adjusted"] for c in result["area"]["classes"]) == pytest.approx(true, rel=1e-3)
    assert any("on the ellipsoid" in w for w in result["warnings"]) == (
        not crs.endswith(("26", "07"))
    )


def _on_the_ground(grid: Affine, crs: str, cols: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Hectares of pixels in an equal-area projection about the first one."""
    corners = [grid * (cols + x, rows + y) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))]
    x, y = (np.stack(axis, -1).ravel() for axis in zip(*corners, strict=True))
    lon, lat = transform_points(crs, "EPSG:4326", x, y)
    here = f"+proj=laea +lat_0={lat[0]} +lon_0={lon[0]} +datum=WGS84"
    found = np.stack(transform_points("EPSG:4326", here, lon, lat), -1)
    return shapely.area(shapely.polygons(found.reshape(-1, 4, 2))) / 10_000


def test_a_large_map_is_measured_at_some_pixels_and_between_them(tmp_path: Path) -> None:
    grid = Affine(4000, 0, -2_000_000, 0, -4000, 8_000_000)
    path = tmp_path / "map.tif"
    write_raster(path, np.ones((1000, 900), np.uint8), transform=grid, crs="EPSG:3857", nodata=0)
    with ClassMap.open(path) as source:
        area = pixel_area(source)
    assert area is not None
    assert area.hectares.shape == (129, 129)
    for row, col in ((0, 0), (3, 7), (501, 333), (999, 899)):
        found = area.block(row, col, 1, 1)[0, 0]
        true = _on_the_ground(grid, "EPSG:3857", np.array([col]), np.array([row]))
        assert found == pytest.approx(true[0], rel=2e-4)


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:3035", "EPSG:2154"])
def test_in_systems_that_nearly_keep_areas_a_pixel_is_its_cell(tmp_path: Path, crs: str) -> None:
    center = {"EPSG:3035": (4_500_000, 3_200_000), "EPSG:2154": (700_000, 6_600_000)}
    x, y = center.get(crs, (400_000, 5_800_000))
    path = write_raster(
        tmp_path / "map.tif",
        np.ones((3, 4), np.uint8),
        transform=Affine(10, 0, x, 0, -10, y),
        crs=crs,
    )
    with ClassMap.open(path) as source:
        area = pixel_area(source)
    assert area is not None
    assert area.note == ""
    np.testing.assert_array_equal(area.block(0, 0, 3, 4), np.full((3, 4), 0.01))
