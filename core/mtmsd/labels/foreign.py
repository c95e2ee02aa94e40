"""Training areas in files of other programs that GDAL does not read."""

from __future__ import annotations

from pathlib import Path

from mtmsd.errors import InputError
from mtmsd.labels.envi_roi import TEXT_START, XML_START, read_roi_text, read_roi_xml
from mtmsd.labels.layer import Layer
from mtmsd.labels.scp import ENDINGS, read_scp
from mtmsd.scene.raster import Scene

HEAD = 4096
"""Bytes in which a file says what it is."""


def is_foreign(path: str | Path) -> bool:
    """Whether :func:`read_foreign` is for this file, by its name or its first line."""
    file = Path(path)
    if file.suffix.lower() in (*ENDINGS, ".roi"):
        return True
    return any(mark in _head(file) for mark in (TEXT_START, XML_START))


def read_foreign(path: str | Path, scene: Scene, class_field: str | None = None) -> Layer:
    """Read SCP's training input, or ENVI's regions of interest drawn on the scene.

    Raises
    ------
    InputError
        If the file is another, damaged, or does not fit the scene.
    """
    file = Path(path)
    try:
        if file.suffix.lower() in ENDINGS:
            return read_scp(file, class_field)
        head = _head(file)
        if XML_START in head:
            return read_roi_xml(file, scene)
        if TEXT_START in head:
            return read_roi_text(file, scene)
    except OSError as error:
        raise InputError(f"'{file.name}' cannot be read: {error.strerror}.") from error
    raise InputError(
        f"'{file.name}' is a binary ROI file of ENVI Classic, which only ENVI reads.",
        hint="In ENVI, save the ROIs as .xml or export them as text with pixel locations.",
    )


def _head(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(HEAD).decode("latin-1")
    except OSError:
        return ""
