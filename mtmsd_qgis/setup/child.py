"""A tool that runs and is watched line by line; it can be ended from another thread."""

from __future__ import annotations

import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from ..engine.process import end_tree, start_options

TICK_SECONDS = 0.5


class Child:
    """Runs one command after the other; :meth:`end` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._started: Callable[[int], None] = lambda pid: None
        self.ended = False

    def when_started(self, tell: Callable[[int], None]) -> None:
        """Have the process number of every child told."""
        self._started = tell

    def run(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        tell: Callable[[str], None],
        tick: Callable[[], None] = lambda: None,
    ) -> tuple[int, list[str]]:
        """Run a command to its end; return its status and its lines, stderr among them.

        Raises
        ------
        OSError
            If it cannot be started.
        """
        with self._lock:
            if self.ended:
                return -9, []
            process = self._process = subprocess.Popen(  # noqa: S603
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                **start_options(),
            )
        self._started(process.pid)
        lines: queue.Queue[str | None] = queue.Queue()
        reader = threading.Thread(
            target=_read, args=(process.stdout, lines), name="mtmsd-setup", daemon=True
        )
        reader.start()
        heard = _until_end(lines, tell, tick)
        return process.wait(), heard

    def end(self) -> None:
        """End what runs, with all its children, and let nothing more be started."""
        with self._lock:
            self.ended = True
            process = self._process
        if process is not None and process.poll() is None:
            end_tree(process.pid)


def _read(pipe: IO[bytes], lines: queue.Queue[str | None]) -> None:
    with pipe:
        for raw in pipe:
            line = raw.decode("utf-8", "replace").rstrip()
            if line:
                lines.put(line)
    lines.put(None)


def _until_end(
    lines: queue.Queue[str | None], tell: Callable[[str], None], tick: Callable[[], None]
) -> list[str]:
    heard: list[str] = []
    ticked = time.monotonic()
    while True:
        try:
            line = lines.get(timeout=TICK_SECONDS)
        except queue.Empty:
            line = ""
        if line is None:
            return heard
        if line:
            heard.append(line)
            tell(line)
        began = time.monotonic()
        if began - ticked >= TICK_SECONDS:
            tick()
            now = time.monotonic()
            ticked = now + 5 * (now - began)  # looking must cost little beside the work
