"""Choosing a part of the method by name, from the one table that holds its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from mtmsd.errors import InputError

T = TypeVar("T")


def named(what: str, name: str, table: Mapping[str, T]) -> T:
    """Return the entry of that name; raises :class:`InputError` that lists all if there is none."""
    if name not in table:
        raise InputError(f"There is no {what} '{name}'.", hint=f"Choose from: {', '.join(table)}.")
    return table[name]
