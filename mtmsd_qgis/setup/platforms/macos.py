"""macOS: QGIS.app, python.org, Homebrew, conda."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from posixpath import join

CONDAS = ("miniconda3", "miniforge3", "mambaforge", "anaconda3")


def layout(environ: Mapping[str, str], files: Sequence[str]) -> str:
    """Return how QGIS was installed, for people."""
    if environ.get("CONDA_PREFIX") and f"{environ['CONDA_PREFIX']}/bin/qgis" in files:
        return "conda"
    return "QGIS.app" if any(".app/Contents/" in file for file in files) else "macOS"


def patterns(environ: Mapping[str, str]) -> list[str]:
    """Return the glob patterns of the files that the other functions want to know of."""
    home = environ.get("HOME", "")
    found = [
        "/Library/Frameworks/Python.framework/Versions/3.*/bin/python3",
        "/opt/homebrew/bin/python3.1[0-9]",
        "/usr/local/bin/python3.1[0-9]",
        join(home, ".pyenv/versions/3.*/bin/python3"),
        *(join(home, conda, "bin/python3") for conda in CONDAS),
        *(f"/opt/homebrew/Caskroom/{conda}/base/bin/python3" for conda in CONDAS[:2]),
        "/Applications/QGIS*.app/Contents/MacOS/bin/python3*",
        "/Applications/QGIS*.app/Contents/MacOS/python3*",
        join(home, "Applications/QGIS*.app/Contents/MacOS/bin/python3*"),
    ]
    if environ.get("CONDA_PREFIX"):
        found += [join(environ["CONDA_PREFIX"], name) for name in ("bin/python3", "bin/qgis")]
    return found


def bases(environ: Mapping[str, str], files: Sequence[str]) -> list[str]:
    """Return the Pythons from which an environment may be built, the likeliest first.

    The Python inside QGIS.app only works with QGIS's PYTHONHOME, and /usr/bin/python3 may be a
    stub that asks to install Xcode: neither is among them.
    """
    return [
        file
        for file in files
        if "/python3" in file and ".app/Contents/" not in file and not file.startswith("/usr/bin/")
    ]


def fetchers(environ: Mapping[str, str], files: Sequence[str]) -> list[str]:
    """Return the Pythons that may fetch uv: QGIS's own too."""
    inside = [file for file in files if ".app/Contents/" in file and "/python3" in file]
    return bases(environ, files) + [file for file in inside if not file.endswith("-config")]


def data_folder(environ: Mapping[str, str]) -> str:
    """Return the user's folder for programs' data."""
    return join(environ.get("HOME", "/"), "Library/Application Support")


def environment_python(folder: str) -> str:
    """Return the interpreter inside an environment."""
    return join(folder, "bin/python")
