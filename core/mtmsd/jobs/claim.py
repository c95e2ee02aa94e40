"""Two processes must not work in one folder: who works there says so in pid.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

from mtmsd.errors import InputError
from mtmsd.files.atomic import atomic_path, remove_partials

PID_FILE = "pid.json"
LOCK_FILE = ".claim.lock"
"""Held while pid.json is read and written, so that two who begin at once do not both go on."""
OWN_FILES = (PID_FILE, LOCK_FILE)


@contextmanager
def claimed(folder: Path, what: str) -> Iterator[None]:
    """Hold a folder's pid.json; it stays there afterwards and tells who was the last.

    Parameters
    ----------
    folder : Path
        An existing folder.
    what : str
        What the folder stands for, in the error's sentence.

    Raises
    ------
    InputError
        Another process that is alive holds it.
    """
    file = folder / PID_FILE
    me = psutil.Process()
    with FileLock(folder / LOCK_FILE):
        holder = _running(file)
        if holder is not None and holder != me.pid:
            raise InputError(
                f"Process {holder} is working on {what} already.", hint="Wait for it or cancel it."
            )
        remove_partials(file)
        write_json(file, {"pid": me.pid, "created": me.create_time()})
    yield


def _running(file: Path) -> int | None:
    """Return the process that holds ``file``, None if it has gone (its number may be reused)."""
    try:
        note = json.loads(file.read_text(encoding="utf-8"))
        process = psutil.Process(note["pid"])
        return process.pid if abs(process.create_time() - note["created"]) < 1 else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    with atomic_path(path) as part:
        part.write_text(json.dumps(value, indent=1), encoding="utf-8")
