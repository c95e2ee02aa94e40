"""The work folder beside an output: checkpoints and finished steps, until the output is whole.

It lies beside the output rather than in the job folder, so that whoever writes the same
output again, in QGIS or in a terminal, can continue.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mtmsd.files.atomic import SUFFIX, remove_partials
from mtmsd.jobs.claim import OWN_FILES, claimed, write_json
from mtmsd.jobs.messages import plain
from mtmsd.reporting import Reporter


@contextmanager
def work_folder(
    output: Path,
    resume: bool,
    reporter: Reporter,
    *,
    elsewhere: Sequence[Path] = (),
    beside: Sequence[Path] = (),
) -> Iterator[Path]:
    """Give the work folder of an output; it is removed when the work succeeds.

    Parameters
    ----------
    output : Path
        The file that will be written.
    resume : bool
        Whether what an earlier run left there is used; else it is removed.
    reporter : Reporter
        Told if there is nothing to resume.
    elsewhere : sequence of Path
        Other folders in which there may be something to resume.
    beside : sequence of Path
        The other files that are written.

    Raises
    ------
    InputError
        Another process writes the same output.
    """
    folder = work_path(output)
    left = folder.is_dir()
    folder.mkdir(mode=0o700, exist_ok=True)
    with claimed(folder, str(output)):
        if resume and not left and not any(path.is_dir() for path in elsewhere):
            reporter.warning(f"There is nothing to resume for {output}; all of it is done.")
        if left and not resume:
            _empty(folder, "*")
        _empty(folder, f"**/.*{SUFFIX}")
        for file in (output, *beside):
            remove_partials(file)
        try:
            yield folder
        except BaseException:
            if {path.name for path in folder.iterdir()} <= set(OWN_FILES):
                shutil.rmtree(folder)  # nothing to resume
            raise
    shutil.rmtree(folder)


def work_path(output: Path) -> Path:
    """Return where the work folder of an output is."""
    return output.with_name(f"{output.name}.work")


def _empty(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in OWN_FILES:
            path.unlink()


class Steps:
    """The finished steps of a job, each noted with what it was made from.

    A resumed run takes the results of a step whose arguments, inputs and outputs are
    still the same, and does the others.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "steps.json"
        try:
            self._notes: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._notes = {}

    def run(
        self,
        name: str,
        arguments: Any,
        files: Sequence[str | Path | None],
        work: Callable[[], Mapping[str, Any]],
    ) -> dict[str, Any]:
        """Return the results of a step, from the note of an earlier run if it still holds.

        Parameters
        ----------
        name : str
            Of the step.
        arguments : dataclass
            Everything that the results depend on, besides the content of files.
        files : sequence
            Inputs and outputs, whose size and time of change are noted.
        work : callable
            Does the step.
        """
        wanted = {k: v for k, v in plain(arguments).items() if k not in ("resume", "device")}
        note = self._notes.get(name)
        if note and note["arguments"] == wanted and note["files"] == _states(files):
            return dict(note["results"])
        results = plain(work())
        self._notes[name] = {"arguments": wanted, "files": _states(files), "results": results}
        write_json(self._file, self._notes)
        return results


def file_state(path: Path) -> list[int] | None:
    """Return the size and the time of change of a file, None if it is none."""
    if not path.is_file():
        return None
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _states(files: Sequence[str | Path | None]) -> dict[str, list[int] | None]:
    return {
        str(file): file_state(Path(str(file).split("|", 1)[0]))
        for file in files
        if file is not None
    }
