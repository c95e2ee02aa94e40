"""The folders of jobs: one each, private to the user; old ones are removed."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from pathlib import Path

from ..common.folders import jobs_folder
from .process import is_same

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


def is_running(folder: Path) -> bool:
    """Whether the engine works on this job now."""
    try:
        return is_same(*process_of(folder))
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
        return int(note["pid"]), note.get("created")
    except (KeyError, TypeError, AttributeError):
        raise ValueError(f"{folder / 'pid.json'} names no process.") from None


def _remove_old(parent: Path) -> None:
    folders = sorted(f for f in parent.iterdir() if f.is_dir())
    for folder in folders[: -KEPT_JOBS + 1]:
        age = time.time() - folder.stat().st_mtime
        if age > 3600 and not is_running(folder):  # a young one may be about to start
            shutil.rmtree(folder, ignore_errors=True)
