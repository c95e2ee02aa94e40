"""Heads by name."""

from __future__ import annotations

from mtmsd.classify.head import Head, PaperHead, SpectralHead
from mtmsd.classify.sst import TransformerHead
from mtmsd.errors import InputError
from mtmsd.features.tiles import TileGrid
from mtmsd.settings import ClassifierSettings
from mtmsd.tables import named

HEADS: dict[str, type[Head]] = {
    "paper": PaperHead,
    "spectral": SpectralHead,
    "sst": TransformerHead,
}


def head_named(name: str) -> type[Head]:
    """Return the head of that name; raises :class:`InputError` if there is none."""
    return named("head", name, HEADS)


def check_window(settings: ClassifierSettings, side: int) -> None:
    """Refuse a window that has no middle, or that tiles of ``side`` px do not show.

    Raises
    ------
    InputError
    """
    reach = head_named(settings.head).reach(settings)
    if not reach:
        return
    if settings.window % 2 == 0:
        raise InputError(
            f"The setting window cannot be '{settings.window}'.",
            hint=f"It has a pixel in its middle: {settings.window - 1} or {settings.window + 1}.",
        )
    dense = settings.features == "dense"
    most = TileGrid(side, settings.stride).margin if dense else side // 2 - 1
    if reach > most:
        what = f", {settings.stride} px apart," if dense else ""
        raise InputError(
            f"Tiles of {side} px{what} do not show the {settings.window} px around each pixel.",
            hint=f"Set window to {2 * most + 1} at most"
            + (f", or stride to {side - 3 * reach} at most." if dense else "."),
        )
