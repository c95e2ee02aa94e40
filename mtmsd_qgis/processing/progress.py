"""From the engine's phases to one progress of 0 to 100, and to lines worth reading."""

from __future__ import annotations

import time
from collections.abc import Mapping

from qgis.core import QgsProcessingFeedback

from ..common.numbers import duration, number
from ..common.translation import tr
from ..engine.messages import Message

ETA_EVERY = 30.0
"""Seconds between two lines that say how far the work is."""


class PhaseProgress:
    """Where the work stands, from 0 to 100; it never goes back.

    Parameters
    ----------
    weights : Mapping of str to float
        The engine's phases in their order, each with its usual share of the time.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        total = sum(weights.values())
        self._spans: dict[str, tuple[float, float]] = {}
        begin = 0.0
        for name, weight in weights.items():
            end = begin + 100.0 * weight / total
            self._spans[name] = (begin, end)
            begin = end
        self._span = (0.0, 0.0)
        self._phase = ""
        self.percent = 0.0

    def enter(self, phase: str) -> float:
        """Begin a phase; one that is not in the table moves nothing, nor does the same again."""
        if phase == self._phase:
            return self.percent
        self._phase = phase
        begin, end = self._spans.get(phase, (self.percent, self.percent))
        self._span = (max(begin, self.percent), max(end, self.percent))
        return self._reach(0.0)

    def advance(self, done: float, total: float) -> float:
        """``done`` of ``total`` units of the present phase are finished."""
        return self._reach(min(max(done / total, 0.0), 1.0) if total > 0 else 0.0)

    def _reach(self, share: float) -> float:
        begin, end = self._span
        self.percent = max(self.percent, begin + (end - begin) * share)
        return self.percent


class FeedbackWriter:
    """Tells a job's messages to a Processing feedback."""

    def __init__(self, feedback: QgsProcessingFeedback, weights: Mapping[str, float]) -> None:
        self._feedback = feedback
        self._progress = PhaseProgress(weights)
        self._title = ""
        self._told_at = time.monotonic()
        self._hook = getattr(feedback, "job_message", None)

    def tell(self, message: Message) -> None:
        """Pass one message on."""
        if self._hook is not None:
            self._hook(message)
        teller = getattr(self, f"_tell_{message['type']}", None)
        if teller is not None:
            teller(message)

    def _tell_hello(self, message: Message) -> None:
        version, device = message.get("version", ""), message.get("device")
        text = tr("Engine {version} on {device}") if device else tr("Engine {version}")
        self._feedback.pushInfo(text.format(version=version, device=device).strip())

    def _tell_phase(self, message: Message) -> None:
        self._title = str(message.get("title") or message.get("name", ""))
        self._feedback.setProgress(self._progress.enter(str(message.get("name", ""))))
        self._feedback.setProgressText(self._title)
        self._told_at = time.monotonic()

    def _tell_progress(self, message: Message) -> None:
        done, total = float(message.get("done") or 0), float(message.get("total") or 0)
        self._feedback.setProgress(self._progress.advance(done, total))
        if done < total and time.monotonic() - self._told_at > ETA_EVERY:
            self._told_at = time.monotonic()
            unit, eta = message.get("unit", ""), message.get("eta_s")
            line = tr("{title}: {done} of {total} {unit}").format(
                title=self._title, done=number(done), total=number(total), unit=unit
            )
            left = tr("{}, {} left").format(line.rstrip(), duration(eta)) if eta is not None else ""
            self._feedback.pushInfo(left or line.rstrip())

    def _tell_warning(self, message: Message) -> None:
        self._feedback.pushWarning(str(message.get("message", "")))

    def _tell_artifact(self, message: Message) -> None:
        self._feedback.pushDebugInfo(f"{message.get('kind', 'file')}: {message.get('path', '')}")

    def _tell_log(self, message: Message) -> None:
        self._feedback.pushConsoleInfo(str(message.get("text", "")))
