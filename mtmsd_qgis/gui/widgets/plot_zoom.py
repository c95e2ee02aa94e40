"""The part of a plot that is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Span = tuple[float, float]
LEAST = 0.005
"""The narrowest part, as a share of the whole."""
STEP = 0.8
"""What is left of a side after a step of the wheel."""


@dataclass(frozen=True)
class Zoom:
    """Lowest and highest value across and upwards; None is the whole."""

    x: Span | None = None
    y: Span | None = None

    def stepped(self, whole: tuple[Span, Span], at: tuple[float, float], steps: float) -> Zoom:
        """Return a step nearer (steps > 0) or farther, with the place ``at`` where it is."""
        x, y = (
            _stepped(own or all_, all_, place, steps)
            for own, all_, place in zip((self.x, self.y), whole, at)
        )
        return Zoom() if (x, y) == whole else Zoom(x, y)

    @classmethod
    def to(cls, whole: tuple[Span, Span], x: Span, y: Span) -> Zoom:
        """Return the part between two corners, in any order."""
        return cls(*(_limited(tuple(sorted(s)), all_) for s, all_ in zip((x, y), whole)))

    def as_dict(self) -> dict[str, list[float]]:
        """Return plain JSON."""
        return {name: list(span) for name, span in (("x", self.x), ("y", self.y)) if span}

    @classmethod
    def from_dict(cls, found: Any) -> Zoom:
        """Return what :meth:`as_dict` wrote; what does not fit is the whole."""
        found = found if isinstance(found, dict) else {}
        return cls(_span(found.get("x")), _span(found.get("y")))


def _stepped(own: Span, whole: Span, place: float, steps: float) -> Span:
    factor = STEP**steps
    low, high = (place + (end - place) * factor for end in own)
    return _limited((low, high), whole)


def _limited(span: Sequence[float], whole: Span) -> Span:
    """Return a part that is not too narrow and lies in the whole."""
    size = whole[1] - whole[0]
    middle, half = (span[0] + span[1]) / 2, max(span[1] - span[0], LEAST * size) / 2
    return max(whole[0], middle - half), min(whole[1], middle + half)


def _span(found: Any) -> Span | None:
    try:
        low, high = (float(value) for value in found)
    except (TypeError, ValueError):
        return None
    return (low, high) if low < high else None
