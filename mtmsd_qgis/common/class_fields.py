"""Which field of a layer holds the class: by the same list of names that the engine has."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from qgis.core import QgsVectorLayer

from .folders import CORE

FEW = 5
"""Features from which on a field that tells each from each is taken for their number."""


@lru_cache(maxsize=1)
def field_names() -> dict[str, Any]:
    """Return the engine's lists: ``class``, ``name``, ``color``, and the two ``…_beside``."""
    path = CORE / "mtmsd/labels/field_names.json"
    names: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return names


def guess_field(layer: QgsVectorLayer) -> str:
    """Return the field that probably holds the class, or nothing where none does."""
    lower = {field.name().lower(): field.name() for field in layer.fields()}
    likely = [lower[name] for name in field_names()["class"] if name in lower]
    return next((name for name in likely if not _numbers_features(layer, name)), "")


def name_field(layer: QgsVectorLayer, field: str) -> str:
    """Return the field with the names of the classes whose numbers a field holds, or nothing."""
    lower = {f.name().lower(): f.name() for f in layer.fields() if f.name() != field}
    beside = field_names()["names_beside"].get(field.lower())
    names = [beside] if beside else field_names()["name"]
    return next((lower[name] for name in names if name in lower), "")


def color_field(layer: QgsVectorLayer, field: str) -> str:
    """Return the field with the colours of the classes that a field holds, or nothing."""
    lower = {f.name().lower(): f.name() for f in layer.fields()}
    names = [field_names()["colors_beside"].get(field.lower(), ""), *field_names()["color"]]
    return next((lower[name] for name in names if name in lower), "")


def _numbers_features(layer: QgsVectorLayer, name: str) -> bool:
    """Whether a field has another value in each feature, as a number of features has."""
    count = layer.featureCount()
    if count < FEW:
        return False
    return len(layer.uniqueValues(layer.fields().indexOf(name), count)) == count
