"""What a running computation tells the outside, and how it learns of a cancel."""

from __future__ import annotations

from pathlib import Path

from mtmsd.errors import Canceled

SCENES = "scenes"
"""The phase of several scenes; it is entered again for each, and its progress goes on."""


class Reporter:
    """A silent listener; the job runner, the terminal and the tests derive from it.

    Long loops call :meth:`progress` often (at least once a second where they can):
    it is also the place where a cancel takes effect.
    """

    def phase(self, name: str, title: str) -> None:
        """Tell that a new phase begins; ``name`` is for programs, ``title`` for people."""

    def progress(self, done: float, total: float, unit: str) -> None:
        """Tell that ``done`` of ``total`` units of the present phase are finished.

        Raises
        ------
        Canceled
            If the user asked to stop.
        """
        self.check_canceled()

    def metric(self, step: int, name: str, value: float) -> None:
        """Tell a number worth a curve, such as the loss at a step."""

    def artifact(self, kind: str, path: Path) -> None:
        """Tell that a file with its final name is complete."""

    def warning(self, message: str) -> None:
        """Tell a sentence that the user should read; the work goes on."""

    @property
    def cancel_requested(self) -> bool:
        """Whether the user asked to stop."""
        return False

    def check_canceled(self) -> None:
        """Raise :class:`Canceled` if the user asked to stop."""
        if self.cancel_requested:
            raise Canceled
