"""A job: the engine's child process, its folder, its messages, its end."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..common.folders import CORE
from ..common.translation import tr
from .environment import child_environment
from .job_folders import CANCEL_FILE, STOP, is_running, new_job_folder, process_of
from .job_states import CANCELED, DONE, FAILED, LEFT
from .messages import FileMessages, Message, PipeMessages
from .owner import PROCESSING, Owner
from .process import (
    end_same,
    end_tree,
    how_it_ended,
    interrupt,
    is_alive,
    is_same,
    start_options,
)

GRACE_SECONDS = 33.0
"""After a cancel the engine says how long it waits for its step in hand and its checkpoint, and
ends itself then; this is for one that has said nothing."""
AFTER_GRACE_SECONDS = 3.0
"""For one that has said how long, and does not end."""
START_GRACE_SECONDS = 3.0
"""The same for a child that has not yet said hello: it has nothing to lose."""
SILENCE_SECONDS = 60.0
"""After this time without any message, heartbeats included, the user is told."""


class LetGoError(Exception):
    """Raised by a listener of :meth:`Job.follow`: the engine shall go on without it."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended: ``done``, ``failed``, ``canceled``, or ``left`` to itself."""

    status: str
    results: dict[str, Any] = field(default_factory=dict)
    message: str = ""
    hint: str = ""

    @property
    def sentence(self) -> str:
        """The message and what to do about it."""
        return f"{self.message} {self.hint}".strip()


