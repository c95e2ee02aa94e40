"""Products as they are downloaded: a zip is unpacked beside itself, once."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path

from mtmsd.errors import InputError

SPARE_BYTES = 2**28
"""What is left free on the disk."""


def unpacked(path: Path) -> Path:
    """Unpack a zip into a folder of its name beside it, whole or not at all, and return that.

    A folder that holds all of it already is returned as it is.

    Raises
    ------
    InputError
        If the zip is damaged or locked, or there is no room or no right to write.
    """
    hint = "Download it again, or unpack it yourself and give the folder."
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir()]
            folder = path.with_suffix("")
            if folder.exists() and not _holds(folder, members):
                folder = path.with_name(f"{path.stem}_unpacked")
            if _holds(folder, members):
                return folder
            _check_room(path, sum(m.file_size for m in members))
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=".unpacking-") as part:
                inner = Path(part) / "whole"
                archive.extractall(inner, members)
                inner.replace(folder)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise InputError(f"'{path.name}' cannot be unpacked: {error}.", hint=hint) from error
    except OSError as error:
        text = f"'{path.name}' cannot be unpacked beside itself: {error.strerror or error}."
        raise InputError(text, hint="Unpack it elsewhere and give the folder.") from error
    return folder


def _holds(folder: Path, members: list[zipfile.ZipInfo]) -> bool:
    """Whether all members are in a folder, in their sizes."""
    files = [(folder / m.filename, m.file_size) for m in members]
    return bool(files) and all(f.is_file() and f.stat().st_size == size for f, size in files)


def _check_room(path: Path, wanted: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if wanted + SPARE_BYTES > free:
        raise InputError(
            f"'{path.name}' needs {wanted / 1e9:.1f} GB unpacked, and its disk has "
            f"{free / 1e9:.1f} GB free.",
            hint="Make room, or unpack it elsewhere and give the folder.",
        )
