"""The classes: number, name, colour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ...common.translation import tr

PALETTE = (
    "#e31a1c", "#33a02c", "#1f78b4", "#ff9e17", "#6a3d9a", "#b15928", "#17becf", "#e377c2",
    "#bcbd22", "#7f7f7f", "#fdbf6f", "#b2df8a", "#a6cee3", "#fb9a99", "#cab2d6", "#8c564b",
)  # fmt: skip
"""Colours that tell classes apart, for new ones."""
FEWEST_PIXELS = 3
"""With fewer pixels the engine refuses a class."""
GOOD_PIXELS = 30
"""With fewer pixels a class is learned badly."""


@dataclass(frozen=True)
class LandClass:
    """A class; ``value`` is its number in the map, from 1."""

    value: int
    name: str
    color: str


@dataclass(frozen=True)
class Label:
    """A polygon of another layer: WKB in the scene's CRS; its class, told by number or name.

    ``value`` is 0 where the layer tells its classes by name.
    """

    wkb: bytes
    name: str
    color: str = ""
    value: int = 0


@dataclass(frozen=True)
class Source:
    """What another layer holds: its polygons, and how many features have no class or shape.

    ``notes`` say what was assumed, and what could not be placed in the scene's CRS.
    """

    labels: list[Label]
    left_out: int = 0
    notes: tuple[str, ...] = ()


def added(
    classes: Sequence[LandClass], name: str = "", color: str = "", value: int = 0
) -> list[LandClass]:
    """Return the classes with a new one; what is not given is the lowest free number and such."""
    taken = {c.value for c in classes}
    if value < 1 or value in taken:
        value = next(v for v in range(1, len(taken) + 2) if v not in taken)
    used = {c.color for c in classes}
    free = next((c for c in PALETTE if c not in used), PALETTE[(value - 1) % len(PALETTE)])
    new = LandClass(value, name or tr("class {}").format(value), color or free)
    return sorted([*classes, new], key=lambda c: c.value)


def changed(classes: Sequence[LandClass], value: int, **what: str) -> list[LandClass]:
    """Return the classes with one renamed or recoloured."""
    return [replace(c, **what) if c.value == value else c for c in classes]


def without(classes: Sequence[LandClass], values: Iterable[int]) -> list[LandClass]:
    """Return the classes but for some."""
    gone = set(values)
    return [c for c in classes if c.value not in gone]


def to_json(classes: Sequence[LandClass]) -> list[dict[str, Any]]:
    """Return plain dictionaries."""
    return [asdict(c) for c in classes]


def from_json(entries: Any) -> list[LandClass]:
    """Return the classes in what :func:`to_json` made; what does not fit is left out."""
    found = []
    for entry in entries or []:
        try:
            found.append(LandClass(int(entry["value"]), str(entry["name"]), str(entry["color"])))
        except (KeyError, TypeError, ValueError):
            continue
    return found
