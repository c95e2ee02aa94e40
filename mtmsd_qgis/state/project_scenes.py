"""What the project remembers of its scenes, with paths relative to the project's file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from qgis.core import QgsProject

from .paths import file_of
from .scene_state import SceneState, from_plain, to_plain

SCOPE, ENTRY = "mtmsd", "scenes"


def write(project: QgsProject, chosen: str, states: Mapping[str, SceneState]) -> None:
    """Write the chosen scene and the states of all scenes, by their paths.

    The project is marked as changed if that changed it.
    """
    resolver = project.pathResolver()

    def relative(path: Path) -> str:
        return resolver.writePath(str(path))

    def source(scene: str) -> str:
        file = file_of(scene)
        return scene.replace(file, resolver.writePath(file))

    content = {
        "chosen": source(chosen) if chosen else "",
        "scenes": [
            {"scene": source(scene), "file": resolver.writePath(file_of(scene)),
             "state": to_plain(state, relative)}
            for scene, state in states.items()
        ],
    }  # fmt: skip
    text = json.dumps(content)
    if text != project.readEntry(SCOPE, ENTRY, "")[0]:
        project.writeEntry(SCOPE, ENTRY, text)


def read(project: QgsProject) -> tuple[str, dict[str, SceneState]]:
    """Return the chosen scene (empty if none) and the states, by the scenes' paths."""
    resolver = project.pathResolver()
    try:
        content = json.loads(project.readEntry(SCOPE, ENTRY, "")[0])
        sources = {
            entry["scene"]: entry["scene"].replace(entry["file"], resolver.readPath(entry["file"]))
            for entry in content["scenes"]
        }
        states = {
            sources[entry["scene"]]: from_plain(
                entry["state"], lambda text: Path(resolver.readPath(text))
            )
            for entry in content["scenes"]
        }
        return sources.get(content["chosen"], ""), states
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", {}
