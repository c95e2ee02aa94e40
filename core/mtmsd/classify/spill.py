"""Rows of numbers that are too many for memory: written to a file, and read where needed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


class Rows:
    """Tensors joined along their first axis, in memory or in a file without a name.

    The system pages the file in and out as memory allows, and frees it with the last tensor
    that shows it, however the process ends.

    Parameters
    ----------
    folder : Path, optional
        Where the file is; without it the rows stay in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        # joined() closes it
        self._file = tempfile.TemporaryFile(dir=folder) if folder else None  # noqa: SIM115
        self._parts: list[Tensor] = []
        self._count = 0

    def append(self, rows: Tensor) -> None:
        """Add rows (n, ...), all of the same shape and number format.

        Raises
        ------
        OSError
            If the disk is full.
        """
        if self._file is None:
            self._parts.append(rows)
            return
        self._file.write(rows.numpy().tobytes())
        self._parts = [rows[:0]]
        self._count += len(rows)

    def joined(self) -> Tensor:
        """Return all rows; those of a file are read when they are looked at."""
        if self._file is None or not self._count:
            return torch.cat(self._parts)
        like = self._parts[0]
        self._file.flush()  # a full disk is told here, not when the file is read
        shape = (self._count, *like.shape[1:])
        kept = np.memmap(self._file, like.numpy().dtype, mode="c", shape=shape)
        self._file.close()
        return torch.from_numpy(kept)
