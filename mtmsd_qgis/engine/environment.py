"""The environment variables of the child process: a scrubbed copy of QGIS's."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from ntpath import normcase
from pathlib import Path

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
        kept["PATH"] = child_path(sys.platform, environ)
    return {
        **kept,
        "PYTHONPATH": str(core),
        "PYTHONIOENCODING": "utf-8",
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }


def child_path(system: str, environ: Mapping[str, str]) -> str:
    """Return PATH for a child without QGIS's folders, whose libraries would come before its own.

    Parameters
    ----------
    system : str
        A value of ``sys.platform``; on Linux QGIS adds nothing to PATH.
    """
    if system == "win32":
        path = next((value for name, value in environ.items() if name.upper() == "PATH"), "")
        return ";".join(part for part in path.split(";") if not is_of_osgeo4w(environ, part))
    path = environ.get("PATH", "")
    if system != "darwin":
        return path
    return ":".join(part for part in path.split(":") if ".app/Contents/" not in part)


def is_of_osgeo4w(environ: Mapping[str, str], path: str) -> bool:
    """Whether a path on Windows lies in the folder of QGIS's own installation."""
    root = normcase(environ.get("OSGEO4W_ROOT", "")).rstrip("\\")
    return bool(root) and (normcase(path) + "\\").startswith(root + "\\")


def _is_removed(name: str) -> bool:
    upper = name.upper()  # Windows spells Path and PATH alike
    return upper in REMOVED or upper.startswith(REMOVED_PREFIXES)
