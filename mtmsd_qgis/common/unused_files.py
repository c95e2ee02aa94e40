"""Files of the dock's own that are no longer wanted."""

from __future__ import annotations

from pathlib import Path


def remove(path: str | Path) -> None:
    """Remove a raster or a GeoPackage with what GDAL and SQLite wrote beside it."""
    for suffix in ("", ".aux.xml", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
