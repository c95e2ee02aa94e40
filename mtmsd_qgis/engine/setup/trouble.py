"""What goes wrong in the field, each with a sentence and a remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .plan import SetupPlan


def explain(log: str, plan: SetupPlan) -> tuple[str, str]:
    """Return (what went wrong, what to do) from what the tools wrote.

    Parameters
    ----------
    log : str
        The log of the step that failed.
    plan : SetupPlan
        What was being done.
    """
    raise NotImplementedError


def without_secrets(text: str) -> str:
    """Take names and passwords out of URLs."""
    raise NotImplementedError
