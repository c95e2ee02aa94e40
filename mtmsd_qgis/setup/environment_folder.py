"""The folder of the environment and what lies beside it while one is built.

``engine`` is in use. ``.new`` is being built, ``.old`` is the former one while they are swapped,
``.cache`` holds what was fetched, ``.python`` what uv brought, ``.lock`` says who builds, ``.pid``
which tool is at work, ``.log`` is the last log.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qgis.PyQt.QtCore import QLockFile

from ..engine.process import end_same
from ..engine.stamp import STAMP, read

NOTE = "mtmsd-setup.json"
"""In an unfinished one: what is being made."""
SWAP_TRIES = 5


class Place:
    """Where one environment lives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.new = self._beside(".new")
        self.old = self._beside(".old")
        self.cache = self._beside(".cache")
        self.pythons = self._beside(".python")
        self.log = self._beside(".log")
        self.child = self._beside(".pid")
        self._lock_file = self._beside(".lock")
        self._lock = QLockFile(str(self._lock_file))
        self._lock.setStaleLockTime(0)  # stale when its process is gone, never by age

    def _beside(self, ending: str) -> Path:
        return self.folder.with_name(self.folder.name + ending)

    def take(self) -> bool:
        """Make this the only set-up at work on the folder; False where another one is.

        Raises
        ------
        OSError
            If the parent folder cannot be made or written.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if self._lock.tryLock(0):
            return True
        if self._lock.error() != QLockFile.LockError.LockFailedError:
            self._lock_file.touch()  # it fails too, and says why
        return False

    def release(self) -> None:
        """Let others set up here again."""
        self._lock.unlock()

    def note_child(self, pid: int) -> None:
        """Remember the tool that runs, so that a later set-up can end it if QGIS is killed."""
        self.child.write_text(json.dumps({"pid": pid, "created": time.time()}), encoding="utf-8")

    def recover(self) -> None:
        """Mend what a QGIS that was killed left: its tool still at work, a swap half done."""
        note = read(self.child)
        pid, created = note.get("pid"), note.get("created")
        if isinstance(pid, int) and isinstance(created, (int, float)):
            end_same(pid, created)
        self.child.unlink(missing_ok=True)
        if not self.folder.exists() and self.old.exists():
            self.old.rename(self.folder)
        remove_tree(self.old)

    def prepare(self, wanted: Mapping[str, Any]) -> bool:
        """Make the folder to build in; return whether one was found that can be gone on with."""
        if self.new.exists() and read(self.new / NOTE) == dict(wanted):
            return True
        remove_tree(self.new)
        self.new.mkdir()
        (self.new / NOTE).write_text(json.dumps(dict(wanted)), encoding="utf-8")
        return False

    def swap(self, stamp: Mapping[str, Any]) -> None:
        """Stamp the new environment and put it where the old one is.

        Raises
        ------
        OSError
            If a folder cannot be renamed, as on Windows while a job uses the old one; the old one
            then is where it was.
        """
        (self.new / STAMP).write_text(json.dumps(dict(stamp), indent=1), encoding="utf-8")
        (self.new / NOTE).unlink(missing_ok=True)
        had_one = self.folder.exists()
        if had_one:
            _rename(self.folder, self.old)
        try:
            _rename(self.new, self.folder)
        except OSError:
            if had_one:
                self.old.rename(self.folder)
            raise
        for tree in (self.old, self.cache):
            remove_tree(tree)

    def left_over(self) -> bool:
        """Whether a set-up was begun and not finished."""
        return self.new.exists()


def remove_tree(folder: Path) -> None:
    """Remove a folder and all in it, read-only files too.

    Raises
    ------
    OSError
        If something in it cannot be removed.
    """

    def make_writable(function: Any, path: str, _: Any) -> None:
        os.chmod(path, stat.S_IWRITE | stat.S_IREAD)
        function(path)

    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder, onerror=None if os.name != "nt" else make_writable)


def tree_size(folder: Path) -> int:
    """Return the bytes of all files under a folder; what vanishes meanwhile counts nothing."""
    total, waiting = 0, [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total


def _rename(source: Path, target: Path) -> None:
    for last in range(SWAP_TRIES):
        try:
            source.rename(target)
            return
        except PermissionError:  # a virus scanner may hold a fresh file for a moment
            if last == SWAP_TRIES - 1:
                raise
            time.sleep(0.2 * 2**last)
