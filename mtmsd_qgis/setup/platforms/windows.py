"""Windows: OSGeo4W, the standalone installer, python.org, conda."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ntpath import join, normcase

from ...engine.environment import is_of_osgeo4w

CONDAS = ("miniconda3", "miniforge3", "mambaforge", "anaconda3")


def layout(environ: Mapping[str, str], files: Sequence[str]) -> str:
    """Return how QGIS was installed, for people."""
    root = environ.get("OSGEO4W_ROOT", "")
    if not root:
        return "conda" if environ.get("CONDA_PREFIX") else "Windows"
    return "standalone" if "qgis" in normcase(root) else "OSGeo4W"


def patterns(environ: Mapping[str, str]) -> list[str]:
    """Return the glob patterns of the files that the other functions want to know of."""
    local, programs = environ.get("LOCALAPPDATA", ""), environ.get("ProgramFiles", "")
    home, root = environ.get("USERPROFILE", ""), environ.get("OSGEO4W_ROOT", "")
    shared = environ.get("ProgramData", "")
    found = [
        join(local, r"Programs\Python\Python31*\python.exe") if local else "",
        join(programs, r"Python31*\python.exe") if programs else "",
        *(join(folder, conda, "python.exe") for conda in CONDAS for folder in (home, shared)),
        join(environ["CONDA_PREFIX"], "python.exe") if environ.get("CONDA_PREFIX") else "",
        join(root, r"apps\Python3*\python.exe") if root else "",
        join(root, r"apps\Python3*\python3.exe") if root else "",
    ]
    return [pattern for pattern in found if pattern]


def bases(environ: Mapping[str, str], files: Sequence[str]) -> list[str]:
    """Return the Pythons from which an environment may be built, the likeliest first.

    The Python of OSGeo4W needs QGIS's PYTHONHOME and its DLLs, and that of the Store
    (``WindowsApps``) may be a stub that opens a shop: neither is among them.
    """
    return [
        file
        for file in files
        if normcase(file).endswith(r"\python.exe")
        and "windowsapps" not in normcase(file)
        and not is_of_osgeo4w(environ, file)
    ]


def fetchers(environ: Mapping[str, str], files: Sequence[str]) -> list[str]:
    """Return the Pythons that may fetch uv: QGIS's own too."""
    return bases(environ, files) + [file for file in files if is_of_osgeo4w(environ, file)]


def data_folder(environ: Mapping[str, str]) -> str:
    """Return the user's folder for programs' data; it is not roamed to a server."""
    return environ.get("LOCALAPPDATA") or join(environ.get("USERPROFILE", "C:\\"), "AppData\\Local")


def environment_python(folder: str) -> str:
    """Return the interpreter inside an environment."""
    return join(folder, r"Scripts\python.exe")
