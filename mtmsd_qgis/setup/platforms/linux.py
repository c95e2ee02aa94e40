"""Linux: the distribution's packages, Flatpak, Snap, conda."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from posixpath import basename, dirname, join

CONDAS = ("miniconda3", "miniforge3", "mambaforge", "anaconda3")


def layout(environ: Mapping[str, str], files: Sequence[str]) -> str:
    """Return how QGIS was installed, for people."""
    if environ.get("FLATPAK_ID") or "/.flatpak-info" in files:
        return "Flatpak"
    if environ.get("SNAP_NAME"):
        return "Snap"
    if environ.get("CONDA_PREFIX") and f"{environ['CONDA_PREFIX']}/bin/qgis" in files:
        return "conda"
    return "Debian" if "/etc/debian_version" in files else "Linux"


def patterns(environ: Mapping[str, str]) -> list[str]:
    """Return the glob patterns of the files that the other functions want to know of."""
    home = environ.get("HOME", "")
    folders = [folder for folder in environ.get("PATH", "").split(":") if folder.startswith("/")]
    folders += [join(home, conda, "bin") for conda in CONDAS] + ["/opt/conda/bin", "/usr/bin"]
    if environ.get("CONDA_PREFIX"):
        folders.append(join(environ["CONDA_PREFIX"], "bin"))
    names = ("python3", "python3.1[0-9]")
    pythons = [join(folder, name) for folder in dict.fromkeys(folders) for name in names]
    pythons.append(join(home, ".pyenv/versions/3.*/bin/python3"))
    marks = ["/.flatpak-info", "/etc/debian_version"]
    marks += [join(environ["CONDA_PREFIX"], "bin/qgis")] if environ.get("CONDA_PREFIX") else []
    return pythons + marks


def bases(environ: Mapping[str, str], files: Sequence[str]) -> list[str]:
    """Return the Pythons from which an environment may be built, the likeliest first.

    QGIS runs in the distribution's own Python here, and a virtual environment of it sees none of
    QGIS's packages. A switched-on virtual environment or pyenv's shims are no base.
    """
    active = environ.get("VIRTUAL_ENV", "")
    return [
        file
        for file in files
        if fnmatchcase(basename(file), "python3*")
        and "/shims/" not in file
        and not (active and dirname(dirname(file)) == active.rstrip("/"))
    ]


def fetchers(environ: Mapping[str, str], files: Sequence[str]) -> list[str]:
    """Return the Pythons that may fetch uv: all of them."""
    return bases(environ, files)


def data_folder(environ: Mapping[str, str]) -> str:
    """Return the user's folder for programs' data; Flatpak and Snap name one of their own."""
    return environ.get("XDG_DATA_HOME") or join(environ.get("HOME", "/"), ".local/share")


def environment_python(folder: str) -> str:
    """Return the interpreter inside an environment."""
    return join(folder, "bin/python")
