"""How a job learns that it shall stop, and how it ends when it does not stop by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

PATIENCE_S = 30.0
"""Time for the step in hand to end, at least: three times as long as the last steps took."""
START_PATIENCE_S = 1.5
"""The same in a phase that has not told of any step yet: there is nothing to keep."""
LAST_STEPS = 8
GRACE_S = 30.0
"""Time after it has noticed, in which a checkpoint is written."""
LOOK_S = 0.5
"""Time between two looks for a file that asks to cancel."""


class CancelSwitch:
    """Set once by the user; ends the process if the computation does not obey.

    The computation notices when the step in hand is done, at its next report of progress, and
    unwinds, which may take as long as writing a checkpoint. One that does not report in time
    (a library that hangs, or has not begun) is not waited for.

    Attributes
    ----------
    on_request : callable, optional
        Told, in a thread of its own, after how many seconds the process ends at the latest.
    on_forced_end : callable, optional
        Ends the process.
    """

    def __init__(self, patience: float = PATIENCE_S, grace: float = GRACE_S) -> None:
        self.grace = grace
        self.on_request: Callable[[float], None] | None = None
        self.on_forced_end: Callable[[], None] | None = None
        self._least = patience
        self._step_began: float | None = None
        self._steps: deque[float] = deque(maxlen=LAST_STEPS)
        self._requested = threading.Event()
        self._noticed = threading.Event()
        self._closed = threading.Event()
        self._lock = threading.Lock()

    @property
    def requested(self) -> bool:
        """Whether the user asked to stop."""
        return self._requested.is_set()

    @property
    def patience(self) -> float:
        """Seconds in which the computation must notice a cancel."""
        if self._step_began is None:
            return min(self._least, START_PATIENCE_S)
        return max(self._least, 3 * max(self._steps.copy(), default=0.0))

    def phase(self) -> None:
        """Say that a phase begins, which may be of other steps or of none."""
        self._step_began = None
        self._steps.clear()

    def step(self) -> None:
        """Say that a step is done and the next one begins."""
        now = time.monotonic()
        if self._step_began is not None:
            self._steps.append(now - self._step_began)
        self._step_began = now

    def request(self) -> None:
        """Ask the computation to stop; asking again changes nothing."""
        if self._requested.is_set():  # perhaps by the forced end itself, which holds the lock
            return
        with self._lock:
            if self._requested.is_set() or self._closed.is_set():
                return
            self._requested.set()
        threading.Thread(target=self._wait_then_end, name="cancel", daemon=True).start()

    def notice(self) -> None:
        """Say that the computation is about to stop."""
        self._noticed.set()

    def close(self) -> None:
        """Say that the computation has ended; nothing is forced from now on."""
        with self._lock:
            self._closed.set()

    def wait_closed(self, seconds: float) -> bool:
        """Wait for the end of the computation and tell whether it has come."""
        return self._closed.wait(seconds)

    def end_now(self) -> None:
        """End the process, unless the computation has ended by itself."""
        with self._lock:
            if not self._closed.is_set() and self.on_forced_end:
                self.on_forced_end()

    def _wait_then_end(self) -> None:
        patience = self.patience
        if self.on_request is not None:
            told = (patience + self.grace,)
            threading.Thread(target=self.on_request, args=told, daemon=True).start()
        if not self._noticed.wait(patience) or not self._closed.wait(self.grace):
            self.end_now()


class SignalWatch:
    """Turns SIGINT and SIGTERM into a cancel, even while the main thread is inside C code.

    Python runs signal handlers between bytecodes of the main thread, which a long matrix
    product keeps waiting; the wake-up file descriptor is written at once.
    A second Ctrl-C ends the process without grace.
    """

    def __init__(self, switch: CancelSwitch, *, hangup: bool = True) -> None:
        self._switch = switch
        names = ["SIGINT", "SIGTERM", "SIGBREAK"]
        self._ignored = [] if hangup else ["SIGHUP"]
        self._watched = [*names, "SIGHUP"] if hangup else names
        self._before: dict[int, Any] = {}

    def __enter__(self) -> SignalWatch:
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._fd_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for name in [*self._watched, *self._ignored]:
            number = getattr(signal, name, None)
            if number is not None:
                self._before[number] = signal.signal(
                    number, signal.SIG_IGN if name in self._ignored else _nothing
                )
        self._thread = threading.Thread(target=self._watch, name="signals", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._fd_before)
        self._writer.close()
        self._thread.join()
        self._reader.close()

    def _watch(self) -> None:
        while numbers := self._reader.recv(16):
            for number in numbers:
                if number == signal.SIGINT and self._switch.requested:
                    self._switch.end_now()
                self._switch.request()


def _nothing(number: int, frame: FrameType | None) -> None:
    """Stand in for the default handler; the wake-up descriptor tells the watch."""


def watch_stdin(switch: CancelSwitch, *, stop_at_end: bool) -> None:
    """Start a thread that takes a ``cancel`` line on stdin as a cancel.

    Stdin is moved to a private descriptor first: on Windows a read that blocks on it
    would stall every library that merely looks at it.

    Parameters
    ----------
    switch : CancelSwitch
        What a ``cancel`` line sets.
    stop_at_end : bool
        Whether the end of stdin (the parent has gone) is a cancel too.
    """
    private = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def watch() -> None:
        rest = b""
        while chunk := _read(private):
            *lines, rest = (rest + chunk).split(b"\n")
            if any(line.strip() == b"cancel" for line in lines):
                switch.request()
        if stop_at_end:
            switch.request()

    threading.Thread(target=watch, name="stdin", daemon=True).start()


def watch_file(switch: CancelSwitch, file: Path) -> None:
    """Start a thread that takes the appearance of a file as a cancel, and removes the file.

    So a program that did not start the job can ask it to stop, on any system.
    """

    def watch() -> None:
        while not switch.wait_closed(LOOK_S):
            if file.exists():
                switch.request()
                with contextlib.suppress(OSError):
                    file.unlink()
                return

    threading.Thread(target=watch, name="cancel file", daemon=True).start()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # the other end has gone in an unusual way, as on Windows
        return b""
