#!/usr/bin/env python3
"""Assemble the plugin's folder, zip it, or put it into a QGIS profile.

Only the standard library is needed, Qt's ``lrelease``, and for ``install`` the system's QGIS.
"""

from __future__ import annotations

import argparse
import configparser
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
NAME = "mtmsd_qgis"
BUILD = ROOT / "build" / NAME
KINDS = ".py .ui .html .css .md .txt .toml .json .svg .png .qml .qm .ts .tif .gpkg .model3 .typed"
"""Kinds of files that may travel; anything else in the tree stops the build."""
TRACES = (".aux.xml", ".gpkg-wal", ".gpkg-shm")
"""What programs leave beside rasters and GeoPackages that they open."""
MOMENT = (1980, 1, 1, 0, 0, 0)
"""The time that every file in the zip bears, so that the same source gives the same bytes."""
PLACEHOLDERS = {
    "author": "MTMSD for QGIS contributors",
    "email": "mtmsd-qgis@users.noreply.github.com",
    "homepage": "https://arxiv.org/abs/2306.08964",
    "tracker": "https://github.com/mtmsd/mtmsd-qgis/issues",
    "repository": "https://github.com/mtmsd/mtmsd-qgis",
}
"""What metadata.txt says until somebody publishes: nobody is reached there."""


def sources() -> Iterator[tuple[PurePosixPath, Path]]:
    """Yield (path inside the plugin, file) of everything that travels, in a fixed order."""
    found = {PurePosixPath(name): ROOT / name for name in ("LICENSE", "metadata.txt")}
    found[PurePosixPath("core/pyproject.toml")] = ROOT / "core/pyproject.toml"
    for tree, prefix in ((NAME, ""), ("resources", "resources"), ("core/mtmsd", "core/mtmsd")):
        for file in (ROOT / tree).rglob("*"):
            inner = PurePosixPath(prefix) / file.relative_to(ROOT / tree).as_posix()
            if any(part.startswith(".") or part == "__pycache__" for part in inner.parts):
                continue
            if file.is_file() and not file.name.endswith(TRACES):
                found[inner] = file
    for inner in [inner for inner in found if inner.suffix == ".ts"]:
        found[inner.with_suffix(".qm")] = compiled(found.pop(inner))
    for inner, file in sorted(found.items()):
        if inner.name != "LICENSE" and inner.suffix not in KINDS.split():
            sys.exit(f"{file.relative_to(ROOT)} is of a kind that does not go into the plugin.")
        if not file.is_file():
            sys.exit(f"{file.relative_to(ROOT)} is missing.")
        yield inner, file


def compiled(translation: Path) -> Path:
    """Return what QGIS loads of a ``.ts``, made anew where it is older."""
    target = ROOT / "build/i18n" / f"{translation.stem}.qm"
    if not target.is_file() or target.stat().st_mtime < translation.stat().st_mtime:
        tool = shutil.which("lrelease") or "/usr/lib/qt6/bin/lrelease"
        if not Path(tool).is_file():
            sys.exit("lrelease is missing; run tools/system.sh translations.")
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_suffix(f".{os.getpid()}")
        command = [tool, "-silent", str(translation), "-qm", str(fresh)]
        subprocess.run(command, check=True)  # noqa: S603
        fresh.replace(target)
    return target


