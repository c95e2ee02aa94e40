"""Names and colours that a raster has for its values."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import rasterio

from mtmsd.classes import clean_name


def read_categories(dataset: rasterio.DatasetReader) -> dict[int, tuple[str, str | None]]:
    """Return name (empty if there is none) and colour ``#rrggbb`` or None of each value."""
    try:
        table = dataset.colormap(1)
    except ValueError:
        table = {}
    names = _names(dataset)
    colors = {v: "#{:02x}{:02x}{:02x}".format(*c[:3]) for v, c in table.items() if any(c[:3])}
    return {v: (names.get(v, ""), colors.get(v)) for v in sorted({*names, *colors})}


def _names(dataset: rasterio.DatasetReader) -> dict[int, str]:
    """Category names, which GDAL keeps beside the raster and ENVI in the header."""
    header = dataset.tags(ns="ENVI").get("class_names")
    if header:
        return dict(enumerate(clean_name(part) for part in header.strip("{} ").split(",")))
    beside = Path(f"{dataset.name}.aux.xml")
    if not beside.is_file():
        return {}
    try:
        root = ElementTree.parse(beside).getroot()  # noqa: S314 - Python's expat limits entities
    except ElementTree.ParseError:
        return {}
    entries = root.findall("PAMRasterBand[@band='1']/CategoryNames/Category")
    return {i: clean_name(entry.text or "") for i, entry in enumerate(entries)}
