"""Who edits a file of training polygons: one QGIS at a time."""

from __future__ import annotations

from pathlib import Path

from qgis.PyQt.QtCore import QLockFile, QSysInfo

from ...common.translation import tr


class OwnerLock:
    """A lock beside a GeoPackage, held while this QGIS may edit it.

    That of a QGIS that was ended is taken over where it ran on this machine.

    Parameters
    ----------
    path : Path
        The GeoPackage.
    """

    def __init__(self, path: Path) -> None:
        self.path = lock_path(path)
        self._lock = QLockFile(str(self.path))
        self._lock.setStaleLockTime(0)  # a QGIS may be left open for days

    def take(self) -> str:
        """Take the lock; return who has it, as a sentence, or nothing if it is ours now."""
        if self._lock.isLocked() or self._lock.tryLock(0):
            return ""
        if self._lock.error() == QLockFile.LockError.PermissionError:
            text = tr("{} is in a folder that cannot be written, so its polygons are read-only.")
            return text.format(self.path.with_suffix("").name)
        known, pid, host, _ = self._lock.getLockInfo()
        is_here = known and host == QSysInfo.machineHostName()
        # on one machine a lock that no process holds open was copied with the folder
        if is_here and self._lock.removeStaleLockFile() and self._lock.tryLock(0):
            return ""
        text = tr(
            "Another QGIS (process {pid} on {host}) edits {file}; here its polygons are "
            "read-only. If that QGIS is gone, delete {lock}."
        )
        return text.format(
            pid=pid if known else "?",
            host=host if known else "?",
            file=self.path.with_suffix("").name,
            lock=self.path,
        )

    def release(self) -> None:
        """Let others edit the file."""
        self._lock.unlock()


def lock_path(path: Path) -> Path:
    """Return where the lock of a GeoPackage lies."""
    return path.with_suffix(path.suffix + ".lock")
