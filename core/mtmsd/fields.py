"""What the field of a dataclass may hold, said once, by its annotation.

``Annotated[int, Limits(1, 8)]``, ``tuple[Annotated[int, Limits(0, 999)], ...]``, ``Literal`` and
plain types. Settings and arguments come as text, as JSON and from model files; all three are held
to the same rule. (A validation library would bring three compiled wheels for these forty lines.)
"""

from __future__ import annotations

import math
import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True)
class Limits:
    """Of a number."""

    least: float
    most: float
    multiple_of: int = 1
    above: bool = False
    """Whether ``least`` itself is too small."""

    def hold(self, number: float) -> bool:
        """Whether the number is within them."""
        return (
            (self.least < number if self.above else self.least <= number)
            and number <= self.most
            and (self.multiple_of == 1 or number % self.multiple_of == 0)
        )

    def __str__(self) -> str:
        text = (
            f"above {self.least:g}, {self.most:.15g} at most"
            if self.above
            else f"from {self.least:g} to {self.most:.15g}"
        )
        return text if self.multiple_of == 1 else f"{text}, a multiple of {self.multiple_of}"


def hints_of(cls: type) -> dict[str, Any]:
    """Return the annotations of a dataclass's fields, limits included."""
    return get_type_hints(cls, include_extras=True)


def parts(hint: Any) -> tuple[Any, Limits | None]:
    """Part an annotation into its type, None left out, and its limits."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(kind for kind in get_args(hint) if kind is not type(None))
    if get_origin(hint) is Annotated:
        kind, limits = get_args(hint)[:2]
        return kind, limits
    return hint, None


def rule(hint: Any) -> str:
    """Say what a value must be: the end of a sentence that begins with "It is"."""
    kind, limits = parts(hint)
    if get_origin(kind) is Literal:
        return f"one of: {', '.join(get_args(kind))}"
    if get_origin(kind) is tuple:
        _, each = parts(get_args(kind)[0])
        return f"a list of whole numbers, each once{f', each {each}' if each else ''}"
    if kind is bool:
        return "true or false"
    name = {int: "a whole number", float: "a number"}.get(kind, "a text")
    return f"{name} {limits}" if limits else name


def allows(hint: Any, value: Any) -> bool:
    """Whether a value is of an annotation's type, and within its limits."""
    kind, limits = parts(hint)
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        return (
            isinstance(value, tuple)
            and all(allows(item, part) for part in value)
            and 0 < len(value) == len(set(value))
        )
    if kind is float:
        of_kind = type(value) in (int, float) and math.isfinite(value)
    else:
        of_kind = type(value) is kind
    return of_kind and (limits is None or limits.hold(value))


def from_text(hint: Any, text: str) -> Any:
    """Read a value as a person writes it: ``24``, ``yes``, ``50,100``.

    Raises
    ------
    ValueError
        If it is none. The limits are not looked at.
    """
    kind, _ = parts(hint)
    if get_origin(kind) is tuple:
        return tuple(int(part) for part in text.split(","))
    if kind is bool:
        if text.lower() not in WORDS:
            raise ValueError(text)
        return WORDS[text.lower()]
    return kind(text) if kind in (int, float) else text
