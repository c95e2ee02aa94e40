"""Numbers of things in words."""

from __future__ import annotations

from .translation import tr


def polygons_text(count: int) -> str:
    """Return ``1 polygon``, ``2 polygons``."""
    if count == 1:
        return tr("1 polygon")
    return tr("%Ln polygons", "", count)


def pixels_text(count: int) -> str:
    """Return ``1 pixel``, ``2 pixels``."""
    if count == 1:
        return tr("1 pixel")
    return tr("%Ln pixels", "", count)


def warnings_text(count: int) -> str:
    """Return ``1 warning``, ``2 warnings``."""
    if count == 1:
        return tr("1 warning")
    return tr("%Ln warnings", "", count)
