"""Heads by name."""

from __future__ import annotations

from mtmsd.classify.head import Head, PaperHead, SpectralHead
from mtmsd.tables import named

HEADS: dict[str, type[Head]] = {"paper": PaperHead, "spectral": SpectralHead}


def head_named(name: str) -> type[Head]:
    """Return the head of that name; raises :class:`InputError` if there is none."""
    return named("head", name, HEADS)
