"""Training input of the Semi-Automatic Classification Plugin: a zip of polygons and names."""

from __future__ import annotations

import shutil
import tempfile
import xml.etree.ElementTree as ElementTree
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np

from mtmsd.errors import InputError
from mtmsd.labels.layer import Layer, read_layer

ENDINGS = (".scpx", ".scp")
NUMBER, NAME, COLOR, CLASS = "macroclass_id", "macroclass_name", "macroclass_color", "class_id"
"""What the fields are called here, whatever they are called in the file."""


@dataclass(frozen=True)
class _Macroclasses:
    """What ``macroclasses.xml`` tells: the two fields, name and colour of each macroclass."""

    number: str = NUMBER
    of_class: str = CLASS
    names: dict[int, str] = field(default_factory=dict)
    colors: dict[int, str] = field(default_factory=dict)


def read_scp(path: Path, class_field: str | None) -> Layer:
    """Read the polygons, with macroclass, class, their names and the macroclasses' colours.

    Raises
    ------
    InputError
        If the file is damaged or has signatures alone.
    """
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            told = _macroclasses(archive)
            layer = _polygons(archive, path.name, Path(folder))
    except (zipfile.BadZipFile, RuntimeError, EOFError, NotImplementedError) as error:
        raise InputError(
            f"'{path.name}' is no training input of SCP, or damaged: {error}.",
            hint="Save it once more with SCP.",
        ) from error
    fields = _named(layer.fields, told)
    if NUMBER not in fields:
        return replace(layer, fields=fields)
    warnings = list(layer.warnings)
    if class_field is None and CLASS in fields:
        warnings.append(
            f"The classes of '{path.name}' are its macroclasses ({NUMBER}); --class-field {CLASS} "
            "takes its classes."
        )
    return replace(layer, fields=fields, warnings=tuple(warnings), class_field=NUMBER)


def _macroclasses(archive: zipfile.ZipFile) -> _Macroclasses:
    name = next((n for n in archive.namelist() if n.endswith("macroclasses.xml")), None)
    if name is None:
        return _Macroclasses()
    try:
        root = ElementTree.fromstring(archive.read(name))  # noqa: S314 - expat limits entities
        found = [(int(e.get("id", "")), e) for e in root.iter("macroclass")]
    except (ElementTree.ParseError, ValueError):
        return _Macroclasses()  # names and colours only
    return _Macroclasses(
        root.get("macroclass_field") or NUMBER,
        root.get("class_field") or CLASS,
        {number: element.get("name", "") for number, element in found},
        {number: element.get("color", "") for number, element in found},
    )


def _polygons(archive: zipfile.ZipFile, name: str, folder: Path) -> Layer:
    """Unpack the layer and read it; a shapefile has several files."""
    inside = [PurePosixPath(n) for n in archive.namelist() if not n.startswith("__MACOSX")]
    layers = [part for part in inside if part.suffix.lower() in (".gpkg", ".shp")]
    if len(layers) != 1:
        has = f"{len(layers)} layers" if layers else "signatures but no polygons"
        raise InputError(
            f"'{name}' has {has}, and the training areas are polygons.",
            hint="In SCP, save the training input with its ROIs, or choose its polygon layer.",
        )
    for part in inside:
        if part.with_suffix("") == layers[0].with_suffix(""):
            with archive.open(str(part)) as source, (folder / part.name).open("wb") as target:
                shutil.copyfileobj(source, target)
    try:
        return replace(read_layer(str(folder / layers[0].name), None), name=name)
    except InputError as error:
        sentence = error.message.replace(f"'{layers[0].name}'", f"'{name}'")
        raise InputError(sentence, hint=error.hint) from error


def _named(fields: dict[str, np.ndarray], told: _Macroclasses) -> dict[str, np.ndarray]:
    """Give the fields their usual names; fill in what only ``macroclasses.xml`` tells."""
    usual = {told.number.lower(): NUMBER, told.of_class.lower(): CLASS}
    usual |= {"mc_id": NUMBER, "mc_info": NAME, "c_id": CLASS, "c_info": "class_name"}
    result = {usual.get(key.lower(), key.lower()): column for key, column in fields.items()}
    if NUMBER in result:
        for key, texts in ((NAME, told.names), (COLOR, told.colors)):
            if any(texts.values()) and key not in result:
                result[key] = np.array([_of(texts, n) for n in result[NUMBER]], object)
    return result


def _of(texts: dict[int, str], number: object) -> str | None:
    try:
        return texts.get(int(float(str(number))))
    except ValueError:
        return None
