"""Imported spectra that train: which class each has, and how the engine is told."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Any

from .training.classes import LandClass
from .training.import_plan import name_key
from .workspace import Workspace


def trained(workspace: Workspace) -> dict[str, LandClass]:
    """Return the class of each imported spectrum that trains, by the spectrum's name."""
    training = workspace.training
    known = {c.value: c for c in training.classes} if training is not None else {}
    return {name: known[v] for name, v in workspace.state.library_classes.items() if v in known}


def spectra_of_classes(workspace: Workspace) -> Mapping[int, int]:
    """Return how many imported spectra train each class; 0 for a class without."""
    return Counter(land_class.value for land_class in trained(workspace).values())


def alone(workspace: Workspace, polygons: Mapping[int, int]) -> list[str]:
    """Return the names of the classes that spectra train and no polygon does."""
    classes = set(trained(workspace).values())
    return [c.name for c in sorted(classes, key=lambda c: c.value) if not polygons.get(c.value)]


def distinct(names: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Number names that are taken, or differ in capitals and blanks alone: a class is of one."""
    seen, found = {name_key(name) for name in taken}, []
    for name in names:
        new, number = name, 1
        while name_key(new) in seen:
            number += 1
            new = f"{name} ({number})"
        seen.add(name_key(new))
        found.append(new)
    return found


def library_parameters(workspace: Workspace) -> dict[str, Any]:
    """Return the parameters that train the spectra too; the table of their classes is written.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    library = workspace.state.library
    if library is None or not trained(workspace):
        return {}
    table = library.with_name(f"{library.stem}_classes.csv")
    part = table.with_name(f"{table.name}.part")
    part.write_bytes(_table(workspace).encode())
    part.replace(table)
    # imported spectra are in the scene's units
    return {"LIBRARY": str(library), "LIBRARY_CLASSES": str(table), "LIBRARY_FACTOR": 1}


def library_key(workspace: Workspace) -> str:
    """Return what changes when other spectra train; empty without any."""
    library = workspace.state.library
    if library is None or not trained(workspace):
        return ""
    content = library.read_bytes() if library.is_file() else b""
    return hashlib.sha256(_table(workspace).encode() + content).hexdigest()


def _table(workspace: Workspace) -> str:
    text = StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["name", "class", "value", "color"])
    for name, land_class in sorted(trained(workspace).items()):
        writer.writerow([name, land_class.name, land_class.value, land_class.color])
    return text.getvalue()
