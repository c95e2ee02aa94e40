"""The engine's messages: JSON lines from its pipe, or from a job folder's file."""

from __future__ import annotations

import json
import queue
import threading
import time
from pathlib import Path
from typing import IO, Any

Message = dict[str, Any]
"""One message; ``type`` is hello, phase, progress, metric, artifact, warning, error, done,
heartbeat, or ``log`` for a line that was not a message (``text``)."""

MOST_AT_ONCE = 2000
"""Messages that one call takes, so that a flood does not hold up QGIS's main thread."""
CHUNK = 65_536
"""Bytes of a file that one call reads, for the same reason."""
LONGEST_LINE = 1_000_000
"""Bytes after which a line without an end is taken for noise."""


def parse(line: bytes) -> Message | None:
    """Return the message in a line; what is not JSON becomes a ``log`` message."""
    text = line.decode("utf-8", "replace").strip()
    if not text:
        return None
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        message = None
    if isinstance(message, dict) and isinstance(message.get("type"), str):
        return message
    return {"type": "log", "text": text}


class PipeMessages:
    """Messages from a child's stdout, read by a thread so that nobody ever waits for the pipe."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._queue: queue.Queue[Message | None] = queue.Queue()
        self.at_end = False
        thread = threading.Thread(target=self._read, args=(pipe,), name="mtmsd-pipe", daemon=True)
        thread.start()

    def _read(self, pipe: IO[bytes]) -> None:
        try:
            with pipe:
                while line := pipe.readline(LONGEST_LINE):
                    message = parse(line)
                    if message is not None:
                        self._queue.put(message)
        finally:
            self._queue.put(None)

    def take(self, wait: float) -> list[Message]:
        """Return the messages at hand; wait at most so many seconds for the first."""
        taken: list[Message] = []
        try:
            item = self._queue.get(timeout=wait) if wait > 0 else self._queue.get_nowait()
            while item is not None:
                taken.append(item)
                if len(taken) == MOST_AT_ONCE:
                    return taken
                item = self._queue.get_nowait()
            self.at_end = True
        except queue.Empty:
            pass
        return taken


class FileMessages:
    """Messages of a running or ended job from the ``messages.jsonl`` of its folder."""

    def __init__(self, folder: Path) -> None:
        self.at_end = False
        self._path = folder / "messages.jsonl"
        self._offset = 0

    def take(self, wait: float) -> list[Message]:
        """Return the messages written since the last call; wait once where there are none."""
        taken = self._new_lines()
        if not taken and wait > 0:
            time.sleep(wait)
            taken = self._new_lines()
        return taken

    def _new_lines(self) -> list[Message]:
        data = self._read(CHUNK)
        whole = data.rfind(b"\n") + 1  # the last line may be half written
        if not whole and len(data) == CHUNK:  # a line that is longer
            data = self._read(LONGEST_LINE)
            whole = data.find(b"\n") + 1 or (len(data) if len(data) == LONGEST_LINE else 0)
        self.at_end = len(data) < CHUNK
        self._offset += whole
        return [m for m in map(parse, data[:whole].splitlines()) if m is not None]

    def _read(self, size: int) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                return file.read(size)
        except OSError:
            return b""
