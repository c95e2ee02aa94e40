"""Training areas of other programs, in files written here by the formats' descriptions."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyogrio
import pytest
from affine import Affine
from mtmsd.cli.main import main
from mtmsd.errors import InputError
from mtmsd.files.atomic import SUFFIX
from rasterio.crs import CRS
from rasterio.warp import transform as to_crs
from small_files import GRID, UTM, cube, rectangle, write_polygons, write_raster
from test_labels import SQUARES, block, pixels, read

MACROCLASSES = """<?xml version="1.0" ?>
<macroclasses version="0.4.0" macroclass_field="{0}" class_field="{1}">
  <macroclass id="2" name="Water" color="#0000ff"/>
  <macroclass id="5" name="Green" color="#00aa00"/>
</macroclasses>
"""


def scpx(
    path: Path, *, fields: tuple[str, str] = ("macroclass_id", "class_id"), geometry: bool = True
) -> Path:
    """What SCP 8 saves: geometry.gpkg, macroclasses.xml, the table and a file a signature."""
    layer = write_polygons(
        path.with_name("geometry.gpkg"),
        [*SQUARES, rectangle(1, 9, 2, 2)],
        **{fields[0]: [2, 5, 5], fields[1]: [1, 2, 3], "class_name": ["lake", "oak", "beech"]},
    )
    with zipfile.ZipFile(path, "w") as archive:
        if geometry:
            archive.write(layer, "geometry.gpkg")
        archive.writestr("macroclasses.xml", MACROCLASSES.format(*fields))
        archive.writestr("table", b"\0" * 64)
        archive.writestr("20240101_120000_1", b"\0" * 64)
    layer.unlink()
    return path


@pytest.mark.parametrize("fields", [("macroclass_id", "class_id"), ("MC", "C")])
def test_scp_trains_its_macroclasses_and_its_classes_if_asked(
    raster: Path, tmp_path: Path, fields: tuple[str, str]
) -> None:
    path = scpx(tmp_path / "training.scpx", fields=fields)
    labels = read(path, raster)
    assert [(c.value, c.name, c.color) for c in labels.classes] == [
        (2, "Water", "#0000ff"), (5, "Green", "#00aa00"),
    ]  # fmt: skip
    assert pixels(labels, 2) == block(1, 1, 3, 4)
    assert labels.counts() == {2: 12, 5: 14}
    assert labels.warnings == (
        "The classes of 'training.scpx' are its macroclasses (macroclass_id); --class-field "
        "class_id takes its classes.",
    )
    finer = read(path, raster, class_field="class_id")
    assert [(c.value, c.name) for c in finer.classes] == [(1, "lake"), (2, "oak"), (3, "beech")]
    assert len({c.color for c in finer.classes}) == 3, "macroclasses' colours are not classes'"
    assert finer.warnings == ()


def test_an_older_scp_file_with_a_shapefile_is_read(raster: Path, tmp_path: Path) -> None:
    shape = write_polygons(tmp_path / "ROI.shp", SQUARES, MC_ID=[1, 2], MC_info=["a", "b"],
                           C_ID=[7, 8], C_info=["x", "y"])  # fmt: skip
    with zipfile.ZipFile(tmp_path / "old.scp", "w") as archive:
        for part in tmp_path.glob("ROI.*"):
            archive.write(part, part.name)
        archive.writestr("ROI.slf", "<signaturelist/>")
    shape.unlink()
    labels = read(tmp_path / "old.scp", raster)
    assert [(c.value, c.name) for c in labels.classes] == [(1, "a"), (2, "b")]
    finer = read(tmp_path / "old.scp", raster, class_field="class_id")
    assert [(c.value, c.name) for c in finer.classes] == [(7, "x"), (8, "y")]


def test_scp_without_polygons_and_what_is_no_scp_are_one_sentence(
    raster: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        read(scpx(tmp_path / "s.scpx", geometry=False), raster)
    assert error.value.message == (
        "'s.scpx' has signatures but no polygons, and the training areas are polygons."
    )
    (tmp_path / "no.scpx").write_text("no zip")
    with pytest.raises(InputError, match=r"'no.scpx' is no training input of SCP"):
        read(tmp_path / "no.scpx", raster)
    whole = scpx(tmp_path / "cut.scpx").read_bytes()
    (tmp_path / "cut.scpx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"'cut.scpx' is no training input of SCP, or damaged"):
        read(tmp_path / "cut.scpx", raster)


def roi_text(
    path: Path, rois: dict[str, Sequence[tuple[int, int]]], size: tuple[int, int] = (15, 12),
    *, columns: str = "ID    X    Y    Map X       Map Y  B1", counts: Sequence[int] = (),
) -> Path:  # fmt: skip
    """ENVI Classic's export: heads of all ROIs, then their pixels, which count from 1."""
    counts = counts or [len(found) for found in rois.values()]
    lines = [
        "; ENVI Output of ROIs (4.8) [Mon Jan 03 10:11:12 2011]",
        f"; Number of ROIs: {len(rois)}",
        f"; File Dimension: {size[0]} x {size[1]}",
        ";",
    ]
    for number, (name, count) in enumerate(zip(rois, counts, strict=True)):
        lines += [f"; ROI name: {name}", f"; ROI rgb value: {{{number}, 128, 255}}",
                  f"; ROI npts: {count}", ";"]  # fmt: skip
    lines[-1] = f";   {columns}"
    for found in rois.values():
        lines += [f"  {i}  {col + 1}  {row + 1}  400000.00  5800000.00  17"
                  for i, (row, col) in enumerate(found, 1)] + [""]  # fmt: skip
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


