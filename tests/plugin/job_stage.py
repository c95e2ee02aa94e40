"""Job folders as an engine leaves them, and waiting for a run's end."""

from __future__ import annotations

import json
import time
from pathlib import Path

from qgis.PyQt.QtTest import QTest

from mtmsd_qgis.jobs.attached_job import Attached
from mtmsd_qgis.jobs.runs import Ended, Run


def until_end(run: Attached | Run, seconds: float = 20) -> Ended:
    ends: list[Ended] = []
    run.ended.connect(ends.append)
    stop = time.monotonic() + seconds
    while not ends and time.monotonic() < stop:
        QTest.qWait(20)
    assert ends, "it does not end"
    return ends[0]


def note(folder: Path, pid: int, created: float | None) -> Path:
    (folder / "pid.json").write_text(json.dumps({"pid": pid, "created": created}))
    (folder / "job.json").write_text('{"command": "pretrain", "arguments": {}}')
    return folder
