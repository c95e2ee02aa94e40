"""A file is written in the format that its name tells, or refused before any work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyogrio
import pytest
from mtmsd.commands import classify, import_raster, nextlabels, vectorize
from mtmsd.commands import map as mapping
from mtmsd.commands.arguments import Source
from mtmsd.errors import InputError
from mtmsd.reporting import Reporter
from small_files import write_raster

FORMATS = {
    "gpkg": "GPKG",
    "shp": "ESRI Shapefile",
    "geojson": "GeoJSON",
    "GeoJSON": "GeoJSON",
    "fgb": "FlatGeobuf",
}


@pytest.fixture
def made(tmp_path: Path) -> Source:
    values = np.ones((12, 15), "uint8")
    values[:, 7:] = 2
    values[0, 0] = 0
    return Source(str(write_raster(tmp_path / "map.tif", values, nodata=0)))


@pytest.mark.parametrize("ending", FORMATS)
def test_polygons_are_of_the_format_that_their_name_tells(
    tmp_path: Path, made: Source, ending: str
) -> None:
    output = tmp_path / f"regions.{ending}"
    if ending == "shp":
        output.with_suffix(".qix").write_bytes(b"of other features")
    vectorize.run(vectorize.Arguments(map=made, output=output), Reporter())
    found = pyogrio.read_info(output)
    assert (found["driver"], found["features"], found["crs"]) == (FORMATS[ending], 2, "EPSG:32633")
    _, _, _, columns = pyogrio.raw.read(output, columns=["class_id", "pixels"])
    assert sorted(zip(*(c.tolist() for c in columns), strict=True)) == [(1, 83), (2, 96)]
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".") or p.suffix == ".qix"]


@pytest.mark.parametrize("ending", FORMATS)
def test_points_are_of_the_format_that_their_name_tells(tmp_path: Path, ending: str) -> None:
    shares = np.random.default_rng(0).dirichlet((1, 1), (12, 15)).transpose(2, 0, 1)
    source = write_raster(tmp_path / "p.tif", shares.astype("float32"), descriptions=["é", "b"])
    output = tmp_path / f"points.{ending}"
    arguments = nextlabels.Arguments(probabilities=Source(str(source)), output=output, count=5)
    nextlabels.run(arguments, Reporter())
    assert pyogrio.read_info(output)["driver"] == FORMATS[ending]
    _, _, _, (names,) = pyogrio.raw.read(output, columns=["class_1"])
    assert set(names.tolist()) <= {"é", "b"}


@pytest.mark.parametrize("name", ["r.kml", "r.xyz", "r", "r.shp.zip", "r.gpkg "])
def test_another_format_is_refused_before_any_work(tmp_path: Path, made: Source, name: str) -> None:
    output, tif = tmp_path / name, Path("map2.tif")
    scene = labels = Source(str(tmp_path / "never opened"))
    calls = [
        lambda: vectorize.run(vectorize.Arguments(map=made, output=output), Reporter()),
        lambda: nextlabels.run(
            nextlabels.Arguments(probabilities=scene, output=output), Reporter()
        ),
        lambda: mapping.run(
            mapping.Arguments(scene=scene, labels=labels, output=tmp_path / tif, polygons=output),
            Reporter(),
        ),
        lambda: mapping.run(
            mapping.Arguments(
                scene=scene, labels=labels, output=tmp_path / tif, next_labels=output
            ),
            Reporter(),
        ),
    ]
    for call in calls:
        with pytest.raises(InputError, match=r"a GeoPackage, shapefile, GeoJSON or FlatGeobuf"):
            call()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map.tif"]


@pytest.mark.parametrize("name", ["m.png", "m.img", "m", "m.dat"])
def test_a_raster_that_is_named_as_no_geotiff_is_refused(tmp_path: Path, name: str) -> None:
    output, source = tmp_path / name, Source("never opened")
    calls = [
        lambda: mapping.run(
            mapping.Arguments(scene=source, labels=source, output=output), Reporter()
        ),
        lambda: classify.run(
            classify.Arguments(
                scene=source, classifier=tmp_path / "c", output=tmp_path / "a.tif", entropy=output
            ),
            Reporter(),
        ),
        lambda: import_raster.run(
            import_raster.Arguments(source=source, output=output), Reporter()
        ),
    ]
    for call in calls:
        with pytest.raises(InputError, match=r"it is a GeoTIFF, but its name"):
            call()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("crs", [None, "+proj=tmerc +lon_0=13.3 +datum=WGS84"])
def test_geojson_that_would_lie_elsewhere_is_refused(tmp_path: Path, crs: str | None) -> None:
    source = write_raster(tmp_path / "map.tif", np.ones((3, 3), "uint8"), crs=crs)
    arguments = vectorize.Arguments(map=Source(str(source)), output=tmp_path / "r.geojson")
    with pytest.raises(InputError, match="GeoJSON cannot tell the coordinate system"):
        vectorize.run(arguments, Reporter())
    assert [path.name for path in tmp_path.iterdir()] == ["map.tif"]