MANY = {f"Region #{i}": block(i, 2, 1, 4) for i in range(5)}


def test_pixels_of_an_envi_text_are_the_pixels_that_train(raster: Path, tmp_path: Path) -> None:
    rois = {"Wald: Süd": [*block(1, 1, 3, 4), (9, 9)], "water": block(7, 6, 2, 5), "none": []}
    for name in ("r.roi", "r.txt"):
        labels = read(roi_text(tmp_path / name, rois), raster)
        assert [(c.name, c.color) for c in labels.classes] == [
            ("Wald: Süd", "#0080ff"), ("water", "#0180ff"),
        ]  # fmt: skip
        assert pixels(labels, 1) == [*block(1, 1, 3, 4), (9, 9)]
        assert pixels(labels, 2) == block(7, 6, 2, 5)
        assert labels.warnings == (f"Empty ROIs of '{name}' were left out: 'none'.",)
    labels = read(roi_text(tmp_path / "five.roi", MANY), raster)
    assert labels.counts() == dict.fromkeys(range(1, 6), 4)
    assert labels.field == "class_name"


@pytest.mark.parametrize("grid", [None, Affine(0, 10, 4e5, 10, 0, 5.8e6), GRID])
def test_pixels_of_an_envi_text_lie_there_on_any_grid(tmp_path: Path, grid: Affine | None) -> None:
    scene = write_raster(tmp_path / "s.tif", cube(), transform=grid, crs=UTM if grid else None)
    labels = read(roi_text(tmp_path / "r.roi", MANY), scene)
    assert pixels(labels, 4) == block(3, 2, 1, 4)


