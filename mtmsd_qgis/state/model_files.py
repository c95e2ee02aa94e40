"""The models of a scene, and the files of its folder that nothing needs any more."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qgis.core import QgsProject

from ..common.translation import tr
from ..common.unused_files import remove
from ..engine.job_folders import is_running, job_folders
from .model_header import CLASSIFIER, read_header
from .paths import file_of, key_of
from .scene_state import JOBS, STEP_FILES, SceneState

SUFFIX = ".safetensors"
_MADE = re.compile(
    r"(map|preview|confidence|probabilities|probabilities_map|polygons|points|doubtful|report"
    r"|regions|region_map)"
    r"(_\d+)?\.(tif|gpkg|html|json)"
)
"""What the dock calls what it makes of a scene; training polygons and models are not among it."""
_WORK = re.compile(r"(model_[a-z]+|classifier|" + _MADE.pattern + r")(_\d+)?(\.safetensors)?\.work")
"""Checkpoints and finished blocks of a job."""


@dataclass(frozen=True)
class ModelFile:
    """A diffusion model or a classifier.

    Attributes
    ----------
    size : int
        Bytes.
    changed : float
        When it was written, seconds since 1970.
    metadata : dict
        What its header says.
    """

    path: Path
    size: int
    changed: float
    metadata: dict[str, Any]

    @property
    def scene(self) -> str:
        """The name of the scene that it was learned on; empty if it does not say."""
        model = self.metadata.get("model") or self.metadata
        return str((model.get("scene") or {}).get("name") or "")

    @property
    def has_network(self) -> bool:
        """Whether it is a classifier with a diffusion network, the part that ONNX is for."""
        plain = not {"spectral", "stack", "regions"}.isdisjoint(self.metadata)
        return self.metadata.get("kind") == CLASSIFIER and (not plain or "network" in self.metadata)


def read_model(path: Path) -> ModelFile:
    """Read what a model file says of itself.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or is not a model of MTMSD.
    """
    metadata, status = read_header(path), path.stat()
    return ModelFile(path, status.st_size, status.st_mtime, metadata)


def list_models(folder: Path | None, others: Iterable[Path] = ()) -> list[ModelFile]:
    """Return the models in a folder and others that are in use, the newest first."""
    paths = list(folder.glob(f"*{SUFFIX}")) if folder is not None else []
    found = {}
    for path in (*paths, *others):
        try:
            found[key_of(str(path))] = read_model(path)
        except (OSError, ValueError):
            continue
    return sorted(found.values(), key=lambda model: model.changed, reverse=True)


def renamed(path: Path, name: str) -> Path:
    """Give a model another name in its folder, and return its new path.

    Raises
    ------
    OSError
        If that cannot be; nothing is changed then.
    """
    name = name.strip()
    name = name if name.lower().endswith(SUFFIX) else f"{name}{SUFFIX}"
    if name.startswith(".") or re.search(r'[<>:"/\\|?*\x00-\x1f]', name):
        raise OSError(tr("'{}' cannot be the name of a file.").format(name))
    target = path.with_name(name)
    if target.exists() and not target.samefile(path):
        raise OSError(tr("There is a file {} already; choose another name.").format(name))
    return path.rename(target)


def copied(path: Path, target: Path) -> Path:
    """Copy a model, whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        shutil.copyfile(path, part)
        return part.replace(target)
    finally:
        part.unlink(missing_ok=True)


# what is needed


def noted_files(state: SceneState) -> set[str]:
    """Return the keys of all files that a scene's state names, also those of its jobs."""
    paths = [value for value in vars(state).values() if isinstance(value, Path)]
    paths += [state.paused.output] if state.paused is not None else []
    for note in filter(None, (getattr(state, name) for name in JOBS)):
        paths += [note.step.get(name) for name in STEP_FILES]
    return {key_of(str(path)) for path in paths if path}


def shown_files() -> set[str]:
    """Return the keys of the files that the project's layers show."""
    layers = QgsProject.instance().mapLayers().values()
    return {key_of(file_of(layer.source())) for layer in layers}


def is_worked_in(folder: Path) -> bool:
    """Whether a job that runs now, of this QGIS or another, reads or writes in the folder."""
    wanted = key_of(str(folder))
    for job in filter(is_running, job_folders()):
        try:
            arguments = json.loads((job / "job.json").read_text(encoding="utf-8"))["arguments"]
        except (OSError, ValueError, KeyError):
            return True
        values = (str(value) for value in arguments.values())
        if any(key_of(str(Path(value).parent)) == wanted for value in values):
            return True
    return False


def unneeded(folder: Path, needed: set[str]) -> list[Path]:
    """Return what the dock made in a scene's folder and neither a state nor a layer names.

    Only files of the names that the dock gives; never training polygons, models, or links.
    """
    found = []
    for path in sorted(folder.iterdir()):
        is_work = path.is_dir() and _WORK.fullmatch(path.name)
        made = path.with_suffix("") if is_work else path
        twin = path.with_suffix(".html") if path.suffix == ".json" else made
        is_ours = is_work or (path.is_file() and _MADE.fullmatch(path.name))
        if (
            is_ours
            and not path.is_symlink()
            and not {key_of(str(made)), key_of(str(twin))} & needed
        ):
            found.append(path)
    return found


def disk_bytes(path: Path) -> int:
    """Return what a file, or a folder with all in it, takes."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)


def remove_all(paths: Iterable[Path]) -> int:
    """Remove files and work folders, and return how many bytes that gave.

    Raises
    ------
    OSError
        If one cannot be removed.
    """
    freed = 0
    for path in paths:
        size = disk_bytes(path)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            remove(path)
        freed += size
    return freed
