"""After the map: a simple classifier, polygons, and the points to label, narrow and dark."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import open_scene, role, take_polygons
from osgeo import gdal, ogr


def regions_of(class_map: str) -> int:
    """Return how many regions a class map has, counted by GDAL: sides touch, corners do not."""
    dataset = gdal.Open(class_map)
    kept = ogr.GetDriverByName("Memory").CreateDataSource("")  # a layer keeps no source alive
    layer = kept.CreateLayer("regions")
    layer.CreateField(ogr.FieldDefn("value", ogr.OFTInteger))
    band = dataset.GetRasterBand(1)
    gdal.Polygonize(band, band.GetMaskBand(), layer, 0)
    layer.SetAttributeFilter("value > 0")
    return layer.GetFeatureCount()


@pytest.mark.slow
def test_a_simple_classifier_polygons_and_the_next_points(start, sample: Path) -> None:
    screen = start("training_polygons.gpkg", theme="Night Mapping", size=(1200, 1000))
    screen.layout(dock=320)
    open_scene(screen, sample)
    screen.click("mtmsdShow_true")
    take_polygons(screen)
    screen.click_title("mtmsdMapOptions")
    screen.choose("mtmsdClassifier", "Random forest")
    screen.choose("mtmsdMajority", "3 × 3 px")
    screen.click("mtmsdMapScene")
    screen.wait_text("mtmsdMapState", r"Map: map\.tif", 480)
    screen.click("mtmsdNextLabels")
    points = screen.wait(lambda: role(screen, "points"), 90, "no points")
    assert points["features"] == 20
    screen.click("mtmsdPolygonize")
    regions = screen.wait(lambda: role(screen, "regions"), 90, "no polygons")
    assert regions["renderer"] == "categorizedSymbol"
    assert regions["features"] == regions_of(role(screen, "map")["source"])
    before = role(screen, "training")["features"]
    screen.wait_text("mtmsdPointText", r"Point 1 of 20: [\w ,]+ or [\w ,]+\?", 10)
    screen.click("mtmsdPointZoom")
    screen.place("mtmsdMapScene")
    screen.shot("products-dark-options")
    doubted = screen.text("mtmsdPointText").split(": ")[1].rstrip("?").split(" or ")
    screen.click("mtmsdPointLabel")
    screen.shot("products-dark-menu")
    screen.choose_action("mtmsdPointClasses", doubted[0])
    screen.wait_text("mtmsdPointText", "Point 2 of 20", 10)
    assert role(screen, "training")["features"] == before + 1
    screen.wait_text("mtmsdMapState", "have changed since map.tif", 10)
    screen.place("mtmsdPointNext")
    screen.shot("products-dark-points")
    assert screen.ask("widget", name="mtmsdScroll")["w"] <= 325
    assert screen.ask("cut", name="mtmsdSections") == []
    assert screen.ask("bare", name="mtmsdSections") == []
