"""What differs between systems when a child process is started, watched and ended."""

from __future__ import annotations

import calendar
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..common.translation import tr

WINDOWS = sys.platform == "win32"
CLOCK_SECONDS = 5.0
"""How far two tellings of when the same process began may lie apart."""
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def start_options() -> dict[str, Any]:
    """Return the options of ``subprocess.Popen`` that make a child of its own group, unseen."""
    if WINDOWS:
        return {"creationflags": 0x08000000}  # CREATE_NO_WINDOW
    return {"start_new_session": True}


def end_tree(pid: int) -> None:
    """End a child that was started with :func:`start_options`, and all its children, at once."""
    if pid <= 1:  # a group of many
        return
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


def end_same(pid: int, created: float | None, mark: str = "") -> None:
    """End a process that another program may have started, if :func:`is_same` says so.

    Its group goes with it only if it was made for it: in a terminal's group are strangers.
    """
    if not is_same(pid, created, mark):
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if WINDOWS or os.getsid(pid) == pid:
            end_tree(pid)
        else:
            os.kill(pid, signal.SIGKILL)


def interrupt(pid: int) -> None:
    """Ask a process to stop where the system has a signal for that; Windows has none."""
    if not WINDOWS:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGTERM)


def is_alive(pid: int) -> bool:
    """Whether a process of that number runs, whosever it is."""
    if pid <= 0:  # to the system these are groups
        return False
    if WINDOWS:
        return _windows_process(pid, _kernel()) is not None  # there os.kill would end it
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def is_same(pid: int, created: float | None, mark: str = "") -> bool:
    """Whether the process of that number runs and is the one that is meant.

    A number alone means nothing: it is given again, at the latest after a restart.

    Parameters
    ----------
    pid : int
        The process's number.
    created : float, optional
        When it began, in seconds since 1970; None if that is not known.
    mark : str
        A word of its command line that no other process has, such as its job's folder: it is
        recognised by that if the clock was put meanwhile. Windows does not tell command lines.
    """
    process = look(pid)
    if process is None:
        return False
    if created is not None and abs(process.began - created) < CLOCK_SECONDS:
        return True
    return bool(mark) and mark in process.command


@dataclass(frozen=True)
class Process:
    """What the system tells of a living process: when it began, and its command line."""

    began: float
    command: str = ""


def look(pid: int) -> Process | None:
    """Return what the system tells of a process; None if there is none, or nothing is told."""
    if pid <= 0:
        return None
    if WINDOWS:
        return _windows_process(pid, _kernel())
    if Path("/proc/self/stat").exists():
        return _linux_process(pid)
    return _ps_process(pid)


def _linux_process(pid: int, proc: Path = Path("/proc")) -> Process | None:
    """Read Linux's /proc; the 22nd field is the start in clock ticks after the boot."""
    try:
        stat = (proc / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
        boot = (proc / "stat").read_text(encoding="ascii").split("btime ")[1].split()[0]
        fields = stat.rpartition(")")[2].split()  # the name before may hold blanks and brackets
        began = int(boot) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
        command = (proc / str(pid) / "cmdline").read_bytes()
    except (OSError, IndexError, ValueError):
        return None
    if fields[0] == "Z":
        return None
    return Process(began, command.replace(b"\0", b" ").decode("utf-8", "replace").strip())


def _ps_process(pid: int) -> Process | None:
    """Ask ``ps``, as macOS has it: its state, its start, its command."""
    try:
        answer = subprocess.run(  # noqa: S603
            ["/bin/ps", "-ww", "-o", "stat=,lstart=,command=", "-p", str(pid)],
            capture_output=True,
            check=False,
            timeout=5.0,
            env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_ps(answer.stdout.decode("utf-8", "replace"))


def parse_ps(line: str) -> Process | None:
    """Return the process of a line such as ``Ss   Fri Nov 27 21:10:27 2026 python -m mtmsd``."""
    words = line.split(maxsplit=6)
    if len(words) < 6 or words[0].startswith("Z"):
        return None
    month, day = sorted(words[2:4], key=str.isdigit)  # some systems tell the day first
    try:
        hour, minute, second = (int(part) for part in words[4].split(":"))
        number = MONTHS.index(month[:3].capitalize()) + 1
        moment = int(words[5]), number, int(day), hour, minute, second
        began = calendar.timegm((*moment, 0, 0, 0))
    except ValueError:
        return None
    return Process(float(began), words[6].strip() if len(words) > 6 else "")


def _kernel() -> Any:
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    kernel.OpenProcess.restype = ctypes.c_void_p  # else a handle is cut to 32 bits
    return kernel


def _windows_process(pid: int, kernel: Any) -> Process | None:
    """Ask Windows: a process that has ended may still be opened while somebody watches it."""
    opened = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
    if not opened:
        return None
    handle = ctypes.c_void_p(opened)
    status = ctypes.c_ulong()
    times = [(ctypes.c_ulong * 2)() for _ in range(4)]  # creation, exit, kernel, user
    try:
        told = kernel.GetExitCodeProcess(handle, ctypes.byref(status))
        told = told and kernel.GetProcessTimes(handle, *(ctypes.byref(part) for part in times))
    finally:
        kernel.CloseHandle(handle)
    if not told or status.value != 259:  # STILL_ACTIVE
        return None
    low, high = times[0]
    return Process(filetime_seconds(low, high))


def filetime_seconds(low: int, high: int) -> float:
    """Return a Windows FILETIME (100 ns since 1601) in seconds since 1970."""
    return ((high << 32) + low) / 1e7 - 11_644_473_600


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
