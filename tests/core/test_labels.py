"""Polygons and label rasters onto the scene's grid, and what is wrong with them in the field."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine
from mtmsd.classes import ClassInfo
from mtmsd.errors import InputError
from mtmsd.labels.labels import Labels
from mtmsd.labels.read import read_labels
from mtmsd.scene.raster import Scene
from rasterio.warp import transform as transform_coordinates
from small_files import GRID, UTM, cube, rectangle, write_polygons, write_raster

SQUARES = [rectangle(1, 1, 3, 4), rectangle(7, 6, 2, 5)]


def read(path: Path | str, raster: Path, **options: object) -> Labels:
    with Scene.open(raster) as scene:
        return read_labels(path, scene, **options)


def pixels(labels: Labels, value: int) -> list[tuple[int, int]]:
    chosen = labels.values == value
    return sorted(zip(labels.rows[chosen].tolist(), labels.cols[chosen].tolist(), strict=True))


def block(row: int, col: int, height: int, width: int) -> list[tuple[int, int]]:
    return [(r, c) for r in range(row, row + height) for c in range(col, col + width)]


REAL = [
    ("enmap_potsdam/enmap_potsdam.tif", "enmap_potsdam/training_polygons.gpkg", None,
     ["roof", "pavement", "low vegetation", "tree", "soil", "water"],
     [36, 76, 150, 150, 31, 81]),
    ("berlin_hymap/HyMap02_Berlin_Urban_Gradient_2009.bsq",
     "berlin_hymap/LandCov_Vec_Berlin_Urban_Gradient_2009.shp", None,
     ["Impervious", "Soil", "Vegetation"], [1590, 18, 969]),
    ("berlin_hymap/HyMap02_Berlin_Urban_Gradient_2009.bsq",
     "berlin_hymap/LandCov_Vec_Berlin_Urban_Gradient_2009.shp", "Level_2",
     ["Grass", "Pavement", "Roof", "Soil", "Tree"], [208, 921, 669, 18, 761]),
    ("salinas_a/salinas_a.tif", "salinas_a/truth.tif", None,
     list("123456"), [391, 1343, 616, 1525, 674, 799]),
]  # fmt: skip


@pytest.mark.parametrize(("raster", "path", "field", "names", "counts"), REAL)
def test_real_labels(
    scenes: Path, raster: str, path: str, field: str | None, names: list[str], counts: list[int]
) -> None:
    labels = read(scenes / path, scenes / raster, class_field=field)
    assert [info.name for info in labels.classes] == names
    assert list(labels.counts().values()) == counts
    assert len(set(zip(labels.rows, labels.cols, strict=True))) == len(labels)


def test_polygons_become_the_pixels_whose_centre_they_cover(raster: Path, polygons: Path) -> None:
    labels = read(polygons, raster)
    assert pixels(labels, 1) == block(1, 1, 3, 4)
    assert pixels(labels, 2) == block(7, 6, 2, 5)
    assert [(i.value, i.name) for i in labels.classes] == [(1, "grass"), (2, "water")]
    assert len({i.color for i in labels.classes}) == 2
    assert labels.warnings == ()
    assert [a.dtype.name for a in (labels.rows, labels.cols, labels.values, labels.groups)] == [
        "int32", "int32", "uint16", "int32",
    ]  # fmt: skip


def test_half_a_pixel_decides_by_the_centre(raster: Path, tmp_path: Path) -> None:
    shapes = [rectangle(1.4, 1.6, 3, 4), rectangle(7, 6, 2, 5)]
    path = write_polygons(tmp_path / "p.gpkg", shapes, class_id=[1, 2])
    assert pixels(read(path, raster), 1) == block(1, 2, 3, 4)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:25832"])
def test_polygons_in_another_coordinate_system_are_reprojected(
    raster: Path, tmp_path: Path, crs: str
) -> None:
    def convert(points: np.ndarray) -> np.ndarray:
        return np.column_stack(transform_coordinates(UTM, crs, points[:, 0], points[:, 1]))

    moved = shapely.transform(shapely.segmentize(SQUARES, 1), convert)
    path = write_polygons(tmp_path / "p.gpkg", moved, crs=crs, class_id=[1, 2])
    labels = read(path, raster)
    assert pixels(labels, 1) == block(1, 1, 3, 4)
    assert pixels(labels, 2) == block(7, 6, 2, 5)


def test_holes_and_parts_are_kept_apart(raster: Path, tmp_path: Path) -> None:
    ring = rectangle(0, 0, 5, 5).difference(rectangle(2, 2, 1, 1))
    parts = shapely.union_all([rectangle(8, 0, 2, 2), rectangle(8, 10, 2, 2)])
    path = write_polygons(tmp_path / "p.gpkg", [ring, parts], class_id=[1, 2])
    labels = read(path, raster)
    assert pixels(labels, 1) == [p for p in block(0, 0, 5, 5) if p != (2, 2)]
    assert pixels(labels, 2) == sorted(block(8, 0, 2, 2) + block(8, 10, 2, 2))
    assert len(set(labels.groups.tolist())) == 3


def test_heights_and_measures_are_ignored(raster: Path, tmp_path: Path) -> None:
    path = write_polygons(tmp_path / "p.gpkg", shapely.force_3d(SQUARES, 120.0), class_id=[1, 2])
    assert pixels(read(path, raster), 2) == block(7, 6, 2, 5)


def test_curved_polygons_are_drawn_as_curves(raster: Path, tmp_path: Path) -> None:
    x, y = GRID * (7.5, 6.5)
    radius = 43.0
    disc = struct.pack("<BII", 1, 10, 1)  # CurvePolygon of one CircularString, a full circle
    disc += struct.pack("<BII", 1, 8, 5)
    for dx, dy in ((-1, 0), (0, 1), (1, 0), (0, -1), (-1, 0)):
        disc += struct.pack("<dd", x + radius * dx, y + radius * dy)
    square = shapely.to_wkb(rectangle(0, 0, 2, 2))
    path = tmp_path / "p.gpkg"
    pyogrio.raw.write(
        str(path), geometry=np.array([disc, square], object), field_data=[np.array([1, 2])],
        fields=np.array(["class_id"], object), geometry_type="Unknown", crs=UTM,
    )  # fmt: skip
    labels = read(path, raster)
    inside = [(r, c) for r in range(12) for c in range(15) if (r - 6) ** 2 + (c - 7) ** 2 <= 4.3**2]
    assert pixels(labels, 1) == inside


def test_a_bow_tie_is_repaired_and_named(raster: Path, tmp_path: Path) -> None:
    bow_tie = shapely.Polygon([GRID * p for p in [(0, 0), (6, 6), (6, 0), (0, 6)]])
    path = write_polygons(tmp_path / "p.gpkg", [SQUARES[1], bow_tie], class_id=[1, 2])
    labels = read(path, raster)
    assert labels.warnings == (
        "Feature 2 of 'p.gpkg' was invalid (such as crossing itself) and repaired.",
    )
    found = set(pixels(labels, 2))
    assert {(2, 0), (3, 0), (2, 5), (3, 5)} <= found  # left and right of the knot
    assert not {(0, 3), (1, 3), (5, 2), (5, 3)} & found  # above and below it


def test_an_overlap_of_two_classes_is_named_and_the_later_counts(
    raster: Path, tmp_path: Path
) -> None:
    shapes = [rectangle(0, 0, 4, 4), rectangle(2, 2, 4, 4)]
    path = write_polygons(
        tmp_path / "p.gpkg", shapes, class_name=np.array(["tree", "roof"], object)
    )
    labels = read(path, raster)
    assert labels.warnings == (
        "4 pixels of 'p.gpkg' lie in two classes: features 1 ('tree') and 2 ('roof'); "
        "the later polygon counts.",
    )
    assert pixels(labels, 1) == block(2, 2, 4, 4)
    assert len(pixels(labels, 2)) == 12
    with pytest.raises(InputError, match=r"4 pixels of 'p\.gpkg' lie in two classes"):
        read(path, raster, overlap="refuse")


def test_an_overlap_within_one_class_is_nothing_special(raster: Path, tmp_path: Path) -> None:
    shapes = [rectangle(0, 0, 4, 4), rectangle(2, 2, 4, 4), SQUARES[1]]
    path = write_polygons(tmp_path / "p.gpkg", shapes, class_id=[1, 1, 2])
    labels = read(path, raster)
    assert labels.counts() == {1: 28, 2: 10}
    assert labels.warnings == ()


def test_a_polygon_smaller_than_a_pixel_takes_the_pixel_it_lies_in(
    raster: Path, tmp_path: Path
) -> None:
    shapes = [rectangle(3.1, 4.1, 0.2, 0.2), SQUARES[1], shapely.Point(GRID * (0.2, 11.9))]
    path = write_polygons(tmp_path / "p.gpkg", shapes, class_id=[1, 2, 3])
    labels = read(path, raster, minimum=1)
    assert pixels(labels, 1) == [(3, 4)]
    assert pixels(labels, 3) == [(11, 0)]


def test_text_classes_are_numbered_in_order_and_empty_ones_left_out(
    raster: Path, tmp_path: Path
) -> None:
    shapes = [*SQUARES, rectangle(10, 0, 2, 2), rectangle(10, 10, 2, 2)]
    names = np.array(["water", " bare soil ", None, ""], object)
    path = write_polygons(tmp_path / "p.gpkg", shapes, kind=names)
    labels = read(path, raster, class_field="kind")
    assert [(i.value, i.name) for i in labels.classes] == [(1, "bare soil"), (2, "water")]
    assert pixels(labels, 2) == block(1, 1, 3, 4)
    assert labels.warnings == (
        "2 of 4 features of 'p.gpkg' have no class in 'kind' and were left out.",
    )


def test_class_values_reach_65535_with_gaps(raster: Path, tmp_path: Path) -> None:
    path = write_polygons(tmp_path / "p.gpkg", SQUARES, class_id=[7, 65535])
    labels = read(path, raster)
    assert labels.counts() == {7: 12, 65535: 10}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([0, 1], "holds the class 0; classes are numbered from 1 to 65535"),
        ([1, 65536], "holds the class 65536"),
        ([1.5, 2.0], "holds fractions, which are no classes"),
        ([np.nan, np.nan], "is empty in all 2 features"),
    ],
)
def test_values_that_are_no_classes_are_refused(
    raster: Path, tmp_path: Path, values: list[float], sentence: str
) -> None:
    path = write_polygons(tmp_path / "p.gpkg", SQUARES, class_id=values)
    with pytest.raises(InputError, match=sentence):
        read(path, raster)


def test_names_and_colours_come_from_the_fields_beside(raster: Path, tmp_path: Path) -> None:
    path = write_polygons(
        tmp_path / "p.gpkg", SQUARES, class_id=[3, 9],
        name=np.array(["oak", "lake"], object), color=np.array(["#AA5500", "0,0,255"], object),
    )  # fmt: skip
    assert read(path, raster).classes == (
        ClassInfo(3, "oak", "#aa5500"),
        ClassInfo(9, "lake", "#0000ff"),
    )


def test_known_classes_keep_their_values_though_one_is_missing(
    raster: Path, tmp_path: Path
) -> None:
    known = [ClassInfo(1, "bare soil", "#111111"), ClassInfo(5, "Water", "#222222")]
    path = write_polygons(tmp_path / "p.gpkg", SQUARES, name=np.array(["water", "steel"], object))
    labels = read(path, raster, classes=known, minimum=0)
    assert labels.counts() == {1: 0, 5: 12, 6: 10}
    assert labels.classes[:2] == tuple(known)
    assert labels.warnings == ("'p.gpkg' has classes that are not known so far: steel.",)


def test_a_layer_can_be_named_as_qgis_does(raster: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.gpkg"
    write_polygons(path, [rectangle(0, 0, 9, 9)], layer="fields", owner=[1])
    write_polygons(path, SQUARES, layer="training", append=True, class_id=[1, 2])
    assert len(read(f"{path}|layername=training", raster)) == 22
    assert len(read(path, raster, layer="training")) == 22
    with pytest.raises(InputError, match=r"'p\.gpkg' has 2 layers.*fields, training"):
        read(path, raster)


def test_a_qgis_filter_is_obeyed(raster: Path, tmp_path: Path) -> None:
    shapes = [*SQUARES, rectangle(10, 10, 2, 3)]
    path = write_polygons(tmp_path / "p.gpkg", shapes, class_id=[1, 2, 3])
    labels = read(f'{path}|layerid=0|subset="class_id" < 3 OR "class_id" = 99', raster)
    assert labels.counts() == {1: 12, 2: 10}


def test_features_without_a_shape_do_no_harm(raster: Path, tmp_path: Path) -> None:
    shapes = [None, SQUARES[0], shapely.Polygon(), SQUARES[1]]
    path = write_polygons(tmp_path / "p.gpkg", shapes, class_id=[2, 1, 1, 2])
    assert read(path, raster).counts() == {1: 12, 2: 10}


def test_a_feature_that_cannot_be_projected_does_not_hide_the_others(
    raster: Path, tmp_path: Path
) -> None:
    def convert(points: np.ndarray) -> np.ndarray:
        x, y = points.T
        return np.column_stack(transform_coordinates(UTM, "EPSG:4326", x, y))

    beyond = shapely.Polygon([(13, 94), (14, 95), (15, 94)])
    shapes = [*shapely.transform(SQUARES, convert), beyond]
    path = write_polygons(tmp_path / "p.gpkg", shapes, crs="EPSG:4326", class_id=[1, 2, 2])
    labels = read(path, raster)
    assert labels.counts() == {1: 12, 2: 10}
    assert labels.warnings == (
        "Feature 3 of 'p.gpkg' cannot be placed in the coordinate system of 'scene' and was left "
        "out.",
    )


def write_empty(path: Path) -> Path:
    return write_polygons(path, [], class_id=np.array([], int))


def write_outside(path: Path) -> Path:
    return write_polygons(path, [rectangle(90, 90, 5, 5)] * 2, class_id=[1, 2])


def write_without_field(path: Path) -> Path:
    return write_polygons(path, SQUARES, owner=[1, 2], height=[3, 4])


def write_one_class(path: Path) -> Path:
    return write_polygons(path, SQUARES, class_id=[4, 4])


def write_few(path: Path) -> Path:
    return write_polygons(path, [SQUARES[0], rectangle(9, 9, 1, 2)], class_id=[1, 2])


def write_text(path: Path) -> Path:
    path.write_text("no layer")
    return path


@pytest.mark.parametrize(
    ("write", "options", "sentence"),
    [
        (write_empty, {}, "'p.gpkg' has no features"),
        (write_outside, {}, "All 2 features of 'p.gpkg' lie outside 'scene'"),
        (write_without_field, {}, "not clear which field.*fields are: owner, height"),
        (write_few, {"class_field": "x"}, "'p.gpkg' has no field 'x'. Its fields are: class_id"),
        (write_one_class, {}, r"'p.gpkg' has one class only \('4'\)"),
        (write_few, {}, "Too few labelled pixels in 'p.gpkg': class '2' has 2, and 3 are needed"),
        (write_text, {}, "'p.gpkg' cannot be read as labels"),
        (lambda path: path, {}, "There are no labels '.*p.gpkg'"),
    ],
)
def test_bad_labels_are_one_clear_sentence(
    raster: Path, tmp_path: Path, write: object, options: dict[str, str], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence) as error:
        read(write(tmp_path / "p.gpkg"), raster, **options)
    assert error.value.hint


def test_validation_labels_may_have_one_class_of_one_pixel(raster: Path, tmp_path: Path) -> None:
    path = write_polygons(tmp_path / "p.gpkg", [rectangle(9, 9, 1, 1)], class_id=[4])
    assert pixels(read(path, raster, minimum=0), 4) == [(9, 9)]


def test_pixels_without_data_in_any_used_band_are_dropped_and_counted(
    polygons: Path, tmp_path: Path
) -> None:
    data = cube()
    data[4, 1, 1:3] = -9999
    raster = write_raster(tmp_path / "gaps.tif", data, nodata=-9999)
    labels = read(polygons, raster)
    assert pixels(labels, 1) == block(1, 1, 3, 4)[2:]
    assert labels.warnings == (
        "2 of 22 labelled pixels of 'polygons.gpkg' lie where 'gaps' has no data; "
        "they were left out.",
    )


def test_qgis_draws_below_zero_on_a_scene_without_georeference(tmp_path: Path) -> None:
    raster = write_raster(tmp_path / "plain.tif", cube(), transform=None, crs=None)
    down = [rectangle(1, 1, 3, 4, Affine.identity()), rectangle(7, 6, 2, 5, Affine.identity())]
    up = [rectangle(1, 1, 3, 4, Affine.scale(1, -1)), rectangle(7, 6, 2, 5, Affine.scale(1, -1))]
    for name, shapes in (("down.gpkg", down), ("up.gpkg", up)):
        path = write_polygons(tmp_path / name, shapes, crs=None, class_id=[1, 2])
        assert pixels(read(path, raster), 1) == block(1, 1, 3, 4)


def test_a_subset_keeps_its_classes(raster: Path, polygons: Path) -> None:
    labels = read(polygons, raster)
    part = labels.subset(labels.values == 2)
    assert part.counts() == {1: 0, 2: 10}
    assert part.classes == labels.classes


def test_styles_kept_in_the_file_are_no_labels(raster: Path, polygons: Path) -> None:
    """QGIS keeps a layer's style in a table of the same GeoPackage."""
    pyogrio.raw.write(
        polygons, None, [np.array(["<qgis/>"], object)], ["styleQML"], driver="GPKG",
        layer="layer_styles", geometry_type=None, crs=None, append=True,
    )  # fmt: skip
    assert len(pyogrio.list_layers(polygons)) == 2
    with Scene.open(raster) as scene:
        assert len(read_labels(polygons, scene)) == 22