def metadata() -> dict[str, str]:
    """Return what metadata.txt, the one file that says who publishes, states."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "metadata.txt", encoding="utf-8")
    return dict(parser["general"])


def version() -> str:
    """Return the version that metadata.txt states."""
    return metadata()["version"]


def placeholders(stated: dict[str, str]) -> list[str]:
    """Say which entries are still placeholders, and what the plugin site would make of them."""
    left = [name for name, text in PLACEHOLDERS.items() if stated.get(name, "") in ("", text)]
    if not left:
        return []
    said = [
        f"  {name}={stated.get(name) or '(empty)'}: "
        + ("the site refuses the upload" if not stated.get(name) else _misleads(name))
        for name in left
    ]
    return ["Not to be published yet. Placeholders in metadata.txt:", *said]


def _misleads(name: str) -> str:
    if name == "homepage":
        return "the site would show the paper's page for the plugin's"
    reached = {"author": "names nobody", "email": "nobody reads it"}
    return f"the site would take it, and {reached.get(name, 'it leads its users nowhere')}"


def build() -> Path:
    """Assemble build/mtmsd_qgis, writing only what changed, and return it."""
    wanted = dict(sources())
    for inner, file in wanted.items():
        target = BUILD / inner
        content = file.read_bytes()
        if not target.is_file() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    for file in sorted(BUILD.rglob("*"), reverse=True):
        if file.is_dir() and not any(file.iterdir()):
            file.rmdir()
        elif file.is_file() and PurePosixPath(file.relative_to(BUILD).as_posix()) not in wanted:
            file.unlink()
    return BUILD


def make_zip(folder: Path) -> Path:
    """Write mtmsd_qgis-VERSION.zip into the folder; the same source gives the same bytes."""
    files = list(sources())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{NAME}-{version()}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for inner, file in files:
            entry = zipfile.ZipInfo(f"{NAME}/{inner}", MOMENT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, file.read_bytes())
    return path


def profiles_folder() -> Path:
    """Return the folder of the user's QGIS profiles."""
    if custom := os.environ.get("QGIS_CUSTOM_CONFIG_PATH"):
        return Path(custom) / "profiles"
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library/Application Support/QGIS/QGIS3/profiles"
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    flatpak = home / ".var/app/org.qgis.qgis/data/QGIS/QGIS3/profiles"
    native = data / "QGIS/QGIS3/profiles"
    return flatpak if flatpak.is_dir() and not native.is_dir() else native


def install(profile: str, engine: str) -> Path:
    """Copy the assembled plugin into the profile, switch it on, name the engine's Python."""
    profile_folder = profiles_folder() / profile
    target = profile_folder / "python/plugins" / NAME
    if target.is_symlink():
        target.unlink()
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(build(), target)
    settings = profile_folder / "QGIS/QGIS3.ini"
    settings.parent.mkdir(parents=True, exist_ok=True)
    code = (
        "import sys; from qgis.PyQt.QtCore import QSettings\n"
        "s = QSettings(sys.argv[1], QSettings.Format.IniFormat)\n"
        f"s.setValue('PythonPlugins/{NAME}', True); s.setValue('mtmsd/engine/python', sys.argv[2])"
    )
    arguments = ["-c", code, str(settings), engine]
    for python in ("/usr/bin/python3", sys.executable):
        done = subprocess.run([python, *arguments], capture_output=True, check=False)  # noqa: S603
        if done.returncode == 0:
            return target
    sys.stderr.write("No Python with PyQt found: switch the plugin on in QGIS's plugin manager.\n")
    return target


def main() -> None:
    """Run the command that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build")
    commands.add_parser("zip").add_argument("--folder", type=Path, default=ROOT / "dist")
    installer = commands.add_parser("install")
    installer.add_argument("--profile", default="default")
    installer.add_argument("--engine", required=True, help="the Python that runs the engine")
    arguments = parser.parse_args()
    if arguments.command == "build":
        sys.stdout.write(f"{build().relative_to(ROOT)}\n")
    elif arguments.command == "zip":
        path = make_zip(arguments.folder)
        sys.stdout.write(f"{path}: {path.stat().st_size / 1e6:.1f} MB\n")
        for line in placeholders(metadata()):
            sys.stderr.write(f"{line}\n")
    else:
        target = install(arguments.profile, arguments.engine)
        sys.stdout.write(f"{target}\nStart QGIS (or start it anew) and open Raster > MTMSD.\n")


if __name__ == "__main__":
    main()
