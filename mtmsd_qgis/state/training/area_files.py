"""Training areas of another program, made a layer by the engine; in any thread."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ...common.folders import CORE
from ...common.translation import tr
from ...engine.environment import child_environment
from ...engine.messages import parse
from ...engine.process import start_options


@dataclass(frozen=True)
class Areas:
    """The polygons' file, the field of their class where that is known, and what was noticed."""

    path: str
    field: str
    warnings: tuple[str, ...]


def import_areas(python: str, path: str, scene: str, output: str) -> Areas:
    """Have the engine write the areas of a file as a GeoPackage.

    Raises
    ------
    ValueError
        With the engine's sentence, if the file cannot be read or does not fit the scene.
    OSError
        If the engine cannot be started.
    """
    words = ["-m", "mtmsd", "import", path, "-o", output, "--scene", scene, "--json"]
    child = subprocess.run(  # noqa: S603
        [python, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=child_environment(os.environ, CORE),
        check=False,
        **start_options(),
    )
    warnings = []
    for message in map(parse, child.stdout.splitlines()):
        if message is None:
            continue
        if message["type"] == "warning":
            warnings.append(message["message"])
        elif message["type"] == "error":
            raise ValueError(f"{message['message']} {message['hint']}".strip())
        elif message["type"] == "done":
            field = message["results"].get("class_field") or ""
            return Areas(output, field, tuple(warnings))
    lines = child.stderr.decode("utf-8", "replace").strip().splitlines()
    said = lines[-1] if lines else tr("no message")
    raise ValueError(tr("{} could not be read: {}.").format(Path(path).name, said))
