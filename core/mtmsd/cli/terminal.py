"""A job on a terminal: a progress bar for each phase, tables for the results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from mtmsd.cli.tables import show_results
from mtmsd.errors import Canceled, MtmsdError
from mtmsd.jobs.cancel import CancelSwitch
from mtmsd.jobs.reporter import JobReporter, Pace
from mtmsd.reporting import SCENES


class TerminalReporter(JobReporter):
    """Bars, warnings and errors on stderr; the results on stdout.

    Parameters
    ----------
    command : str
        Its name chooses the table of results.
    how_to_resume : str
        What is said when the user has canceled.
    """

    def __init__(self, command: str, how_to_resume: str, switch: CancelSwitch) -> None:
        super().__init__(switch)
        self._command = command
        self._how_to_resume = how_to_resume
        self._console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            TextColumn("{task.fields[amount]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            *([TextColumn("{task.fields[metric]}")] if self._console.width >= 100 else []),
            console=self._console,
        )
        self._shown = False
        self._task: TaskID | None = None
        self._phase = ""
        self._unit = ""
        self._pace = Pace()

    def __enter__(self) -> TerminalReporter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._hide_bars()

    def phase(self, name: str, title: str) -> None:
        """Begin a bar; all scenes of a list share one."""
        super().phase(name, title)
        before, self._phase = self._phase, name
        if name == before == SCENES and self._task is not None:
            self._bars.update(self._task, description=title)
            return
        self._end_phase()
        if not self._shown:
            self._bars.start()
            self._shown = True
        self._task = self._bars.add_task(title, total=None, amount="", metric="")
        self._pace.restart()

    def progress(self, done: float, total: float, unit: str) -> None:
        """Move the bar."""
        super().progress(done, total, unit)
        if self._task is not None and self._pace.due(done, total):
            self._unit = unit
            amount = f"{done:,}/{total:,} {unit}"
            self._bars.update(self._task, completed=done, total=total, amount=amount)

    def metric(self, step: int, name: str, value: float) -> None:
        """Show the latest number beside the bar."""
        if self._task is not None:
            self._bars.update(self._task, metric=f"{name} {value:.4g}")

    def warning(self, message: str) -> None:
        """Print the sentence above the bars."""
        self._say("Warning", "yellow", message)

    def artifact(self, kind: str, path: Path) -> None:
        """Print where the file is."""
        self._say("Wrote", "green", f"{kind} {path}")

    def canceling(self, seconds: float) -> None:
        """Print that the step in hand is waited for."""
        words = "the step in hand is finished first; Ctrl-C again does not wait for it."
        self._say("Canceling", "yellow", words)

    def done(self, results: Mapping[str, Any]) -> None:
        """Print the results."""
        self._end_phase()
        self._hide_bars()
        show_results(self._command, results, Console())

    def error(self, error: MtmsdError) -> None:
        """Print what went wrong and what to do about it."""
        self._hide_bars()
        if isinstance(error, Canceled):
            lost = "" if error.message == Canceled().message else "the step in hand is lost; "
            self._say("Canceled", "yellow", lost + self._how_to_resume)
        else:
            self._say("Error", "red", str(error))

    def _end_phase(self) -> None:
        if self._task is not None:
            task = next(t for t in self._bars.tasks if t.id == self._task)
            total = task.total or 1
            amount = f"{total:,} {self._unit}" if task.total else ""
            self._bars.update(self._task, completed=total, total=total, amount=amount)
            self._bars.stop_task(self._task)
            self._task = None

    def _hide_bars(self) -> None:
        """Leave the bars as they are and give the cursor back."""
        if self._shown:
            self._bars.stop()
            self._shown = False

    def _say(self, word: str, color: str, sentence: str) -> None:
        text = Text(f"{word}: ", style=color).append(sentence, style="default")
        self._console.print(text, soft_wrap=True)
