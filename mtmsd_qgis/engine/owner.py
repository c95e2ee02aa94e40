"""Who started a job: noted in its job.json, so that nobody takes it for another's."""

from __future__ import annotations

import getpass
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .process import is_same, look

OWN, LEFT_BEHIND, OTHERS = "own", "left behind", "others"
"""Whose a job is: of this QGIS; of one of this user that has ended; of anybody else."""
DOCK, PROCESSING = "dock", "processing"
"""What started a job: the dock, or the Toolbox, a model, a script."""


@dataclass(frozen=True)
class Owner:
    """The process that started a job.

    Attributes
    ----------
    host, user : str
        The machine and the account.
    pid, created : int, float or None
        The process's number, and when it began in seconds since 1970.
    place : {"dock", "processing"}
        The part of the plugin.
    """

    host: str
    user: str
    pid: int
    created: float | None
    place: str = PROCESSING

    @classmethod
    def here(cls, place: str) -> Owner:
        """Return this process."""
        me = look(os.getpid())
        return cls(platform.node(), _user(), os.getpid(), me.began if me else None, place)

    @classmethod
    def read(cls, note: Any) -> Owner | None:
        """Return the owner in a job.json; None where it names none, as one written by hand."""
        try:
            created = note["created"]
            created = None if created is None else float(created)
            host, user, pid = str(note["host"]), str(note["user"]), int(note["pid"])
            return cls(host, user, pid, created, str(note.get("place", PROCESSING)))
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def note(self) -> Mapping[str, Any]:
        """Return what job.json keeps."""
        return asdict(self)

    @property
    def is_of_this_host(self) -> bool:
        """Whether its process can be looked at from here."""
        return self.host == platform.node()

    @property
    def is_me(self) -> bool:
        """Whether it is this process."""
        return self.is_of_this_host and self.pid == os.getpid() and self.is_alive

    @property
    def is_alive(self) -> bool:
        """Whether its process runs on this host."""
        return is_same(self.pid, self.created)


def whose(owner: Owner | None) -> str:
    """Return OWN, LEFT_BEHIND or OTHERS.

    A job of the plugin's own folder that names no owner is of a version that did not note it.
    """
    if owner is None:
        return LEFT_BEHIND
    if not owner.is_of_this_host or owner.user != _user():
        return OTHERS
    if owner.is_me:
        return OWN
    return OTHERS if owner.is_alive else LEFT_BEHIND


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # an account without a name
        return str(os.getuid()) if hasattr(os, "getuid") else ""
