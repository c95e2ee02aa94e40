"""Which file a source names: paths are compared decoded and normalised, never as they are spelt."""

from __future__ import annotations

import os
import re
from pathlib import Path

from qgis.PyQt.QtCore import QUrl

_SUBDATASET = re.compile(
    r'^[A-Za-z0-9_]+:"(?P<quoted>[^"]+)"|^[A-Z0-9_]{2,}:(?P<plain>.+?)(?::.*)?$'
)


def gdal_path(source: str) -> str:
    """Return a layer's source as GDAL opens it: without ``|layername=…`` and ``file:``."""
    path = source.split("|")[0]
    return (QUrl(path).toLocalFile() or path) if path[:5].lower() == "file:" else path


def file_of(source: str) -> str:
    """Return the file that a source names, also if it is a part of one (``HDF5:"a.h5"://b``)."""
    path = gdal_path(source)
    part = None if os.path.exists(path) else _SUBDATASET.match(path)
    inner = (part.group("quoted") or part.group("plain")) if part else ""
    return inner if inner and os.path.exists(inner) else path


def key_of(source: str) -> str:
    """Return what is the same for all spellings of one source, and for no other source."""
    path, file = gdal_path(source), file_of(source)
    if not os.path.isabs(file):
        return path
    return path.replace(file, os.path.normcase(os.path.realpath(file)))


def same_file(one: str | Path, other: str | Path) -> bool:
    """Whether two sources name the same file."""
    if key_of(str(one)) == key_of(str(other)):
        return True
    try:  # a system that does not tell capitals from small letters, two ways to one disk
        return os.path.samefile(file_of(str(one)), file_of(str(other)))
    except OSError:
        return False


def there(path: Path | None) -> Path | None:
    """Return a file if there is one at this place."""
    return path if path is not None and path.is_file() else None
