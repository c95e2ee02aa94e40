"""Class schemes in files: CSV (value, name, colour) and QGIS's own styles (QML)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsFeatureRenderer,
    QgsReadWriteContext,
    QgsRendererCategory,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor
from qgis.PyQt.QtXml import QDomDocument

from ...common.translation import tr
from .classes import LandClass
from .training_file import VALUE
from .training_style import symbol_of

LARGEST_VALUE = 65535
COLUMNS = {
    "value": ("value", "class", "class_id", "id", "code"),
    "name": ("name", "label", "class_name"),
    "color": ("colour", "color"),
}


def read_scheme(path: Path) -> list[LandClass]:
    """Read the classes of a file.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it holds no classes, or one that cannot be; the sentence names the line or the class.
    """
    found = _of_style(path) if path.suffix.lower() == ".qml" else _of_table(path)
    if not found:
        raise ValueError(tr("{} holds no classes.").format(path.name))
    for part, name in ((1, tr("number")), (2, tr("name"))):
        seen = [row[part] for row in found]
        twice = next((value for value in seen if seen.count(value) > 1), None)
        if twice is not None:
            text = tr("{file} has the {what} {value} twice.")
            raise ValueError(text.format(file=path.name, what=name, value=twice))
    return [LandClass(value, name, color) for _, value, name, color in found]


Row = tuple[str, int, str, str]
"""Where it stands, number, name, colour."""


def _of_table(path: Path) -> list[Row]:
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return []
    separator = max(",;\t", key=lines[0].count)
    rows = list(csv.reader(lines, delimiter=separator))
    head = [cell.strip().lower() for cell in rows[0]]
    places = {
        key: next((head.index(name) for name in names if name in head), -1)
        for key, names in COLUMNS.items()
    }
    if places["value"] < 0 and rows[0][0].strip().isdigit():  # no header
        return [_row(path, n, row, (0, 1, 2)) for n, row in enumerate(rows, 1)]
    if min(places.values()) < 0:
        text = tr("{} needs the columns value, name and colour.")
        raise ValueError(text.format(path.name))
    order = (places["value"], places["name"], places["color"])
    return [_row(path, n, row, order) for n, row in enumerate(rows[1:], 2)]


def _row(path: Path, line: int, cells: Sequence[str], order: tuple[int, int, int]) -> Row:
    place = tr("line {}").format(line)
    if len(cells) <= max(order):
        raise ValueError(tr("{}, {}: a cell is missing.").format(path.name, place))
    value, name, color = (cells[index].strip() for index in order)
    return _checked(path, place, value, name, color)


def _checked(path: Path, place: str, value: str, name: str, color: str) -> Row:
    """Return a class, or raise a sentence that says what is wrong with it."""
    try:
        number = int(value)
    except ValueError:
        number = 0
    if not 1 <= number <= LARGEST_VALUE:
        text = tr("{file}, {place}: '{value}' is no class number from 1 to {most}.")
        raise ValueError(text.format(file=path.name, place=place, value=value, most=LARGEST_VALUE))
    if not QColor(color).isValid():
        text = tr("{file}, {place}: '{color}' is no colour; write it like #1a7837.")
        raise ValueError(text.format(file=path.name, place=place, color=color))
    return place, number, name or tr("class {}").format(number), QColor(color).name()


def _of_style(path: Path) -> list[Row]:
    """Read the categories of a vector style or the palette of a raster style."""
    document = QDomDocument()
    document.setContent(path.read_text(encoding="utf-8", errors="replace"))
    if document.documentElement().isNull():  # what setContent returns is not the same in Qt 6
        raise ValueError(tr("{} is no style of QGIS.").format(path.name))
    entries = document.elementsByTagName("paletteEntry")
    if entries.count():
        nodes = (entries.at(index).toElement() for index in range(entries.count()))
        rows = [(n.attribute("value"), n.attribute("label"), n.attribute("color")) for n in nodes]
    else:
        element = document.elementsByTagName("renderer-v2").at(0).toElement()
        renderer = None
        if not element.isNull():
            renderer = QgsFeatureRenderer.load(element, QgsReadWriteContext())
        if not isinstance(renderer, QgsCategorizedSymbolRenderer):
            text = tr("{} is a style of another kind: it has neither categories nor a palette.")
            raise ValueError(text.format(path.name))
        rows = [
            (str(c.value()), c.label(), c.symbol().color().name())
            for c in renderer.categories()
            if c.value() not in (None, "") and str(c.value()) not in ("NULL", "")
        ]
    return [
        _checked(path, tr("class {}").format(label or value), value, label, color)
        for value, label, color in rows
        if value != "0"  # no data
    ]


def write_scheme(path: Path, classes: Sequence[LandClass]) -> None:
    """Write the classes as CSV, or as a style for polygons if the name ends in .qml.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    if path.suffix.lower() != ".qml":
        part = path.with_name(f"{path.name}.part")
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["value", "name", "colour"])
            writer.writerows([c.value, c.name, c.color] for c in classes)
        part.replace(path)
        return
    layer = QgsVectorLayer(f"Polygon?field={VALUE}:integer", "classes", "memory")
    categories = [QgsRendererCategory(c.value, symbol_of(c.color), c.name) for c in classes]
    layer.setRenderer(QgsCategorizedSymbolRenderer(VALUE, categories))
    message, is_written = layer.saveNamedStyle(str(path))
    if not is_written:
        raise OSError(tr("{} cannot be written: {}.").format(path, message))
