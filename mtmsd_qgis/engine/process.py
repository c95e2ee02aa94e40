"""What differs between systems when a child process is started, watched and ended."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..common.translation import tr

WINDOWS = sys.platform == "win32"
CLOCK_SECONDS = 60.0
"""How far the clock may be put between two looks at the same process."""


def start_options() -> dict[str, Any]:
    """Return the options of ``subprocess.Popen`` that make a child of its own group, unseen."""
    if WINDOWS:
        return {"creationflags": 0x08000000}  # CREATE_NO_WINDOW
    return {"start_new_session": True}


def end_tree(pid: int) -> None:
    """End a child that was started with :func:`start_options`, and all its children, at once."""
    if WINDOWS:
        subprocess.run(  # noqa: S603
            ["taskkill", "/PID", str(pid), "/T", "/F"],  # noqa: S607
            capture_output=True,
            check=False,
            **start_options(),
        )
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def interrupt(pid: int) -> None:
    """Ask a process that has no open stdin to stop; on Windows it can only be ended."""
    if WINDOWS:
        end_tree(pid)
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGTERM)


def is_alive(pid: int) -> bool:
    """Whether a process of that number runs."""
    if WINDOWS:
        return _is_alive_on_windows(pid)  # there os.kill would end it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def is_same(pid: int, created: float | None) -> bool:
    """Whether the process of that number runs and is the one that began at ``created``.

    Numbers are used again after a restart of the machine. ``created`` is in seconds since
    1970; where the system does not tell when a process began, only the number counts.
    """
    if not is_alive(pid):
        return False
    began = _began(pid)
    return created is None or began is None or abs(began - created) < CLOCK_SECONDS


def _began(pid: int) -> float | None:
    """Return when a process began, from Linux's /proc; None elsewhere."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        boot = Path("/proc/stat").read_text(encoding="ascii").split("btime ")[1].split()[0]
    except (OSError, IndexError):
        return None
    ticks = int(stat.rpartition(")")[2].split()[19])
    return int(boot) + ticks / os.sysconf("SC_CLK_TCK")


def _is_alive_on_windows(pid: int) -> bool:
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
    handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
    if not handle:
        return False
    status = ctypes.c_ulong()
    kernel.GetExitCodeProcess(handle, ctypes.byref(status))
    kernel.CloseHandle(handle)
    return status.value == 259  # STILL_ACTIVE


def _is_zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "Z"


def how_it_ended(returncode: int) -> str:
    """Say how a process ended, from its return code: the predicate of a sentence about it."""
    if returncode < 0:
        number = -returncode
        with contextlib.suppress(ValueError):
            return tr("was killed ({})").format(signal.Signals(number).name)
        return tr("was killed (signal {})").format(number)
    if returncode >= 0xC0000000:  # Windows: an NTSTATUS such as 0xC0000005
        return tr("crashed ({})").format(f"0x{returncode:08X}")
    return tr("ended with status {}").format(returncode)