def test_a_pixel_in_two_rois_has_the_later_one(raster: Path, tmp_path: Path) -> None:
    path = roi_text(tmp_path / "r.roi", {"a": block(1, 1, 2, 4), "b": block(2, 1, 2, 4)})
    labels = read(path, raster)
    assert labels.counts() == {1: 4, 2: 8}
    assert "4 pixels of 'r.roi' lie in two classes" in labels.warnings[0]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": (145, 144)}, "of an image of 145×144 pixels; 's' has 15×12"),
        ({"columns": "B1   B2   B3   B4"}, "no columns X and Y"),
        ({"counts": [4, 4, 4, 4, 9]}, "25 pixels by their heads, and 20 lines follow"),
        ({"columns": "ID  Y2  B1  X  Y"}, "which is not in 's'"),
    ],
)
def test_a_text_that_does_not_fit_is_one_sentence(
    tmp_path: Path, options: dict, sentence: str
) -> None:
    scene = write_raster(tmp_path / "s.tif", cube())
    with pytest.raises(InputError) as error:
        read(roi_text(tmp_path / "r.roi", MANY, **options), scene)
    assert "'r.roi'" in error.value.message
    assert sentence in error.value.message


def test_a_text_without_its_images_size_is_taken_and_said(raster: Path, tmp_path: Path) -> None:
    path = roi_text(tmp_path / "r.roi", MANY)
    path.write_text(path.read_text().replace("; File Dimension: 15 x 12\n", ""))
    assert "does not tell the size of its image" in read(path, raster).warnings[0]


def test_a_binary_roi_is_refused_with_what_to_do(raster: Path, tmp_path: Path) -> None:
    (tmp_path / "r.roi").write_bytes(b"\0\1\2ENVI" * 50)
    with pytest.raises(InputError, match=r"binary ROI file") as error:
        read(tmp_path / "r.roi", raster)
    assert ".xml" in str(error.value.hint)


def roi_xml(path: Path, system: str, regions: dict[str, list[np.ndarray]], more: str = "") -> Path:
    """ENVI 5's file; each ring of a region is an array of x and y."""
    parts = []
    for number, (name, rings) in enumerate(regions.items()):
        outer, *inner = (
            "<LinearRing><Coordinates>\n" + " ".join(f"{v:.9f}" for v in ring.ravel())
            + "\n</Coordinates></LinearRing>" for ring in rings
        )  # fmt: skip
        holes = f"<Interior>{''.join(inner)}</Interior>" if inner else ""
        parts.append(
            f'<Region name="{name}" color="{number},128,255"><GeometryDef>\n'
            f"<CoordSysStr>{system}</CoordSysStr>\n<Polygon><Exterior>{outer}</Exterior>{holes}"
            f"</Polygon></GeometryDef></Region>"
        )
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<RegionsOfInterest version="1.1">\n'
        + "\n".join(parts) + more + "\n</RegionsOfInterest>\n"
    )  # fmt: skip
    return path


def ring(row: float, col: float, height: float, width: float) -> np.ndarray:
    return np.array(rectangle(row, col, height, width, Affine.identity()).exterior.coords)


def on_grid(points: np.ndarray, code: str = UTM) -> np.ndarray:
    x, y = points[:, 0] * GRID.a + GRID.c, points[:, 1] * GRID.e + GRID.f
    return np.column_stack(to_crs(UTM, code, x, y) if code != UTM else (x, y))


@pytest.mark.parametrize("code", ["none", UTM, "EPSG:4326"])
def test_polygons_of_an_envi_xml_lie_where_they_were_drawn(
    raster: Path, tmp_path: Path, code: str
) -> None:
    holed = [ring(1, 1, 5, 5), ring(2, 2, 3, 3)]
    regions = {"a": holed, "b": [ring(7, 6, 2, 5)]}
    system = code
    if code != "none":
        regions = {name: [on_grid(r, code) for r in rings] for name, rings in regions.items()}
        system = CRS.from_string(code).to_wkt(version="WKT1_ESRI")
    labels = read(roi_xml(tmp_path / "r.xml", system, regions), raster)
    frame = sorted(set(block(1, 1, 5, 5)) - set(block(2, 2, 3, 3)))
    assert (pixels(labels, 1), pixels(labels, 2)) == (frame, block(7, 6, 2, 5))
    assert [(c.name, c.color) for c in labels.classes] == [("a", "#0080ff"), ("b", "#0180ff")]
    assert labels.warnings == ()


