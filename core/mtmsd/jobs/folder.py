"""The job folder: job.json in; messages.jsonl, log.txt and pid.json out."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtmsd.errors import InputError


@dataclass(frozen=True)
class JobFolder:
    """A folder whose job.json says what to do."""

    path: Path
    command: str
    arguments: dict[str, Any]
    stop_with_parent: bool
    """Whether the job ends when the program that started it does."""

    @classmethod
    def open(cls, path: Path) -> JobFolder:
        """Read job.json and make the folder private to the user.

        Raises
        ------
        InputError
            The folder or its job.json is missing, or says something that can't be understood.
        """
        path = path.absolute()
        file = path / "job.json"
        try:
            job = json.loads(file.read_text(encoding="utf-8"))
            command, arguments = job["command"], job["arguments"]
            wish = job.get("when_parent_ends", "stop")
        except (FileNotFoundError, NotADirectoryError):
            raise InputError(
                f"There is no job.json in {path}.", hint="Give the folder of a job."
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            command, arguments, wish = "", None, ""
        if not isinstance(arguments, dict) or wish not in ("stop", "continue"):
            raise InputError(
                f"{file} does not describe a job.",
                hint="It is a JSON object with 'command' (a name), 'arguments' (an object) and "
                "'when_parent_ends' (stop or continue).",
            )
        if os.name == "posix":
            path.chmod(0o700)
        return cls(path, str(command), arguments, wish == "stop")

    @property
    def log(self) -> Path:
        """What libraries print, and tracebacks."""
        return self.path / "log.txt"

    @property
    def messages(self) -> Path:
        """The messages that also go to the parent, for a parent that comes back."""
        return self.path / "messages.jsonl"

    @property
    def cancel(self) -> Path:
        """The file by which a program that did not start the job asks it to stop."""
        return self.path / "cancel"
