"""Which files hold training areas of another program, which the engine reads and QGIS does not."""

from __future__ import annotations

from pathlib import Path

ENDINGS = (".scpx", ".scp", ".roi")
MARKS = (b"; ENVI Output of ROIs", b"<RegionsOfInterest")


def is_foreign(path: str) -> bool:
    """Whether a file is SCP's training input or ENVI's regions of interest."""
    file = Path(path)
    if not file.is_file():
        return False
    if file.suffix.lower() in ENDINGS:
        return True
    try:
        with file.open("rb") as stream:
            head = stream.read(4096)
    except OSError:
        return False
    return any(mark in head for mark in MARKS)
