"""What the tests of the set-up share: the pretend engine's locks, plans on this machine, a run."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pretend import make_wheels, write_engine, write_locks
from troubled_index import Index

from mtmsd_qgis.common import folders
from mtmsd_qgis.engine import locks
from mtmsd_qgis.setup.installer import Event, Installer, Outcome
from mtmsd_qgis.setup.machine import BasePython, Sources, Surroundings
from mtmsd_qgis.setup.plan import SetupOptions, SetupPlan, make_plan

BASE, VERSION = "/usr/bin/python3", platform.python_version()
UV = str(Path(sys.executable).with_name("uv"))
DRIVER = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from mtmsd_qgis.common import folders
from mtmsd_qgis.engine import locks
from mtmsd_qgis.setup.installer import Installer
from mtmsd_qgis.setup.plan import SetupPlan
from mtmsd_qgis.setup.machine import Sources
values = json.loads(sys.argv[2])
locks.FOLDER, folders.CORE = Path(values.pop("locks")), Path(values.pop("core"))
values["folder"], values["sources"] = Path(values["folder"]), Sources(**values["sources"])
outcome = Installer(SetupPlan(**values), lambda e: print(e.line, flush=True)).run()
print("OUTCOME " + json.dumps([outcome.status, outcome.sentence, outcome.remedy]))
"""
"""The same set-up in a process of its own: one that can be killed, caged or made poor."""


class Stage:
    """A pretend lock and engine in this process, and the machine that plans are made for."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.wheels = make_wheels(folder / "wheels")
        self.locks = write_locks(folder / "locks", self.wheels)
        self.core = write_engine(folder / "core")
        self.engine = folder / "data" / "engine"
        monkeypatch.setattr(locks, "FOLDER", self.locks)
        monkeypatch.setattr(folders, "CORE", self.core)
        self.machine = {"system": "linux", "machine": "x86_64", "layout": "Debian",
                        "pythons": (BasePython(BASE, VERSION),), "fetcher": BASE, "uv": UV,
                        "sources": Sources()}  # fmt: skip

    def plan(
        self, folder: Path | None = None, kind: str = "full", device: str = "cpu", **options: str
    ) -> SetupPlan:
        machine = Surroundings(**self.machine)
        chosen = SetupOptions(**options)
        return make_plan(kind, device, folder or self.engine, chosen, machine)

    def from_folder(self, **options: str) -> SetupPlan:
        return self.plan(wheel_folder=str(self.wheels), **options)

    def command(self, plan: SetupPlan) -> list[str]:
        """Return the command line that carries the plan out in a process of its own."""
        values = {name: getattr(plan, name) for name in plan.__dataclass_fields__}
        values.update(folder=str(plan.folder), sources=vars(plan.sources))
        values.update(locks=str(self.locks), core=str(self.core))
        package = Path(folders.__file__).parents[2]
        return [sys.executable, "-c", DRIVER, str(package), json.dumps(values)]

    def apart(self, plan: SetupPlan, *before: str, **options: object) -> tuple[str, str, str]:
        """Run the plan in a process of its own; return status, sentence and remedy."""
        done = subprocess.run(
            [*before, *self.command(plan)], capture_output=True, text=True, timeout=100,
            check=False, **options,
        )  # fmt: skip
        said = [line for line in done.stdout.splitlines() if line.startswith("OUTCOME ")]
        assert said, done.stdout + done.stderr
        return tuple(json.loads(said[0][8:]))


def carry_out(plan: SetupPlan, events: list[Event] | None = None) -> Outcome:
    return Installer(plan, (events if events is not None else []).append).run()


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path, monkeypatch)


@pytest.fixture
def index(stage: Stage) -> Iterator[Index]:
    index = Index(stage.wheels)
    yield index
    index.close()
