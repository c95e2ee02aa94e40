"""Messages of a job to another program: one JSON object a line."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import mtmsd
from mtmsd.errors import MtmsdError
from mtmsd.jobs.cancel import CancelSwitch
from mtmsd.jobs.reporter import JobReporter, Pace

HEARTBEAT_S = 5.0


def take_stdout(log: int = 2) -> int:
    """Keep stdout for messages: return a private copy of it and point fd 1 at fd ``log``.

    Called before heavy imports, so that a library's print can't break the stream.
    """
    private = os.dup(1)
    os.dup2(log, 1)
    return private


class MessageStream:
    """Writes each message to several file descriptors; safe to use from several threads.

    Parameters
    ----------
    descriptors : dict of int to callable
        File descriptors, and what is called with the error once one can't be written.
        It is dropped then and the others go on.
    """

    def __init__(self, descriptors: Mapping[int, Callable[[OSError], None]]) -> None:
        self._sinks = dict(descriptors)
        self._lock = threading.Lock()
        self._ended = False

    def send(
        self, name: str, /, *, last: bool = False, patience: float = -1, **fields: Any
    ) -> None:
        """Write a message; nothing follows the ``last`` one.

        ``patience`` is how many seconds to wait for another thread whose reader does not
        read; -1 waits for ever.
        """
        line = json.dumps({"type": name} | plain(fields), allow_nan=False).encode() + b"\n"
        if not self._lock.acquire(timeout=patience):
            return
        try:
            if self._ended:
                return
            self._ended = last
            broken = [(number, e) for number in self._sinks if (e := _write(number, line))]
            tell = [(self._sinks.pop(number), error) for number, error in broken]
        finally:
            self._lock.release()
        for listener, error in tell:
            listener(error)


def _write(descriptor: int, line: bytes) -> OSError | None:
    try:
        while line:
            line = line[os.write(descriptor, line) :]
    except OSError as error:
        return error
    return None


def plain(value: Any) -> Any:
    """Turn paths, dataclasses, arrays, and numbers that JSON lacks (NaN) into plain JSON."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int, bool)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy's scalars and arrays, torch's tensors
        return plain(value.tolist())
    return str(value)


class MessageReporter(JobReporter):
    """Sends what a job tells as messages, and a heartbeat while it is open."""

    def __init__(self, stream: MessageStream, switch: CancelSwitch) -> None:
        super().__init__(switch)
        self._stream = stream
        self._phase = ""
        self._pace = Pace()
        self._closed = threading.Event()

    def __enter__(self) -> MessageReporter:
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closed.set()

    def _beat(self) -> None:
        while not self._closed.wait(HEARTBEAT_S):
            self._stream.send("heartbeat")

    def hello(self, device: str | None) -> None:
        """Send ``hello``."""
        self._stream.send("hello", version=mtmsd.__version__, device=device, pid=os.getpid())

    def phase(self, name: str, title: str) -> None:
        """Send ``phase``."""
        super().phase(name, title)
        self._phase = name
        self._pace.restart()
        self._stream.send("phase", name=name, title=title)

    def progress(self, done: float, total: float, unit: str) -> None:
        """Send ``progress``, at most five times a second."""
        super().progress(done, total, unit)
        if self._pace.due(done, total):
            self._stream.send(
                "progress",
                phase=self._phase,
                done=done,
                total=total,
                unit=unit,
                eta_s=self._pace.remaining(done, total),
            )

    def metric(self, step: int, name: str, value: float) -> None:
        """Send ``metric``."""
        self._stream.send("metric", step=step, name=name, value=value)

    def artifact(self, kind: str, path: Path) -> None:
        """Send ``artifact``."""
        self._stream.send("artifact", kind=kind, path=path)

    def warning(self, message: str) -> None:
        """Send ``warning``."""
        self._stream.send("warning", message=message)

    def canceling(self, seconds: float) -> None:
        """Send ``canceling``, so that the parent waits as long as this process does."""
        self._stream.send("canceling", patience=0.5, patience_s=seconds)

    def done(self, results: Mapping[str, Any]) -> None:
        """Send ``done``, the last message."""
        self._stream.send("done", last=True, results=results)

    def error(self, error: MtmsdError) -> None:
        """Send ``error``, the last message."""
        self._stream.send(
            "error",
            last=True,
            # a canceled job must not wait for a reader that has stopped reading
            patience=0.5 if self.switch.requested else -1,
            code=error.code,
            message=error.message,
            hint=error.hint,
        )
