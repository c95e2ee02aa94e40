"""QGIS without a screen: the qgis_process that answers, and an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CANDIDATES = ("qgis_process", "qgis_process.bin", "qgis_process-qgis", "qgis_process-qgis-ltr")


def headless_environment(profiles: Path, plugins: Path | None = None) -> dict[str, str]:
    """Return the variables for a QGIS without a screen that keeps to the given folders.

    Parameters
    ----------
    profiles : Path
        Folder of a throw-away profile; made private, for Qt wants its run-time folder so.
    plugins : Path, optional
        The folder that holds the assembled plugin's folder.
    """
    runtime = profiles / "run"
    runtime.mkdir(parents=True, exist_ok=True)
    runtime.chmod(0o700)
    foreign = ("PYTHON", "PYENV", "QGIS_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    return {
        **kept,
        # QGIS's own Python takes its home from the first python3 on the path
        "PATH": os.pathsep.join(["/usr/bin", "/bin", os.environ.get("PATH", "")]),
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": str(runtime),
        "QGIS_CUSTOM_CONFIG_PATH": str(profiles),
        **({"QGIS_PLUGINPATH": str(plugins)} if plugins else {}),
        "XDG_DATA_HOME": str(profiles / "data"),
        "PYTHONWARNINGS": "ignore",
    }


def find_qgis_process(environment: dict[str, str]) -> str:
    """Return the command that runs algorithms.

    Debian 12's ``qgis_process`` is a wrapper with an option that the program refuses, and only
    the program itself answers; so each is asked for its version.

    Raises
    ------
    FileNotFoundError
        None answers.
    """
    for name in (os.environ.get("QGIS_PROCESS", ""), *CANDIDATES):
        path = shutil.which(name) if name else None
        if path is None:
            continue
        answer = subprocess.run(  # noqa: S603
            [path, "--version"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode == 0 and "QGIS" in answer.stdout:
            return path
    raise FileNotFoundError(f"No qgis_process answers (tried {', '.join(CANDIDATES)}).")


def find_qgis_python() -> str:
    """Return the Python that can import QGIS.

    Raises
    ------
    FileNotFoundError
        There is none.
    """
    for python in ("/usr/bin/python3", sys.executable):
        code = [python, "-c", "import qgis.core"]
        if subprocess.run(code, capture_output=True, check=False).returncode == 0:  # noqa: S603
            return python
    raise FileNotFoundError("No Python found that can import qgis.core.")
