"""What every front of a job has: the terminal and the message stream derive from it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from mtmsd.errors import Canceled, MtmsdError
from mtmsd.jobs.cancel import CancelSwitch
from mtmsd.reporting import Reporter


class JobReporter(Reporter):
    """A reporter that knows the beginning and the end of a job and obeys a cancel switch."""

    def __init__(self, switch: CancelSwitch) -> None:
        self.switch = switch

    @property
    def cancel_requested(self) -> bool:
        """Whether the user asked to stop; who asks this is about to."""
        if self.switch.requested:
            self.switch.notice()
        return self.switch.requested

    def phase(self, name: str, title: str) -> None:
        """Tell that a new phase begins."""
        self.check_canceled()
        self.switch.phase()

    def progress(self, done: float, total: float, unit: str) -> None:
        """Tell that a step is done."""
        self.switch.step()
        self.check_canceled()

    def canceling(self, seconds: float) -> None:
        """Tell that the job was asked to stop, and ends in so many seconds at the latest."""

    def check_canceled(self) -> None:
        """Raise :class:`Canceled` if the user asked to stop."""
        if self.cancel_requested:
            raise Canceled

    def hello(self, device: str | None) -> None:
        """Tell that the job begins, and the device it computes on, None if it needs none."""

    def done(self, results: Mapping[str, Any]) -> None:
        """Tell that the job has ended well."""

    def error(self, error: MtmsdError) -> None:
        """Tell that the job has ended otherwise."""


class Pace:
    """How fast a phase goes: the remaining time, and whether a report is due."""

    def __init__(self, interval: float = 0.2) -> None:
        self.interval = interval
        self.restart()

    def restart(self) -> None:
        """Begin a new phase."""
        self._first: tuple[float, float] | None = None
        self._last = 0.0
        self._reported = -float("inf")

    def due(self, done: float, total: float) -> bool:
        """Note a report of progress and tell whether it shall be passed on."""
        now = time.monotonic()
        if self._first is None or done < self._last:
            self.restart()
            self._first = (now, done)
        last = done >= total > self._last
        self._last = done
        if last or now - self._reported >= self.interval:
            self._reported = now
            return True
        return False

    def remaining(self, done: float, total: float) -> float | None:
        """Seconds until ``total``, from the mean speed of the phase; None before half a second."""
        if self._first is None:
            return None
        elapsed, gained = time.monotonic() - self._first[0], done - self._first[1]
        if elapsed < 0.5 or gained <= 0:
            return None
        return max(total - done, 0.0) * elapsed / gained
