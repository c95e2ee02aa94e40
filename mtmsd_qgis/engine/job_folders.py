"""The folders of jobs: one each, private to the user; old ones are removed."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from ..common.folders import jobs_folder
from .owner import Owner
from .process import is_alive, is_same

CONTINUE, STOP = "continue", "stop"
"""What an engine does when the program that started it ends."""
CANCEL_FILE = "cancel"
"""Whoever makes it in a job's folder asks the engine to stop."""
BEAT_SECONDS = 30.0
"""The engine says something every 5 s; on another machine that is how one knows that it works."""
START_SECONDS = 10.0
"""An engine that was just started has not yet said its process's number."""

KEPT_JOBS = 20
"""Folders of ended jobs that are kept; older ones are removed when a new job starts."""


def new_job_folder(command: str) -> Path:
    """Make an empty folder for a job, and remove the oldest ended ones.

    Raises
    ------
    OSError
        If the folder cannot be made.
    """
    parent = jobs_folder()
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _remove_old(parent)
    folder = parent / f"{time.strftime('%Y%m%d-%H%M%S')}-{command}-{secrets.token_hex(3)}"
    folder.mkdir(mode=0o700)
    return folder


def job_folders() -> list[Path]:
    """Return all job folders, the newest first."""
    parent = jobs_folder()
    if not parent.is_dir():
        return []
    return sorted((f for f in parent.iterdir() if (f / "job.json").is_file()), reverse=True)


@dataclass(frozen=True)
class JobNote:
    """What job.json says besides the arguments."""

    command: str = "?"
    owner: Owner | None = None
    when_parent_ends: str = STOP


def read_note(folder: Path) -> JobNote:
    """Return what a job's folder says of it, as far as that can be read."""
    try:
        job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        command, parent_ends = str(job["command"]), str(job.get("when_parent_ends", STOP))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return JobNote()
    return JobNote(command, Owner.read(job.get("owner")), parent_ends)


def is_running(folder: Path) -> bool:
    """Whether the engine works on this job now, or was started a moment ago."""
    owner = read_note(folder).owner
    if owner is not None and not owner.is_of_this_host:
        return _age(folder / "messages.jsonl") < BEAT_SECONDS
    try:
        return is_same(*process_of(folder), folder.name)
    except FileNotFoundError:
        return owner is not None and _age(folder / "job.json") < START_SECONDS
    except (OSError, ValueError):
        return False


def process_of(folder: Path) -> tuple[int, float | None]:
    """Return the number of the job's process and when it began (seconds since 1970).

    Raises
    ------
    OSError, ValueError
        If the job was never started.
    """
    try:
        note = json.loads((folder / "pid.json").read_text(encoding="utf-8"))
        created = note.get("created")
        return int(note["pid"]), None if created is None else float(created)
    except (KeyError, TypeError, AttributeError):
        raise ValueError(f"{folder / 'pid.json'} names no process.") from None


def _age(path: Path) -> float:
    """Return the seconds since a file was written; infinite for one that is not there."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


def _may_run(folder: Path) -> bool:
    """Whether it is not certain that nobody works in the folder: only then it is removed."""
    try:
        pid, created = process_of(folder)
    except (OSError, ValueError):
        return is_running(folder)
    return is_running(folder) or (created is None and is_alive(pid))


def _remove_old(parent: Path) -> None:
    folders = sorted(f for f in parent.iterdir() if f.is_dir())
    for folder in folders[: -KEPT_JOBS + 1]:
        age = time.time() - folder.stat().st_mtime
        if age > 3600 and not _may_run(folder):  # a young one may be about to start
            shutil.rmtree(folder, ignore_errors=True)
