"""One run of the engine for an algorithm: start, follow, results."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qgis.core import QgsApplication, QgsProcessingException, QgsProcessingFeedback

from ..common.translation import tr
from ..engine.interpreter import BROKEN, CHECK_SECONDS, CHECKING, MISSING, Engine
from ..engine.job import Job
from ..engine.job_folders import STOP
from ..engine.job_states import CANCELED, DONE
from ..engine.owner import PROCESSING
from .progress import FeedbackWriter


def can_execute(engine: Engine) -> tuple[bool, str]:
    """Answer from what is known; only without a desktop is the first check waited for."""
    wait = 0.0 if QgsApplication.platform() == "desktop" else CHECK_SECONDS
    state = engine.state(wait)
    return state.status not in (MISSING, BROKEN), state.sentence


def ready_python(engine: Engine, feedback: QgsProcessingFeedback) -> str:
    """Return the interpreter once it is known to be good.

    Raises
    ------
    QgsProcessingException
        If there is none, it is broken, or the user canceled meanwhile.
    """
    until = time.monotonic() + CHECK_SECONDS + 5.0
    state = engine.state()
    while state.status == CHECKING and time.monotonic() < until:
        if feedback.isCanceled():
            raise QgsProcessingException(tr("Canceled."))
        state = engine.state(wait=0.1)
    if state.status in (MISSING, BROKEN):
        raise QgsProcessingException(state.sentence)
    return state.python


def run_job(
    python: str,
    folder: Path,
    command: str,
    arguments: Mapping[str, Any],
    phases: Mapping[str, float],
    feedback: QgsProcessingFeedback,
) -> dict[str, Any]:
    """Run a job to its end and return its results; a cancel is passed on both ways.

    Raises
    ------
    QgsProcessingException
        With the engine's sentence and hint, or why it could not be started.
    """
    try:
        job = Job.start(
            python,
            command,
            arguments,
            folder=folder,
            when_parent_ends=getattr(feedback, "when_parent_ends", STOP),
            place=getattr(feedback, "place", PROCESSING),
        )
    except OSError as error:
        raise QgsProcessingException(
            tr("The job in {folder} could not be started with {python}: {reason}.").format(
                folder=folder, python=python, reason=error.strerror or error
            )
        ) from error
    feedback.pushDebugInfo(tr("Job folder: {folder}").format(folder=folder))
    started = getattr(feedback, "job_started", None)
    if started is not None:
        started(folder)
    writer = FeedbackWriter(feedback, phases)
    outcome = job.follow(writer.tell, feedback.isCanceled)
    if outcome.status == DONE:
        feedback.setProgress(100.0)
        return outcome.results
    if outcome.status == CANCELED and not feedback.isCanceled():
        feedback.cancel()  # canceled from outside: a model must not go on
    raise QgsProcessingException(outcome.sentence)
