"""The environment variables of the child process: a scrubbed copy of QGIS's."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from ..setup import platforms

REMOVED = frozenset(
    {
        "PYTHONHOME",
        "PYTHONPATH",
        "PYTHONEXECUTABLE",
        "PYTHONUSERBASE",
        "PYTHONSTARTUP",
        "__PYVENV_LAUNCHER__",
        "VIRTUAL_ENV",
        "PIP_USER",
        "PIP_TARGET",
        "PIP_PREFIX",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "GDAL_DATA",
        "GDAL_DRIVER_PATH",
    }
)
"""Variables by which QGIS's own Python, GDAL or libraries would get into the engine."""

REMOVED_PREFIXES = ("DYLD_", "PROJ_", "QGIS_")


def child_environment(environ: Mapping[str, str], core: Path) -> dict[str, str]:
    """Return the environment in which the engine runs.

    Parameters
    ----------
    environ : Mapping of str to str
        The present environment; it is not changed.
    core : Path
        The folder that holds the package ``mtmsd``.

    Returns
    -------
    dict of str to str
        Proxies, ``PIP_INDEX_URL`` and all else that is not QGIS's own are kept; PATH loses
        QGIS's folders where their libraries would come before the engine's.
    """
    kept = {name: value for name, value in environ.items() if not _is_removed(name)}
    if "PATH" in kept:
        kept["PATH"] = platforms.BY_NAME[platforms.name_of(sys.platform)].child_path(environ)
    return {
        **kept,
        "PYTHONPATH": str(core),
        "PYTHONIOENCODING": "utf-8",
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _is_removed(name: str) -> bool:
    upper = name.upper()  # Windows spells Path and PATH alike
    return upper in REMOVED or upper.startswith(REMOVED_PREFIXES)
