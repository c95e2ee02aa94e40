"""One text that tells a helper all about the engine, without names, homes and secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .surroundings import Surroundings

if TYPE_CHECKING:
    from ..interpreter import EngineState


def diagnostics(state: EngineState, surroundings: Surroundings | None = None, log: str = "") -> str:
    """Return the text of *Copy Diagnostics*.

    Parameters
    ----------
    state : EngineState
        What the panel shows.
    surroundings : Surroundings, optional
        Where it is known.
    log : str
        The log of the last set-up; its last 200 lines are taken.
    """
    raise NotImplementedError
