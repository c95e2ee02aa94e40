"""Library spectra that train: which class each has, and how a pixel of it would scatter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mtmsd.classes import (
    LARGEST_VALUE,
    ClassInfo,
    clean_name,
    name_key,
    values_of_names,
    with_colors,
)
from mtmsd.errors import InputError
from mtmsd.files.csv_table import read_csv_table
from mtmsd.libraries.match import band_ranges, match_library
from mtmsd.libraries.read import read_library
from mtmsd.scene.raster import Scene

MOST_NEW = 50
"""Spectra without a class are classes of their own, up to so many."""
MOST_PIXELS = 200
"""Pixels that a class's library spectra are learnt as, beside polygons of many."""
SCATTER = (0.5, 2.0)
"""Times its class's mean, between which a pixel tells how pixels scatter."""


@dataclass(frozen=True)
class TrainingLibrary:
    """Library spectra at a scene's bands, each with a class.

    Attributes
    ----------
    spectra : float32 array (m, B)
        In the scene's units.
    values : uint16 array (m,)
    alone : tuple of ClassInfo
        Classes that have no polygon.
    origin : dict
        JSON-able: ``files``: spectra of each by class; ``alone``: names of those classes.
    notes : tuple of str
    """

    spectra: np.ndarray
    values: np.ndarray
    alone: tuple[ClassInfo, ...] = ()
    origin: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def pixels(
        self, known: np.ndarray, values: np.ndarray, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the spectra as pixels of the scene would have them.

        A class gets about as many pixels as the polygons' median class: each spectrum once as it
        is, and again times the ratios of labelled pixels to the mean of their class.

        Parameters
        ----------
        known : float32 array (n, B)
            Spectra of the labelled pixels that are learnt beside these.
        values : uint16 array (n,)
            Their classes.

        Returns
        -------
        spectra : float32 array (k, B)
        values : uint16 array (k,)
        """
        rng = np.random.default_rng(seed)
        ratios = _ratios(known, values)
        usual = int(np.median(np.unique(values, return_counts=True)[1])) if len(values) else 1
        found = [self.spectra]
        index = [np.arange(len(self.spectra))]
        for value in np.unique(self.values):
            own = np.flatnonzero(self.values == value)
            more = min(usual, MOST_PIXELS) - len(own)
            if more > 0 and len(ratios):
                again = own[np.arange(more) % len(own)]
                found.append(self.spectra[again] * ratios[rng.integers(len(ratios), size=more)])
                index.append(again)
        return np.concatenate(found).astype(np.float32), self.values[np.concatenate(index)]

    def added_to(
        self, spectra: np.ndarray, values: np.ndarray, groups: np.ndarray, seed: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return spectra, classes and polygons of pixels with :meth:`pixels` behind them.

        Each pixel of the library is a polygon of its own.
        """
        more, of = self.pixels(spectra, values, seed)
        last = int(groups.max()) if len(groups) else 0
        own = np.arange(last + 1, last + 1 + len(of), dtype=np.int32)
        return (
            np.concatenate([spectra, more]), np.append(values, of), np.append(groups, own)
        )  # fmt: skip


def read_training_library(
    scene: Scene,
    sources: Sequence[str],
    known: Sequence[ClassInfo],
    *,
    table: Path | None = None,
    factor: float | None = None,
) -> tuple[TrainingLibrary, tuple[ClassInfo, ...]]:
    """Read libraries that train, and return them with all classes there are then.

    Parameters
    ----------
    sources : sequence of str
        ``FILE`` or ``FILE:CLASS``; without a class each spectrum's name is its class.
    known : sequence of ClassInfo
        Classes of the polygons; a library's class of the same name is the same class.
    table : Path, optional
        Columns ``name,class``: the class of each spectrum; others are left out. ``value`` and
        ``color`` beside them are those of classes that no polygon has.

    Raises
    ------
    InputError
        If a library does not cover the scene's bands, or its classes make no sense.
    """
    rows = _class_table(table)
    wanted = None if rows is None else {name: info.name for name, info in rows.items()}
    spectra: list[np.ndarray] = []
    names: list[str] = []
    notes: list[str] = []
    origin: dict[str, dict[str, int]] = {}
    for source in sources:
        path, given = split_source(source)
        library = read_library(path)
        titles = {n.name: given or _class_of(n.name, wanted) for n in library.spectra}
        chosen = tuple(n for n in library.spectra if titles[n.name])
        left = [name for name, title in titles.items() if not title]
        if left:
            notes.append(
                f"{len(left)} of {len(titles)} spectra of '{path.name}' are not in "
                f"'{table.name if table else ''}' and were left out, the first is '{left[0]}'."
            )
        if not chosen:
            continue
        found = match_library(replace(library, spectra=chosen), scene, factor)
        notes += found.notes
        _check_covered(found.values, path, scene)
        for name, row in zip(found.names, found.values, strict=True):
            names.append(titles[name])
            spectra.append(row)
            counts = origin.setdefault(path.name, {})
            counts[titles[name]] = counts.get(titles[name], 0) + 1
    if not names:
        raise InputError(
            f"No spectrum of the libraries is named in '{table}'.",
            hint="Its columns are name,class; a name is that of a spectrum.",
        )
    values, classes = _numbered(names, known, (rows or {}).values())
    before = {info.value for info in known}
    alone = tuple(info for info in classes if info.value not in before)
    learnt = TrainingLibrary(
        np.stack(spectra),
        values,
        alone,
        {"files": origin, "alone": [info.name for info in alone]},
        tuple(notes),
    )
    return learnt, classes


def split_source(text: str) -> tuple[Path, str]:
    """Part ``FILE:CLASS``; a file of that whole name is one without a class."""
    file, colon, name = str(text).rpartition(":")
    if not colon or Path(text).exists() or not Path(file).exists():
        return Path(text), ""
    return Path(file), clean_name(name)


def alone_sentence(origin: Mapping[str, Any] | None) -> str:
    """Say which classes come from a library alone; empty if none does.

    ``origin`` is :attr:`TrainingLibrary.origin`, as a classifier's file keeps it.
    """
    if not origin or not origin.get("alone"):
        return ""
    spectra = sum(sum(counts.values()) for counts in origin["files"].values())
    return (
        f"Learnt from library spectra alone, without a polygon: {', '.join(origin['alone'])} "
        f"({', '.join(origin['files'])}; {spectra} spectra in all). Polygons held out tell what "
        "such a class takes from others, not how well it is found; a reference that has it does."
    )


def _numbered(
    names: Sequence[str], known: Sequence[ClassInfo], listed: Iterable[ClassInfo]
) -> tuple[np.ndarray, tuple[ClassInfo, ...]]:
    """Return the class value of each name, and all classes: new names get new values.

    ``listed`` are classes of a table; their values and colours are taken where they are free.
    """
    values = values_of_names(known)
    taken = {info.value for info in known}
    asked = {name_key(info.name): info for info in listed}
    reserved = taken | {info.value for info in asked.values()}
    free = (value for value in range(1, LARGEST_VALUE + 1) if value not in reserved)
    new: dict[str, int] = {}
    found = []
    for name in names:
        key = name_key(name)
        if key not in values:
            wish = asked[key].value if key in asked else 0
            new[name] = wish if wish and wish not in taken else next(free)
            taken.add(new[name])
            values[key] = {new[name]}
        found.append(min(values[key]))
    if len(new) > MOST_NEW:
        raise InputError(
            f"The libraries would make {len(new)} new classes; {MOST_NEW} are the most.",
            hint="Give them one class (FILE:CLASS), or a table of classes (--library-classes).",
        )
    colors = {key: info.color for key, info in asked.items() if info.color}
    classes = with_colors(
        {value: (name, colors.get(name_key(name))) for name, value in new.items()}, known
    )
    return np.array(found, np.uint16), classes


def _class_table(table: Path | None) -> dict[str, ClassInfo] | None:
    """Return the class of each spectrum; its value is 0 and its colour empty if not given."""
    if table is None:
        return None
    rows = read_csv_table(table, ("name", "class"), what="The table", header="name,class")
    return {name_key(row["name"]): _listed_class(row, table) for row in rows}


def _listed_class(row: Mapping[str, str], table: Path) -> ClassInfo:
    value, color = row.get("value", ""), row.get("color", "")
    if value and not (value.isdecimal() and 1 <= int(value) <= LARGEST_VALUE):
        raise InputError(
            f"The table {table} gives the class '{row['class']}' the value '{value}'.",
            hint=f"Give a whole number from 1 to {LARGEST_VALUE}.",
        )
    if color and not re.fullmatch(r"#[0-9a-fA-F]{6}", color):
        raise InputError(
            f"The table {table} gives the class '{row['class']}' the colour '{color}'.",
            hint="Give a colour as #rrggbb.",
        )
    return ClassInfo(int(value or 0), clean_name(row["class"]), color)


def _class_of(name: str, table: Mapping[str, str] | None) -> str:
    return clean_name(name) if table is None else table.get(name_key(name), "")


def _check_covered(values: np.ndarray, path: Path, scene: Scene) -> None:
    gaps = np.flatnonzero(~np.isfinite(values).all(axis=0))
    if not len(gaps):
        return
    ranges = band_ranges(gaps, scene.wavelengths)
    raise InputError(
        f"'{path.name}' cannot train: it does not cover {len(gaps)} of the "
        f"{len(scene.wavelengths)} bands of '{scene.name}' ({ranges}).",
        hint=f"Leave these bands out (--exclude {ranges.replace(', ', ',')}), or choose a library "
        "that has them.",
    )


def _ratios(spectra: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return pixels over the mean of their class (n, B): how a class scatters in the scene."""
    found = [np.zeros((0, spectra.shape[1]), np.float32)]
    for value in np.unique(values):
        pixels = spectra[values == value]
        mean = pixels.mean(axis=0)
        ratio = np.divide(pixels, mean, out=np.ones_like(pixels), where=mean > 0)
        found.append(np.clip(ratio, *SCATTER))
    return np.concatenate(found)
