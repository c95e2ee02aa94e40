"""What the panel says of the engine: headline, facts, sizes."""

from __future__ import annotations

from pathlib import Path

from ...common.folders import environment_folder
from ...common.translation import tr
from ...engine.interpreter import BROKEN, CHECKING, MISSING, OUTDATED, READY, EngineState
from ...engine.stamp import STAMP
from ...setup.environment_folder import Place
from ...setup.plan import size


def headline(state: EngineState) -> str:
    """Say in a sentence how the engine is."""
    if state.status == CHECKING:
        return tr("The engine is being checked…")
    if state.status == READY:
        return tr("The engine is ready.")
    if state.status == MISSING and is_own(state):
        if Place(environment_folder()).left_over():
            return tr("A set-up of the engine was begun and not finished; it can go on.")
        return tr(
            "The engine does the computing, in a Python environment of its own. "
            "One click sets it up; QGIS itself stays as it is."
        )
    return state.sentence


def is_own(state: EngineState) -> bool:
    """Whether the interpreter is that of the plugin's own folder, not one that was named."""
    return environment_folder() in Path(state.python).parents


def environment_of(state: EngineState) -> Path | None:
    """Return the environment in use if a set-up made it; None where it did not."""
    parents = Path(state.python).parents
    made = len(parents) > 1 and (parents[1] / STAMP).is_file()
    return parents[1] if made else None


def word(state: EngineState) -> str:
    """Return the state in a word or two."""
    return {
        CHECKING: tr("being checked"),
        READY: tr("ready"),
        MISSING: tr("not set up"),
        BROKEN: tr("broken"),
        OUTDATED: tr("outdated"),
    }[state.status]


def step_title(step: str) -> str:
    """Return what a step of the set-up does."""
    return {
        "prepare": tr("Preparing the folder"),
        "tool": tr("Fetching the installer uv"),
        "python": tr("Making the Python environment"),
        "packages": tr("Fetching and installing the packages"),
        "torch": tr("Fetching and installing PyTorch"),
        "doctor": tr("Checking that it computes"),
        "swap": tr("Putting it in place"),
    }.get(step, tr("Beginning"))


def progress(step: str, done: int, total: int) -> str:
    """Return a step with its bytes: ``Fetching …: 0.3 of 1.7 GB``."""
    title = step_title(step)
    if total:
        return tr("{}: {} of {}").format(title, size(done), size(total))
    return f"{title}…" if not done else f"{title}: {size(done)}"