class Job:
    """One run of the engine; made by :meth:`start` or :meth:`attach`.

    Nothing here blocks: poll :meth:`messages` from a timer, or call :meth:`follow` in a
    worker thread. One thread at a time may use a job.
    """

    def __init__(
        self,
        folder: Path,
        pid: int,
        process: subprocess.Popen[bytes] | None = None,
        created: float | None = None,
    ) -> None:
        self.folder = folder
        self.pid = pid
        self._created = created
        self.outcome: Outcome | None = None
        self._process = process
        self._stdin = process.stdin if process else None
        self._source: PipeMessages | FileMessages = FileMessages(folder)
        if process is not None and process.stdout is not None:
            self._source = PipeMessages(process.stdout)
        self._greeted = process is None
        self._heard_at = time.monotonic()
        self._silence_told = False
        self._canceled_at: float | None = None
        self._exited_at: float | None = None

    @classmethod
    def start(
        cls,
        python: str,
        command: str,
        arguments: Mapping[str, Any],
        *,
        folder: Path | None = None,
        when_parent_ends: str = STOP,
        place: str = PROCESSING,
    ) -> Job:
        """Write the job folder and start the engine on it.

        Parameters
        ----------
        python : str
            The engine's interpreter.
        command : str
            ``map``, ``pretrain``, ``train``, ``classify``, ``assess``, ``info`` or ``doctor``.
        arguments : Mapping of str to JSON values or paths
            The command's arguments, named as in the engine.
        folder : Path, optional
            From :func:`.job_folders.new_job_folder`; by default a new one.
        when_parent_ends : {"stop", "continue"}
            What the engine does when QGIS ends.
        place : {"processing", "dock"}
            What starts it, for whoever finds the folder.

        Raises
        ------
        OSError
            If the folder cannot be written or the interpreter cannot be started.
        """
        folder = folder or new_job_folder(command)
        job = {
            "command": command,
            "arguments": dict(arguments),
            "when_parent_ends": when_parent_ends,
            "owner": Owner.here(place).note(),
        }
        text = json.dumps(job, indent=1, ensure_ascii=False, default=str)
        (folder / "job.json").write_text(text, encoding="utf-8")
        with (folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603
                [python, "-m", "mtmsd", "run", str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=str(folder),
                env=child_environment(os.environ, CORE),
                **start_options(),
            )
        return cls(folder, process.pid, process)

    @classmethod
    def attach(cls, folder: Path) -> Job:
        """Take up a job that an earlier QGIS started; its messages are told from the first on.

        Raises
        ------
        OSError, ValueError
            If the folder holds no job that was ever started.
        """
        pid, created = process_of(folder)
        return cls(folder, pid, None, created)

    @property
    def finished(self) -> bool:
        """Whether the job has ended and its last message was told."""
        return self.outcome is not None

    def messages(self, wait: float = 0.0) -> list[Message]:
        """Return what the engine has said since the last call, and see to its end.

        Parameters
        ----------
        wait : float
            Seconds to wait for the first message; 0 returns at once.
        """
        if self.finished:
            return []
        told = self._source.take(wait)
        now = time.monotonic()
        if told:
            self._heard_at = now
            self._silence_told = False
        self._greeted = self._greeted or any(m["type"] == "hello" for m in told)
        told += self._tell_silence(now)
        self._end_when_grace_is_over(now)
        for message in told:
            self._note(message)
        if (self._source.at_end or not told) and self._has_ended(now):
            rest = self._source.take(0.0)
            for message in rest:
                self._note(message)
            self.outcome = self._conclude()
            return told + rest
        return told

    def follow(self, tell: Callable[[Message], None], is_canceled: Callable[[], bool]) -> Outcome:
        """Tell the messages until the job has ended; cancel it when asked to.

        A listener that raises :class:`LetGoError` leaves the engine at work.
        """
        try:
            while self.outcome is None:
                if is_canceled():
                    self.cancel()
                for message in self.messages(wait=0.1):
                    tell(message)
            return self.outcome
        except LetGoError:
            self.outcome = Outcome(LEFT, message=tr("The job goes on without QGIS."))
            return self.outcome
        finally:
            if self.outcome is None:  # the listener failed: leave no child behind
                self.end()

    def cancel(self) -> None:
        """Ask the engine to stop; its process tree is ended when the grace is over."""
        if self._canceled_at is not None or self.finished:
            return
        self._canceled_at = time.monotonic()
        if self._stdin is None:
            if self._is_running():
                with contextlib.suppress(OSError):
                    (self.folder / CANCEL_FILE).touch()
                if is_same(self.pid, self._created, self.folder.name):
                    interrupt(self.pid)  # an engine of an earlier version looks for no file
            return
        with contextlib.suppress(OSError, ValueError):
            self._stdin.write(b"cancel\n")
            self._stdin.flush()

    def end(self) -> None:
        """End the process tree now."""
        if self._process is None:
            end_same(self.pid, self._created, self.folder.name)
        elif self._process.poll() is None:  # else its number may be another's by now
            end_tree(self.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2.0)

    # -- the end ----------------------------------------------------------------------------

    _done: Message | None = None
    _error: Message | None = None
    _told_grace = 0.0

    def _note(self, message: Message) -> None:
        if message["type"] == "done":
            self._done = message
        elif message["type"] == "error":
            self._error = message
        elif message["type"] == "canceling":
            self._told_grace = float(message.get("patience_s") or 0) + AFTER_GRACE_SECONDS

    def _tell_silence(self, now: float) -> list[Message]:
        if self._silence_told or now - self._heard_at < SILENCE_SECONDS:
            return []
        self._silence_told = True
        text = tr("The engine has been silent for {} s; cancel it if that stays so.")
        message = text.format(f"{SILENCE_SECONDS:g}")
        return [{"type": "warning", "message": message, "passing": True}]

    def _end_when_grace_is_over(self, now: float) -> None:
        grace = GRACE_SECONDS if self._greeted else START_GRACE_SECONDS
        grace = self._told_grace or grace
        if self._canceled_at is not None and now - self._canceled_at > grace:
            self.end()

    def _has_ended(self, now: float) -> bool:
        if self._is_running():
            return False
        self._exited_at = self._exited_at or now
        # A grandchild may hold the pipe open after the engine itself has gone.
        if not self._source.at_end and now - self._exited_at < 2.0:
            return False
        if self._stdin is not None:
            if not is_alive(self.pid):  # else the number is another's by now
                end_tree(self.pid)  # what it may have started
            with contextlib.suppress(OSError):
                self._stdin.close()
        return True

    def _is_running(self) -> bool:
        if self._process is None:
            return is_running(self.folder)
        return self._process.poll() is None

    def _conclude(self) -> Outcome:
        if self._done is not None:
            return Outcome(DONE, self._done.get("results") or {})
        error = self._error or {}
        if error.get("code") == "canceled" or (self._canceled_at is not None and not error):
            return Outcome(CANCELED, message=tr("Canceled."))
        if error:
            return Outcome(FAILED, {}, str(error.get("message", "")), str(error.get("hint", "")))
        log = tr("The log is {}.").format(self.folder / "log.txt")
        return Outcome(FAILED, {}, self._crash_sentence(), log)

    def _crash_sentence(self) -> str:
        if self._process is None:
            return tr("The engine ended without a result.")
        ended = how_it_ended(self._process.returncode)
        if "SIGKILL" in ended:
            text = tr("The engine {ended} before it had a result (perhaps memory ran out){last}.")
        else:
            text = tr("The engine {ended} before it had a result{last}.")
        last = _last_line(self.folder / "log.txt")
        return text.format(ended=ended, last=f": {last}" if last else "")


def _last_line(path: Path) -> str:
    """Return the last line of a log, at most 300 characters of it."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            lines = file.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip()]
    return said[-1][:300].rstrip(".") if said else ""
