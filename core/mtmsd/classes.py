"""Classes of land cover: value, name, colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LARGEST_VALUE = 65535
"""Class values are kept as uint16; 0 means no class."""
PALETTE = (
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#edc948", "#76b7b2", "#9c755f",
    "#ff9da7", "#bab0ac", "#1f5f8b", "#8cd17d", "#d37295", "#b6992d", "#499894", "#86bcb6",
    "#fabfd2", "#79706e", "#d4a6c8", "#f1ce63",
)  # fmt: skip


@dataclass(frozen=True, order=True)
class ClassInfo:
    """A class: its value in maps, its name, its colour as ``#rrggbb``."""

    value: int
    name: str
    color: str


def with_colors(
    found: dict[int, tuple[str, str | None]], known: Sequence[ClassInfo]
) -> tuple[ClassInfo, ...]:
    """Join found classes (value: name, colour) to known ones; fill in missing colours."""
    merged = {info.value: info for info in known}
    taken = {info.color.lower() for info in known} | {c.lower() for _, c in found.values() if c}
    free = [color for color in PALETTE if color not in taken] or list(PALETTE)
    for i, value in enumerate(sorted(set(found) - set(merged))):
        name, color = found[value]
        merged[value] = ClassInfo(value, name, color or free[i % len(free)])
    return tuple(merged[value] for value in sorted(merged))