def test_what_an_xml_has_beside_shapes_is_said(raster: Path, tmp_path: Path) -> None:
    more = '<Region name="c" color="1,2,3"><PixelDef/></Region>'
    regions = {"a": [ring(1, 1, 3, 4)], "b": [ring(7, 6, 2, 5)]}
    labels = read(roi_xml(tmp_path / "r.xml", "none", regions, more), raster)
    assert labels.warnings == (
        "1 parts of the regions of 'r.xml' are pixels or thresholds, which only ENVI can turn "
        "into shapes; they were left out.",
        "Empty ROIs of 'r.xml' were left out: 'c'.",
    )


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("</RegionsOfInterest>", "", "is damaged"),
        ("Coordinates>\n1", "Coordinates>\nx 1", "coordinates cannot be read"),
        ("<CoordSysStr>none", "<CoordSysStr>PROJCS[nothing", "not known: PROJCS[nothing"),
        ("Polygon>", "Volume>", "has 2 ROIs and no shape in them"),
    ],
)
def test_a_damaged_xml_is_one_sentence(
    raster: Path, tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    regions = {"a": [ring(1, 1, 3, 4)], "b": [ring(7, 6, 2, 5)]}
    path = roi_xml(tmp_path / "r.xml", "none", regions)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError) as error:
        read(path, raster)
    assert "'r.xml'" in error.value.message
    assert sentence in error.value.message


def test_regions_in_pixels_of_a_larger_image_are_refused(raster: Path, tmp_path: Path) -> None:
    regions = {"a": [ring(200, 300, 3, 4)], "b": [ring(700, 600, 2, 5)]}
    with pytest.raises(InputError, match=r"All 2 features of 'r.xml' lie outside"):
        read(roi_xml(tmp_path / "r.xml", "none", regions), raster)


@pytest.mark.parametrize(
    ("kind", "grid"),
    [("r.roi", GRID), ("r.roi", None), ("r.xml", GRID), ("r.xml", None), ("r.scpx", GRID)],
)
def test_imported_polygons_train_the_same_pixels(
    tmp_path: Path, kind: str, grid: Affine | None
) -> None:
    crs = UTM if grid else None
    scene = write_raster(tmp_path / "s.tif", cube(), transform=grid, crs=crs)
    path = tmp_path / kind
    if kind == "r.scpx":
        scpx(path)
    elif kind == "r.xml":
        roi_xml(path, "none", {"a": [ring(1, 1, 3, 4)], "b": [ring(7, 6, 2, 5)]})
    else:
        roi_text(path, {**MANY, "again": [(9, 9), *block(9, 11, 1, 2)]})
    output = tmp_path / "o.gpkg"
    assert main(["import", str(path), "-o", str(output), "--scene", str(scene)]) == 0
    first = read(path, scene)
    again = read(output, scene, class_field=first.field)
    for value in first.counts():
        assert pixels(first, value) == pixels(again, value)
    assert first.classes == again.classes
    assert pyogrio.read_info(output)["geometry_type"] == "MultiPolygon"


def test_what_cannot_be_imported_leaves_no_file(tmp_path: Path, capsys) -> None:
    scene = write_raster(tmp_path / "s.tif", cube())
    path = roi_text(tmp_path / "r.roi", MANY, (3, 4))
    line = ["import", str(path), "-o", str(tmp_path / "o.gpkg")]
    assert main(line) == 1
    assert "need the scene" in capsys.readouterr().err
    assert main([*line, "--scene", str(scene)]) == 1
    assert "3×4" in capsys.readouterr().err
    assert main(["import", str(path), "-o", str(tmp_path / "o.tif"), "--scene", str(scene)]) == 1
    assert not [p for p in tmp_path.iterdir() if p.name.startswith("o.") or SUFFIX in p.name]
