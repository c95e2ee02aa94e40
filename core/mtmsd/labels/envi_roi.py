"""Regions of interest of ENVI: the text that it exports, and its XML files."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from rasterio.crs import CRS
from rasterio.errors import CRSError

from mtmsd.errors import InputError
from mtmsd.labels.class_fields import hex_color
from mtmsd.labels.layer import Layer
from mtmsd.scene.raster import Scene

TEXT_START = "; ENVI Output of ROIs"
XML_START = "<RegionsOfInterest"
_SHAPES = ("Polygon", "Point", "MultiPoint", "LineString")
_REGION_LINE = re.compile(r";\s*ROI (name|rgb value|npts):\s*(.*?)\s*$")
_SIZE_LINE = re.compile(r";\s*File Dimension:\s*(\d+)\s*x\s*(\d+)", re.IGNORECASE)


@dataclass
class _Region:
    name: str
    color: str | None = None
    count: int = -1
    shape: shapely.Geometry | None = None


def read_roi_text(path: Path, scene: Scene) -> Layer:
    """Read ROIs exported as text: pixels, which become squares joined to one shape a ROI.

    Raises
    ------
    InputError
        If they are of an image of another size, or the text is not as ENVI writes it.
    """
    text = _decode(path.read_bytes())
    regions, columns, rows = _parse_text(text, path.name)
    warnings = []
    size = _SIZE_LINE.search(text)
    if size is None:
        warnings.append(
            f"'{path.name}' does not tell the size of its image; its pixels are taken as those of "
            f"'{scene.name}'."
        )
    elif (int(size[1]), int(size[2])) != (scene.width, scene.height):
        raise InputError(
            f"The ROIs of '{path.name}' are of an image of {size[1]}×{size[2]} pixels; "
            f"'{scene.name}' has {scene.width}×{scene.height}.",
            hint="Choose the image that they were drawn on, or export them from ENVI as a "
            "shapefile or as .xml with map coordinates.",
        )
    pixels = _pixels(rows, columns, path.name, scene)
    ends = np.cumsum([region.count for region in regions])
    for region, own in zip(regions, np.split(pixels, ends[:-1]), strict=True):
        region.shape = _joined(own) if len(own) else None
    return _layer(path, regions, None, warnings, in_pixels=True)


def _parse_text(text: str, name: str) -> tuple[list[_Region], list[str], list[str]]:
    """Return the ROIs, the names of the columns, and the lines of the table."""
    regions: list[_Region] = []
    columns: list[str] = []
    rows = []
    for line in text.splitlines():
        found = _REGION_LINE.match(line)
        if found and found[1] == "name":
            regions.append(_Region(found[2]))
        elif found and regions and found[1] == "rgb value":
            regions[-1].color = found[2].strip("{} ")
        elif found and regions:
            regions[-1].count = int(found[2]) if found[2].isdigit() else -1
        elif line.startswith(";"):
            words = re.sub(r"Map\s+(?=[XY])", "Map", line.lstrip("; ")).split()
            columns = words if "X" in words and "Y" in words else columns
        elif line.strip():
            rows.append(line)
    if not columns:
        raise InputError(
            f"'{name}' does not tell where its pixels are: it has no columns X and Y.",
            hint="Export the ROIs from ENVI with pixel locations.",
        )
    total = sum(region.count for region in regions)
    if not regions or any(region.count < 0 for region in regions) or total != len(rows):
        raise InputError(
            f"'{name}' is not complete: its ROIs have {max(total, 0)} pixels by their heads, and "
            f"{len(rows)} lines follow.",
            hint="Export the ROIs from ENVI once more.",
        )
    return regions, columns, rows


def _pixels(rows: list[str], columns: list[str], name: str, scene: Scene) -> np.ndarray:
    """Return column and row, from 0, of each line; ENVI counts from 1."""
    places = [columns.index("X"), columns.index("Y")]
    pixels = np.empty((len(rows), 2), np.int64)
    for number, line in enumerate(rows):
        words = line.split()
        try:
            pixels[number] = [int(float(words[place])) - 1 for place in places]
        except (ValueError, IndexError, OverflowError):
            raise InputError(
                f"'{name}' has a line without a pixel: '{line.strip()[:60]}'.",
                hint="Export the ROIs from ENVI once more.",
            ) from None
    outside = ((pixels < 0) | (pixels >= (scene.width, scene.height))).any(axis=1)
    if outside.any():
        col, row = pixels[outside][0] + 1
        raise InputError(
            f"'{name}' has the pixel X {col}, Y {row}, which is not in '{scene.name}' "
            f"({scene.width}×{scene.height} pixels).",
            hint="Choose the image that the ROIs were drawn on.",
        )
    return pixels


def _joined(pixels: np.ndarray) -> shapely.Geometry:
    """Join squares of pixels (column, row), run by run of a row."""
    pixels = np.unique(pixels[:, ::-1], axis=0)
    rows, cols = pixels.T
    first = np.flatnonzero(np.r_[True, (np.diff(rows) != 0) | (np.diff(cols) != 1)])
    last = np.r_[first[1:], len(rows)] - 1
    runs = shapely.box(cols[first], rows[first], cols[last] + 1, rows[first] + 1)
    return shapely.union_all(runs)


def read_roi_xml(path: Path, scene: Scene) -> Layer:
    """Read ROIs of ENVI's XML: in map coordinates, or in those of the image's pixels.

    Raises
    ------
    InputError
        If the file is damaged, without shapes, or in several coordinate systems.
    """
    try:
        root = ElementTree.parse(path).getroot()  # noqa: S314 - Python's expat limits entities
    except (ElementTree.ParseError, UnicodeError) as error:
        raise InputError(
            f"'{path.name}' is damaged: {error}.", hint="Save the ROIs from ENVI once more."
        ) from error
    regions: list[_Region] = []
    systems, skipped = set(), 0
    for element in root.iter("Region"):
        shapes = []
        for definition in element:
            if definition.tag != "GeometryDef":
                skipped += 1
                continue
            systems.add((definition.findtext("CoordSysStr") or "none").strip())
            shapes += list(_shapes(definition, path.name))
        shape = shapely.union_all(shapes) if len(shapes) > 1 else (shapes or [None])[0]
        name = element.get("name") or f"Region {len(regions) + 1}"
        regions.append(_Region(name, element.get("color"), shape=shape))
    if len(systems) > 1:
        raise InputError(
            f"The regions of '{path.name}' are in {len(systems)} coordinate systems.",
            hint="Save those of each system to a file of its own.",
        )
    warnings = []
    if skipped:
        warnings.append(
            f"{skipped} parts of the regions of '{path.name}' are pixels or thresholds, which "
            "only ENVI can turn into shapes; they were left out."
        )
    system = systems.pop() if systems else "none"
    in_pixels = system.lower() == "none"
    return _layer(path, regions, None if in_pixels else _crs(system, path), warnings, in_pixels)


def _shapes(definition: ElementTree.Element, name: str) -> Iterator[shapely.Geometry]:
    """Yield the shapes of a definition; the coordinates of one stand in one row of numbers."""
    for element in definition.iter():
        if element.tag not in _SHAPES:
            continue
        try:
            if element.tag == "Polygon":
                outer = [_numbers(ring) for ring in element.iterfind("Exterior//Coordinates")]
                inner = [_numbers(ring) for ring in element.iterfind("Interior//Coordinates")]
                yield from (shapely.Polygon(ring, inner) for ring in outer)
            else:
                kind = shapely.LineString if element.tag == "LineString" else shapely.MultiPoint
                yield from (kind(_numbers(part)) for part in element.iterfind(".//Coordinates"))
        except ValueError:
            raise InputError(
                f"'{name}' has a {element.tag} whose coordinates cannot be read.",
                hint="Save the ROIs from ENVI once more.",
            ) from None


def _numbers(element: ElementTree.Element) -> np.ndarray:
    words = re.split(r"[\s,]+", (element.text or "").strip())
    return np.array(words, float).reshape(-1, 2)


def _crs(system: str, path: Path) -> CRS:
    try:
        return CRS.from_wkt(system, morph_from_esri_dialect=True)
    except CRSError as error:
        raise InputError(
            f"The coordinate system of '{path.name}' is not known: {system[:60]}.",
            hint="Save the ROIs from ENVI as a shapefile.",
        ) from error


def _layer(
    path: Path, regions: list[_Region], crs: CRS | None, warnings: list[str], in_pixels: bool
) -> Layer:
    drawn = [region for region in regions if region.shape is not None]
    if not drawn:
        raise InputError(
            f"'{path.name}' has {len(regions)} ROIs and no shape in them.",
            hint="Draw the ROIs in ENVI, and save them once more.",
        )
    empty = [f"'{region.name}'" for region in regions if region.shape is None]
    if empty:
        warnings.append(f"Empty ROIs of '{path.name}' were left out: {', '.join(empty)}.")
    fields = {
        "class_name": np.array([region.name for region in drawn], object),
        "color": np.array([hex_color(region.color) for region in drawn], object),
    }
    shapes = np.array([region.shape for region in drawn], object)
    fids = np.arange(1, len(drawn) + 1)
    return Layer(path.name, fids, shapes, fields, crs, tuple(warnings), "class_name", in_pixels)


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")
