"""Training and validation labels on a scene's grid: sparse, whatever file they come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mtmsd.classes import ClassInfo

Overlap = Literal["last", "refuse"]


@dataclass(frozen=True)
class Labels:
    """Labelled pixels of a scene.

    Attributes
    ----------
    rows, cols : int32 arrays (n,)
    values : uint16 array (n,)
        Class of each pixel, 1 to 65535.
    groups : int32 array (n,)
        Number of the polygon (each part of a multipolygon counts), or of the connected region
        of a label raster; those of a class that touch, and points near to each other, are one.
    classes : tuple of ClassInfo
        Sorted by value.
    warnings : tuple of str
        Sentences that the user should read.
    field : str
        The field that the classes come from; empty for a label raster.
    numbered : bool
        Whether the source has numbers, rather than names that were given numbers while reading.
    """

    rows: np.ndarray
    cols: np.ndarray
    values: np.ndarray
    groups: np.ndarray
    classes: tuple[ClassInfo, ...]
    warnings: tuple[str, ...] = ()
    field: str = ""
    numbered: bool = True

    def __len__(self) -> int:
        return len(self.values)

    def subset(self, index: np.ndarray) -> Labels:
        """Return the pixels that a mask or an index array chooses; all classes are kept."""
        return replace(
            self,
            rows=self.rows[index],
            cols=self.cols[index],
            values=self.values[index],
            groups=self.groups[index],
        )

    def counts(self) -> dict[int, int]:
        """Return the number of pixels of each class, 0 included."""
        values, counts = np.unique(self.values, return_counts=True)
        found = dict(zip(values.tolist(), counts.tolist(), strict=True))
        return {info.value: found.get(info.value, 0) for info in self.classes}
