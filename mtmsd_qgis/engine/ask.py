"""A short question to the engine, answered by a child process that is waited for."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..common.folders import CORE
from ..common.translation import tr
from .environment import child_environment
from .messages import parse
from .process import start_options


def ask(python: str, words: Sequence[str], path: str) -> tuple[dict[str, Any], list[str]]:
    """Run a command of the engine; only in a thread, for it waits.

    Parameters
    ----------
    words : sequence of str
        The command and its arguments.
    path : str
        The file that it is about, for the sentence if the engine says nothing.

    Returns
    -------
    results : dict
    warnings : list of str

    Raises
    ------
    OSError
        With the engine's sentence, or if it cannot be started.
    """
    child = subprocess.run(  # noqa: S603
        [python, "-m", "mtmsd", *words, "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=child_environment(os.environ, CORE),
        check=False,
        **start_options(),
    )
    warnings = []
    for message in filter(None, map(parse, child.stdout.splitlines())):
        if message["type"] == "warning":
            warnings.append(message["message"])
        elif message["type"] == "error":
            raise OSError(f"{message['message']} {message['hint']}".strip())
        elif message["type"] == "done":
            return message["results"], warnings
    lines = child.stderr.decode("utf-8", "replace").strip().splitlines()
    said = lines[-1] if lines else tr("no message")
    raise OSError(tr("{} could not be read: {}.").format(Path(path).name, said))
