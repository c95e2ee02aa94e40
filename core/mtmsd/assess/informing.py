"""What only informs about a map, and so must never end the making of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from mtmsd.compute.memory import is_out_of_memory
from mtmsd.errors import Canceled, MachineError, MtmsdError
from mtmsd.reporting import Reporter

T = TypeVar("T")


class Informing:
    """Does what only informs; what fails is told as a warning, and the work goes on.

    A cancel, memory that ran out and a machine that failed end the work as ever.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.warnings: list[str] = []
        """Sentences told so far, for the report."""

    def attempt(self, failure: str, work: Callable[[], T]) -> T | None:
        """Return what ``work`` returns, None if it fails.

        Parameters
        ----------
        failure : str
            What there is not if it fails, as a sentence without its end: ``No learning curve``.
        """
        try:
            return work()
        except (Canceled, MachineError):
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise
            why = error.message if isinstance(error, MtmsdError) else one_line(error)
            sentence = f"{failure}: {why}"
            self.warnings.append(sentence)
            self._reporter.warning(sentence)
            return None


def one_line(error: Exception) -> str:
    """Return the first line of what an exception says, or its name."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
