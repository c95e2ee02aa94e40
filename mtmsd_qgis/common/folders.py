"""Where things lie: inside the plugin, and outside it so that an update keeps them."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsSettings
from qgis.PyQt.QtCore import QStandardPaths

PLUGIN = Path(__file__).resolve().parent.parent
"""The plugin folder, as users install it."""

CORE = PLUGIN / "core"
"""The engine's code; it travels with the plugin and goes on the child's PYTHONPATH."""

RESOURCES = PLUGIN / "resources"
"""Icons, styles, help, and the sample scene."""

DATA_SETTING = "mtmsd/data_folder"


def data_folder() -> Path:
    """Return the user's folder for the engine's environment and the jobs; it may not exist yet.

    The setting ``mtmsd/data_folder`` moves it; by default it is ``mtmsd`` in the system's
    place for application data (``~/.local/share`` on Linux).
    """
    chosen = str(QgsSettings().value(DATA_SETTING, "") or "")
    if chosen:
        return Path(chosen)
    location = QStandardPaths.StandardLocation.GenericDataLocation
    return Path(QStandardPaths.writableLocation(location)) / "mtmsd"


def environment_folder() -> Path:
    """Return the folder of the plugin's own Python environment for the engine."""
    return data_folder() / "engine"


def jobs_folder() -> Path:
    """Return the folder that holds one folder per job."""
    return data_folder() / "jobs"


def icon_path(name: str) -> str:
    """Return the path of ``resources/icons/NAME.svg``."""
    return str(RESOURCES / "icons" / f"{name}.svg")


def model_file(name: str) -> str:
    """Return the path of ``resources/models/NAME.model3``."""
    return str(RESOURCES / "models" / f"{name}.model3")
