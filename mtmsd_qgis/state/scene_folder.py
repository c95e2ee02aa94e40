"""The folder of what is made for a scene; a small file in it says whose it is and what is there."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qgis.core import QgsSettings

from ..common.folders import data_folder
from ..common.translation import tr
from .paths import file_of, key_of, same_file
from .scene_state import SceneState, from_plain, to_plain

NOTE = "scene.json"
SCENES_SETTING = "mtmsd/scenes"


def find(scene: str, home: str) -> Path | None:
    """Return the folder that belongs to a scene, or None.

    Parameters
    ----------
    scene : str
        The raster's path.
    home : str
        The project's folder; empty while the project has no file.
    """
    noted = str(QgsSettings().value(_setting(scene), "") or "")
    unclaimed = None
    for folder in [*([Path(noted)] if noted else []), *_candidates(scene, home)]:
        if not folder.is_dir():
            continue
        owner = _read(folder).get("scene")
        if owner and _is_of(folder, str(owner), scene):
            return folder
        if not owner and unclaimed is None and folder.parent == Path(file_of(scene)).parent:
            unclaimed = folder
    return unclaimed


def make(scene: str, home: str) -> Path:
    """Make the folder of a scene: beside the project, beside the scene, or in the user's data.

    Raises
    ------
    OSError
        If none of them can be written.
    """
    last = data_folder() / "scenes" / _digest(scene)
    for folder in _candidates(scene, home):
        owner = _read(folder).get("scene")
        if owner and not _is_of(folder, str(owner), scene):
            continue
        base = next(p for p in (folder, *folder.parents) if p.exists())
        if folder != last and not os.access(base, os.W_OK):
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        QgsSettings().setValue(_setting(scene), str(folder))
        return folder
    text = tr("There is no folder to write to: {} cannot be created.")
    raise OSError(text.format(last))


def is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder that exists."""
    return folder.is_dir() and os.access(folder, os.W_OK)


def load(folder: Path) -> SceneState:
    """Return what the folder's own file says; an empty state if it says nothing."""
    return from_plain(_read(folder).get("state"), lambda text: Path(os.path.abspath(folder / text)))


def store(folder: Path, scene: str, state: SceneState) -> None:
    """Write the folder's file, whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    content = {
        "scene": _relative(Path(file_of(scene)), folder),
        "state": to_plain(state, lambda path: _relative(path, folder)),
    }
    part = folder / f"{NOTE}.part"
    part.write_text(json.dumps(content, indent=1), encoding="utf-8")
    part.replace(folder / NOTE)


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return path.as_posix()


def _read(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / NOTE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_of(folder: Path, owner: str, scene: str) -> bool:
    """Whether a folder belongs to a scene, or to one of its name that has gone from its place."""
    noted = folder / owner
    if noted.exists():
        return same_file(os.path.abspath(noted), file_of(scene))
    return noted.name == Path(file_of(scene)).name


def _candidates(scene: str, home: str) -> Iterator[Path]:
    """Yield the places of a scene's folder, the preferred ones first."""
    file = Path(file_of(scene).split("?", 1)[0])  # of an address, without what is asked there
    beside = [] if scene.startswith("/vsi") else [file.parent]  # nothing is written to a server
    for base in dict.fromkeys([*([Path(home)] if home else []), *beside]):
        folder, number = base / f"{file.stem or 'scene'}_mtmsd", 1
        yield folder
        while folder.exists():  # it may be that of another scene of the same name
            number += 1
            folder = base / f"{file.stem or 'scene'}_mtmsd_{number}"
            yield folder
    yield data_folder() / "scenes" / _digest(scene)


def _setting(scene: str) -> str:
    return f"{SCENES_SETTING}/{_digest(scene)}"


def _digest(scene: str) -> str:
    return hashlib.sha256(key_of(scene).encode()).hexdigest()[:16]
