"""The sample that comes along, copied where the user may write."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..common.folders import RESOURCES, data_folder

PROJECT = "potsdam.qgz"
SCENE, TRAINING, VALIDATION = (
    "enmap_potsdam.tif",
    "training_polygons.gpkg",
    "validation_polygons.gpkg",
)


def sample_folder() -> Path:
    """Return the folder of the user's copy; it may not exist yet."""
    return data_folder() / "sample"


def copy_sample() -> Path:
    """Copy what the user's copy lacks and return its folder; in any thread.

    What is there already, the user's own edits too, stays as it is.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    folder = sample_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted((RESOURCES / "sample").iterdir()):
        target = folder / file.name
        if not target.exists():
            part = folder / f"{file.name}.part"
            shutil.copyfile(file, part)  # the plugin's own folder may be read-only: not its mode
            part.replace(target)
    return folder
