"""Runs one command to its end, whatever the end is, and says so once."""

from __future__ import annotations

import contextlib
import os
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from mtmsd.commands.arguments import build
from mtmsd.commands.registry import COMMANDS
from mtmsd.compute.memory import keep_no_large_arrays
from mtmsd.errors import Canceled, InputError
from mtmsd.files.atomic import SUFFIX
from mtmsd.jobs.failures import explain, unforeseen
from mtmsd.jobs.reporter import JobReporter

DONE = 0


def execute(
    command: str,
    values: dict[str, Any],
    reporter: JobReporter,
    keep_traceback: Callable[[str], str],
    base: Path | None = None,
) -> int:
    """Run a command and report its end.

    Parameters
    ----------
    command : str
        A name in :data:`mtmsd.commands.registry.COMMANDS`.
    values : dict
        Its arguments.
    reporter : JobReporter
        Told of everything; its switch ends the process if a cancel is not obeyed.
    keep_traceback : callable
        Takes the traceback of an unforeseen error and returns where it was written.
    base : Path, optional
        The folder that relative paths in ``values`` are relative to.

    Returns
    -------
    int
        The exit status of design.md.
    """
    keep_no_large_arrays()
    switch = reporter.switch
    switch.on_request = reporter.canceling
    switch.on_forced_end = lambda: _end_process(reporter)
    try:
        results = _run(command, values, reporter, base)
    except BaseException as error:
        switch.close()
        known = explain(error)
        if known is None:
            known = unforeseen(error, keep_traceback(traceback.format_exc()))
        reporter.error(known)
        return known.exit_status
    switch.close()
    reporter.done(results)
    return DONE


def _run(
    command: str, values: dict[str, Any], reporter: JobReporter, base: Path | None
) -> dict[str, Any]:
    if command not in COMMANDS:
        raise InputError(
            f"There is no command '{command}'.", hint=f"Choose from: {', '.join(COMMANDS)}."
        )
    job = COMMANDS[command]
    arguments = build(job.Arguments, values, base)
    passed_over: list[str] = []
    reporter.hello(_device_of(arguments, passed_over.append))
    for sentence in passed_over:
        reporter.warning(sentence)
    reporter.check_canceled()
    return job.run(arguments, reporter)


def _device_of(arguments: Any, warn: Callable[[str], None]) -> str | None:
    """Return the device that the job will compute on, None if it needs none.

    ``warn`` is told of those that it would have taken, if they worked.
    """
    if not hasattr(arguments, "device"):
        return None
    if hasattr(arguments, "chosen_device"):
        return str(arguments.chosen_device(warn))
    from mtmsd.diffusion.devices import choose_device

    return str(choose_device(arguments.device, warn))


def _end_process(reporter: JobReporter) -> None:
    """End this process and its children now, even if a lock or a pipe stands in the way."""
    last_words = threading.Thread(target=_tidy_up, args=(reporter,), daemon=True)
    last_words.start()
    last_words.join(1.0)
    os._exit(Canceled.exit_status)


def _tidy_up(reporter: JobReporter) -> None:
    """End all children, remove what is being written under a temporary name, say so."""
    me = psutil.Process()
    with contextlib.suppress(psutil.Error):
        for child in me.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
    with contextlib.suppress(psutil.Error, OSError):
        for file in me.open_files():
            if SUFFIX in os.path.basename(file.path):
                os.unlink(file.path)
    reporter.error(Canceled("Canceled; the step in hand is lost."))
