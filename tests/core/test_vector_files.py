"""Labels in vector files as people have them: encodings, containers, shapes, local grids."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from mtmsd.errors import InputError
from small_files import GRID, UTM, cube, rectangle, write_polygons, write_raster
from test_labels import SQUARES, read

NAMES = ["Gewässer", "Straße"]


def shapefile(path: Path, encoding: str, *, codepage: int = 0, cpg: str | None = None) -> Path:
    """Two polygons whose table is in an encoding; the header may tell a code page."""
    pyogrio.raw.write(
        path, shapely.to_wkb(SQUARES), [np.array(NAMES, object)], ["Größe"],
        geometry_type="Polygon", crs=UTM, encoding=encoding,
    )  # fmt: skip
    path.with_suffix(".cpg").unlink()
    if cpg:
        path.with_suffix(".cpg").write_text(cpg)
    table = path.with_suffix(".dbf")
    content = bytearray(table.read_bytes())
    content[29] = codepage
    table.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("encoding", "codepage", "cpg", "said"),
    [
        ("UTF-8", 0, None, ""),
        ("UTF-8", 0x57, None, ""),
        ("UTF-8", 0, "UTF-8", ""),
        ("ISO-8859-1", 0, None, "has no .cpg file"),
        ("CP1252", 0x57, None, "has no .cpg file"),
        ("CP1252", 0x03, None, ""),
        ("ISO-8859-1", 0, "UTF-8", "are not in the encoding that it states"),
    ],
)
def test_a_shapefile_is_read_in_its_encoding(
    raster: Path, tmp_path: Path, encoding: str, codepage: int, cpg: str | None, said: str
) -> None:
    path = shapefile(tmp_path / "p.shp", encoding, codepage=codepage, cpg=cpg)
    labels = read(path, raster)
    assert [info.name for info in labels.classes] == NAMES
    assert labels.field == "Größe"
    assert (said in labels.warnings[0]) if said else labels.warnings == ()


def test_a_geopackage_with_a_picture_is_asked_for_its_polygons(
    raster: Path, tmp_path: Path
) -> None:
    path = write_polygons(tmp_path / "both.gpkg", SQUARES, layer="training", class_id=[1, 2])
    with rasterio.open(
        path, "w", driver="GPKG", width=64, height=64, count=3, dtype="uint8", crs=UTM,
        transform=GRID, RASTER_TABLE="basemap", APPEND_SUBDATASET="YES",
    ) as dataset:  # fmt: skip
        dataset.write(np.full((3, 64, 64), 100, "uint8"))
    assert read(path, raster).counts() == {1: 12, 2: 10}
    write_polygons(path, SQUARES, layer="other", append=True, class_id=[1, 2])
    with pytest.raises(InputError, match=r"'both.gpkg' has 2 layers.*training, other"):
        read(path, raster)


@pytest.mark.parametrize(
    ("ending", "axes"),
    [(e, a) for e in ("gpkg", "shp") for a in ("Z", "M", "ZM")] + [("geojson", "Z"), ("fgb", "Z")],
)
def test_heights_and_measures_of_any_format_are_left_aside(
    raster: Path, tmp_path: Path, axes: str, ending: str
) -> None:
    shapes = shapely.multipolygons([[square] for square in SQUARES])
    high = shapely.from_wkt([
        shapely.to_wkt(shape).replace("MULTIPOLYGON ", f"MULTIPOLYGON {axes} ")
        .replace(",", " 7" * len(axes) + ",").replace(")))", " 7" * len(axes) + ")))")
        for shape in shapes
    ])  # fmt: skip
    path = tmp_path / f"p.{ending}"
    pyogrio.raw.write(
        path, shapely.to_wkb(high, output_dimension=4, flavor="iso"), [np.array([1, 2])],
        ["class_id"], geometry_type="MultiPolygon Z" if "Z" in axes else "MultiPolygon", crs=UTM,
    )  # fmt: skip
    assert read(path, raster).counts() == {1: 12, 2: 10}


def test_features_without_a_shape_are_counted(raster: Path, tmp_path: Path) -> None:
    shapes = [None, *SQUARES, shapely.Polygon()]
    path = write_polygons(tmp_path / "p.gpkg", shapes, class_id=[1, 1, 2, 2])
    labels = read(path, raster)
    assert labels.counts() == {1: 12, 2: 10}
    assert labels.warnings == ("Features 1, 4 of 'p.gpkg' without a shape were left out.",)


def test_a_surface_of_triangles_is_refused_with_its_feature(raster: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(
        'WKT,class_id\n"POLYGON ((0 0,1 0,1 1,0 0))",1\n"TIN (((0 0,1 0,1 1,0 0)))",2\n'
    )
    with pytest.raises(InputError, match=r"'p.csv'"):
        read(path, raster)


LOCAL = 'LOCAL_CS["Arbitrary",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'


@pytest.mark.parametrize("crs", ["EPSG:4326", UTM, "EPSG:3857"])
def test_a_local_grid_and_the_earth_cannot_be_brought_together(tmp_path: Path, crs: str) -> None:
    scene = write_raster(tmp_path / "scene.tif", cube(), crs=LOCAL)
    path = write_polygons(tmp_path / "p.gpkg", SQUARES, crs=crs, class_id=[1, 2])
    with pytest.raises(InputError) as error:
        read(path, scene)
    assert "not georeferenced" in error.value.message
    assert "'Arbitrary'" in error.value.message
    assert crs in error.value.message
    plain = write_polygons(tmp_path / "plain.gpkg", SQUARES, crs=None, class_id=[1, 2])
    assert read(plain, scene).counts() == {1: 12, 2: 10}


def test_another_planet_is_one_sentence(raster: Path, tmp_path: Path) -> None:
    mars = "+proj=longlat +R=3396190 +no_defs"
    box = [rectangle(1, 1, 3, 4), rectangle(7, 6, 2, 5)]
    path = write_polygons(tmp_path / "p.gpkg", box, crs=mars, class_id=[1, 2])
    with pytest.raises(InputError, match=r"'p.gpkg'") as error:
        read(path, raster)
    assert "coordinate system" in str(error.value)


@pytest.mark.parametrize("none", [0, -1])
def test_a_geopackage_that_says_it_has_no_coordinate_system_is_taken_as_the_scenes(
    raster: Path, tmp_path: Path, none: int
) -> None:
    path = write_polygons(tmp_path / "p.gpkg", SQUARES, class_id=[1, 2])
    with sqlite3.connect(path) as base:  # 0: undefined geographic, -1: undefined Cartesian
        base.execute("UPDATE gpkg_geometry_columns SET srs_id = ?", (none,))
        base.execute("UPDATE gpkg_contents SET srs_id = ?", (none,))
    assert "Undefined" in pyogrio.read_info(path)["crs"]
    labels = read(path, raster)
    assert labels.counts() == {1: 12, 2: 10}
    assert labels.warnings == ("'p.gpkg' has no coordinate system; taken as that of 'scene'.",)
