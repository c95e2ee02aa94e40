"""Two processes must not work in one folder: who works there says so in pid.json."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

from mtmsd.errors import InputError, MtmsdError
from mtmsd.files.atomic import atomic_path, remove_partials

PID_FILE = "pid.json"
LOCK_FILE = ".claim.lock"
"""Held while pid.json is read and written, so that two who begin at once do not both go on."""
OWN_FILES = (PID_FILE, LOCK_FILE)


@contextmanager
def claimed(folder: Path, what: str) -> Iterator[None]:
    """Hold a folder's pid.json; it stays there afterwards and tells who was the last.

    On this computer the holder is known by its number and the time at which it began, and holds
    the folder as long as it lives. Of another computer, on a shared file system, only the note
    can be asked: there a claim ends when the holder says so, or when somebody deletes pid.json.

    Parameters
    ----------
    folder : Path
        An existing folder.
    what : str
        What the folder stands for, in the error's sentence.

    Raises
    ------
    InputError
        Another process holds it.
    """
    file = folder / PID_FILE
    me = psutil.Process()
    note = {"pid": me.pid, "created": me.create_time(), "host": socket.gethostname()}
    with FileLock(folder / LOCK_FILE):
        remove_partials(file)
        _refuse_if_held(file, note, what)
        write_json(file, note)
    try:
        yield
    finally:
        if file.exists():  # the folder may have been removed
            with suppress(MtmsdError):  # the disk may be what failed
                write_json(file, note | {"ended": time.time()})


def _refuse_if_held(file: Path, mine: dict[str, Any], what: str) -> None:
    try:
        note = json.loads(file.read_text(encoding="utf-8"))
        pid, host = int(note["pid"]), note.get("host", mine["host"])
        here, ended = host == mine["host"], "ended" in note
        age = time.time() - file.stat().st_mtime
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    if here and pid != mine["pid"] and _lives(pid, note.get("created")):
        raise InputError(
            f"Process {pid} is working on {what} already.", hint="Wait for it or cancel it."
        )
    if not here and not ended:
        raise InputError(
            f"Process {pid} on the computer '{host}' claimed {what} {_ago(age)} and has not ended "
            "it since.",
            hint=f"Wait for it or cancel it there; if it is gone, delete {file} to release the "
            "claim.",
        )


def _lives(pid: int, created: Any) -> bool:
    """Whether the process that began then still runs; its number may have been given again."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) < 1
        return same and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError, TypeError):
        return False


def _ago(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count = int(seconds // length)
        if count > 0:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "less than a minute ago"


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    with atomic_path(path) as part:
        part.write_text(json.dumps(value, indent=1), encoding="utf-8")
