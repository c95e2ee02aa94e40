"""Files that are whole or not there: written beside their name, given it when on the disk."""

from __future__ import annotations

import errno
import glob
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mtmsd.errors import InputError, MachineError, MtmsdError

SUFFIX = ".part"
LONGEST = 60
"""Characters of the final name that stay in the temporary one; file systems allow 255 bytes."""
WAITS_S = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Between attempts to rename: on Windows not over a file that another program has just open."""
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG}
_FULL_WORDS = ("no space left", "quota exceeded", "file too large", "not enough space on the disk")
_BROKEN = _FULL | {errno.EIO, getattr(errno, "ESTALE", errno.EIO)}


@contextmanager
def atomic_path(
    path: Path, *, ending: str = "", families: tuple[type[Exception], ...] = ()
) -> Iterator[Path]:
    """Give a temporary path; what was written there gets the name ``path`` when it is on the disk.

    Parameters
    ----------
    path : Path
        The final name. An older file of that name stays until the new one is complete; the new
        one has the permissions that the user's umask gives to any new file.
    ending : str
        Of the temporary name, for libraries that look at it.
    families : tuple of exception types
        A library's own for failed writes; like an OSError they become one sentence.

    Raises
    ------
    InputError
        If there is no such folder, it may not be written, or another program holds the file.
    MachineError
        If the disk is full or fails. Nothing is then left of the temporary file.
    """
    path = Path(path)
    temporary = partial_path(path, ending)
    try:
        with write_errors(path):
            mode = _mode_of_new(temporary, path)
        with write_errors(path, families, temporary=temporary):
            yield temporary
        with write_errors(path):
            if stat.S_IMODE(temporary.stat().st_mode) != mode:
                temporary.chmod(mode)
            _sync(temporary)
            _rename(temporary, path)
            _sync_folder(path.parent)
    finally:
        for left in path.parent.glob(f"{glob.escape(temporary.name)}*"):
            with suppress(OSError):  # held open, on Windows: the next run takes it away
                left.unlink()


@contextmanager
def write_errors(
    path: Path, families: tuple[type[Exception], ...] = (), *, temporary: Path | None = None
) -> Iterator[None]:
    """Turn a failure to write ``path`` into one sentence.

    With ``temporary`` only what names that file, or no file and a broken disk, is such a failure:
    the input may be what cannot be read.

    Raises
    ------
    InputError, MachineError
        As :func:`atomic_path`.
    """
    try:
        yield
    except MtmsdError:
        raise
    except families as error:
        raise _sentence(path, error) from error
    except OSError as error:
        named = error.filename or error.filename2
        own = str(named).startswith(str(temporary)) if named else error.errno in _BROKEN
        if temporary is not None and not own:
            raise
        raise _sentence(path, error) from error


def is_disk_full(error: BaseException) -> bool:
    """Whether an exception says that a disk is full or its quota used up."""
    words = str(error).lower()
    return getattr(error, "errno", None) in _FULL or any(word in words for word in _FULL_WORDS)


def partial_path(path: Path, ending: str = "") -> Path:
    """Return a new temporary name beside ``path``, hidden on most systems."""
    return path.with_name(f".{path.name[:LONGEST]}.{_token()}{SUFFIX}{ending}")


def remove_partials(path: Path) -> None:
    """Remove what runs that were killed have left of ``path``."""
    token = "?" * len(_token())
    for left in path.parent.glob(f".{glob.escape(path.name[:LONGEST])}.{token}{SUFFIX}*"):
        left.unlink(missing_ok=True)


def _token() -> str:
    return secrets.token_hex(4)


def _mode_of_new(temporary: Path, path: Path) -> int:
    """Return the permissions that a new file gets here; some libraries make files of 0600."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    with temporary.open("xb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    temporary.unlink()
    return mode


def _sync(path: Path) -> None:
    with path.open("rb+") as file:  # Windows syncs through a writable descriptor only
        os.fsync(file.fileno())


def _rename(temporary: Path, path: Path) -> None:
    for wait in WAITS_S:
        try:
            temporary.replace(path)
        except PermissionError:
            time.sleep(wait)
        else:
            return
    temporary.replace(path)


def _sync_folder(folder: Path) -> None:
    """Have the new name on the disk as well, where the system can; Windows opens no folders."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno in _BROKEN:
            raise
    finally:
        os.close(descriptor)


def _sentence(path: Path, error: Exception) -> MtmsdError:
    folder = path.parent
    if not folder.is_dir():
        return InputError(
            f"'{path.name}' cannot be written: there is no folder '{folder}'.",
            hint="Make the folder, or choose another.",
        )
    if path.is_dir():
        return InputError(f"'{path}' is a folder, not a file to write.", hint="Name a file in it.")
    if not os.access(folder, os.W_OK) or getattr(error, "errno", None) == errno.EROFS:
        return InputError(
            f"'{path.name}' cannot be written: the folder '{folder}' is read-only.",
            hint="Choose a folder that you may write to.",
        )
    if isinstance(error, PermissionError):
        return InputError(
            f"'{path.name}' cannot be written to '{folder}': another program holds it, or it is "
            "protected.",
            hint="Close it there, or choose another name.",
        )
    full = is_disk_full(error) or shutil.disk_usage(folder).free < 2**20
    said = getattr(error, "strerror", None) or " ".join(str(error).split()).rstrip(".")
    return MachineError(
        f"'{path.name}' cannot be written to '{folder}': {'the disk is full' if full else said}.",
        hint="Make room there or choose another folder, then start again.",
        code="disk-full" if full else "disk",
    )
