"""``mtmsd run JOB``: a job folder's job, with messages for the program that started it."""

from __future__ import annotations

import contextlib
import faulthandler
import os
from pathlib import Path

from mtmsd.commands.execute import execute
from mtmsd.commands.registry import COMMANDS
from mtmsd.errors import MtmsdError
from mtmsd.jobs.cancel import CancelSwitch, SignalWatch, watch_file, watch_stdin
from mtmsd.jobs.claim import claimed
from mtmsd.jobs.folder import JobFolder
from mtmsd.jobs.messages import MessageReporter, MessageStream, take_stdout


def run_job(path: Path, *, resume: bool = False) -> int:
    """Run the job in a folder and return the exit status.

    Messages go to stdout and to the folder's messages.jsonl; all else that is printed to
    its log.txt. A ``cancel`` line on stdin cancels; the end of stdin does what
    ``when_parent_ends`` in job.json says. A file ``cancel`` in the folder cancels too.
    """
    stdout = take_stdout()
    switch = CancelSwitch()
    try:
        folder = JobFolder.open(path)
        with claimed(folder.path, f"the job {folder.path}"):
            return _run_claimed(folder, stdout, switch, resume)
    except MtmsdError as error:
        MessageReporter(MessageStream({stdout: lambda error: None}), switch).error(error)
        return error.exit_status


def _run_claimed(folder: JobFolder, stdout: int, switch: CancelSwitch, resume: bool) -> int:
    log = os.open(folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for standard in (1, 2):
        os.dup2(log, standard)
    faulthandler.enable(log)
    how = os.O_APPEND if resume else os.O_TRUNC
    messages = os.open(folder.messages, os.O_WRONLY | os.O_CREAT | how, 0o600)

    def parent_gone(error: OSError) -> None:
        if folder.stop_with_parent:
            switch.request()

    def messages_lost(error: OSError) -> None:
        keep(f"messages.jsonl cannot be written any more: {error}\n")

    def keep(text: str) -> str:
        with contextlib.suppress(OSError):  # the disk may be what failed
            os.write(2, text.encode(errors="backslashreplace"))
        return str(folder.log)

    job = COMMANDS.get(folder.command)
    values = dict(folder.arguments)
    if resume and job and "resume" in job.Arguments.__dataclass_fields__:
        values["resume"] = True
    stream = MessageStream({messages: messages_lost, stdout: parent_gone})
    with (
        SignalWatch(switch, hangup=folder.stop_with_parent),
        MessageReporter(stream, switch) as reporter,
    ):
        watch_stdin(switch, stop_at_end=folder.stop_with_parent)
        watch_file(switch, folder.cancel)
        try:
            return execute(folder.command, values, reporter, keep, base=folder.path)
        finally:
            with contextlib.suppress(OSError):  # who runs the job again does not cancel it
                folder.cancel.unlink(missing_ok=True)
