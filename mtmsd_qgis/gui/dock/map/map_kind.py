"""Whether a stack's map is the first one, without a diffusion model, or the better one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ....common.classifiers import MTMSD
from ....common.numbers import percent
from ....common.translation import tr
from ....processing.styling import map_note


def kind_text(path: str, others: Iterable[str], has_model: bool) -> str:
    """Say which map it is and what pretraining added; empty for other classifiers.

    Parameters
    ----------
    path : str
        The class map that is shown.
    others : iterable of str
        Maps of the same scene. One without a diffusion model that was judged by as many pixels
        tells what pretraining added.
    has_model : bool
        Whether the scene has been pretrained by now.
    """
    note = map_note(path)
    share = _network_share(note)
    if share is None:
        return ""
    if share < 0:
        if has_model:
            return tr("First map, without the diffusion model that is there now: map once more.")
        return tr(
            "First map, without a diffusion model. How much pretraining adds here, the left-out "
            "polygons tell after it."
        )
    text = tr("Map with the diffusion model, which has {} of the say.").format(percent(share, 0))
    overall, pixels = _figures(note)
    for first in map(map_note, others):
        before, compared = _figures(first)
        if _network_share(first) == -1 and before and overall and compared == pixels:
            return f"{text} " + tr("Left-out pixels that are right: {}, {} without it.").format(
                percent(overall), percent(before)
            )
    return text


def _network_share(note: dict[str, Any]) -> float | None:
    """Return the diffusion network's share in a stack, -1 if it has none; None for no stack."""
    streams = (note.get("stack") or {}).get("streams")
    if not streams:
        return None
    return next((float(s["share"]) for s in streams if s["name"] == MTMSD), -1.0)


def _figures(note: dict[str, Any]) -> tuple[float, int]:
    accuracy = note.get("accuracy") or {}
    return accuracy.get("overall") or 0.0, accuracy.get("n") or 0
