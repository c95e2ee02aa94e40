"""The job folders as a list: what each job is, whose, how it ended, what the engine warned of."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..common.translation import tr
from ..engine.job_folders import is_running, job_folders, read_note
from ..engine.job_states import CANCELED, DONE, FAILED, RUNNING
from ..engine.owner import DOCK, LEFT_BEHIND, OTHERS, OWN, Owner, whose

SHOWN_JOBS = 12


@dataclass(frozen=True)
class JobLine:
    """A job folder as the table shows it.

    Attributes
    ----------
    status : str
        RUNNING, DONE, CANCELED or FAILED.
    sentence : str
        Why it failed.
    warnings : tuple of str
        What the engine warned of, each sentence once.
    relation : str
        OWN, LEFT_BEHIND or OTHERS.
    """

    folder: Path
    command: str
    started: float
    status: str
    sentence: str = ""
    warnings: tuple[str, ...] = ()
    relation: str = OWN
    owner: Owner | None = None

    @property
    def is_followed(self) -> bool:
        """Whether a run of this dock follows it already, or is about to."""
        return self.relation == OWN and self.owner is not None and self.owner.place == DOCK

    @property
    def title(self) -> str:
        """What the job is called where it runs, with who started it unless the dock did."""
        names = {
            OWN: tr("{} (from the Toolbox)"),
            LEFT_BEHIND: tr("{} (of an earlier QGIS)"),
            OTHERS: tr("{} (of another QGIS)"),
        }
        return names[self.relation].format(self.command)

    @property
    def who(self) -> str:
        """Say in a sentence whose it is, if it is another's; empty else."""
        if self.relation != OTHERS or self.owner is None:
            return ""
        since = ""
        if self.owner.created is not None:
            since = time.strftime(" %d.%m. %H:%M", time.localtime(self.owner.created))
        text = tr("Started by another QGIS: {user} on {host}, process {pid}{since}.")
        return text.format(
            user=self.owner.user, host=self.owner.host, pid=self.owner.pid, since=since
        )


class JobList:
    """Reads the newest job folders; of a file of messages only what is new.

    :meth:`read` is called in one thread at a time.
    """

    def __init__(self) -> None:
        self._logs: dict[Path, _Messages] = {}

    def read(self) -> list[JobLine]:
        """Return the newest jobs, the newest first."""
        folders = job_folders()[:SHOWN_JOBS]
        self._logs = {folder: self._logs.get(folder) or _Messages(folder) for folder in folders}
        return [line for folder in folders if (line := self._line(folder)) is not None]

    def _line(self, folder: Path) -> JobLine | None:
        note = read_note(folder)
        try:
            started = (folder / "job.json").stat().st_mtime
        except OSError:  # removed meanwhile
            return None
        messages = self._logs[folder]
        messages.read()
        status, sentence = _end(messages.last) or _without_end(folder)
        relation = whose(note.owner)
        warnings = tuple(messages.warnings)
        return JobLine(
            folder, note.command, started, status, sentence, warnings, relation, note.owner
        )


def _end(last: dict[str, Any]) -> tuple[str, str] | None:
    if last.get("type") == "done":
        return DONE, ""
    if last.get("type") == "error":
        status = CANCELED if last.get("code") == "canceled" else FAILED
        return status, f"{last.get('message', '')} {last.get('hint', '')}".strip()
    return None


def _without_end(folder: Path) -> tuple[str, str]:
    if is_running(folder):
        return RUNNING, ""
    return FAILED, tr("The engine ended without a result.")


class _Messages:
    """What counts of a job's messages: the warnings, and the last one if it is an end."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "messages.jsonl"
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._offset = 0
        self.warnings: list[str] = []
        self.last: dict[str, Any] = {}

    def read(self) -> None:
        """Take what was written since the last time; the last line may be half written."""
        try:
            size = self._path.stat().st_size
            if size < self._offset:  # the job was run again
                self._begin_anew()
            if size == self._offset:
                return
            with self._path.open("rb") as file:
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._offset += len(line)
                    self._take(line)
        except OSError:
            return

    def _take(self, line: bytes) -> None:
        self.last = {}
        if not any(word in line for word in (b'"warning"', b'"done"', b'"error"')):
            return  # of a long job most lines are figures
        try:
            message = json.loads(line)
            kind = message.get("type")
        except (ValueError, AttributeError):
            return
        text = str(message.get("message", "")).strip()
        if kind == "warning" and text not in self.warnings:
            self.warnings.append(text)
        elif kind in ("done", "error"):
            self.last = message
