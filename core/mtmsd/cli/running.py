"""Runs a command for a person at a terminal, or for a program that reads its messages."""

from __future__ import annotations

import shlex
import sys
import tempfile
from typing import Any


def run_command(command: str, values: dict[str, Any], as_json: bool) -> int:
    """Run a command here, for a person or, with JSON messages, for a program."""
    from mtmsd.jobs.cancel import CancelSwitch, SignalWatch
    from mtmsd.jobs.messages import MessageReporter, MessageStream, take_stdout

    switch = CancelSwitch()
    if as_json:
        stream = MessageStream({take_stdout(): lambda error: switch.request()})
        front: Any = MessageReporter(stream, switch)
    else:
        from mtmsd.cli.terminal import TerminalReporter

        front = TerminalReporter(command, _how_to_resume(values), switch)
    from mtmsd.commands.execute import execute

    with SignalWatch(switch), front as reporter:
        return execute(command, values, reporter, _keep_traceback)


def _how_to_resume(values: dict[str, Any]) -> str:
    again = shlex.join(["mtmsd", *sys.argv[1:]])
    if "resume" not in values:
        return f"nothing was written. Start again with: {again}"
    if not values["resume"]:
        again += " --resume"
    return f"what was done is kept. Continue with: {again}"


def _keep_traceback(text: str) -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="mtmsd-", suffix=".log", delete=False, errors="backslashreplace"
    ) as file:
        file.write(text)
    return file.name
