"""Several scenes of one sensor, read as one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine

from mtmsd.scene.bands import Band
from mtmsd.scene.raster import Scene
from mtmsd.scene.transforms import at

STEP = 40_320
"""A scene begins at a multiple of so many rows: a multiple of the sides of chunks and blocks and of
all usual strides, so that tiles lie in it as they do when it is mapped alone."""
APART = 2048
"""Rows without data between two scenes, at least: more than a patch or a mean reaches."""


@dataclass(frozen=True)
class Placed:
    """A scene, and the row of the set at which it begins."""

    scene: Scene
    top: int


class SceneSet(Scene):
    """Scenes on any grids, one below the other in one grid of pixels; a context manager.

    Whatever reads pixels by row and column reads all of them as if they were one scene. Between
    them nothing is valid.

    Parameters
    ----------
    scenes : sequence of Scene
        Whose ``read`` gives the same bands; see :func:`mtmsd.scene.same_sensor.open_together`. The
        set closes them.

    Attributes
    ----------
    placed : tuple of Placed
    """

    def __init__(self, scenes: Sequence[Scene]) -> None:
        placed, top = [], 0
        for scene in scenes:
            placed.append(Placed(scene, top))
            top += -(-(scene.height + APART) // STEP) * STEP
        self.placed = tuple(placed)
        first, last = placed[0].scene, placed[-1]
        self.path, self.address = first.path, first.address
        self.name = ", ".join(scene.name for scene in scenes)
        self.width = max(scene.width for scene in scenes)
        self.height = last.top + last.scene.height
        self.transform, self.crs = Affine.identity(), None
        self.warnings = tuple(w for scene in scenes for w in scene.warnings)

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """The scenes themselves, in the order in which they were given."""
        return tuple(place.scene for place in self.placed)

    @property
    def areas(self) -> tuple[tuple[int, int, int, int], ...]:
        """Windows (row, col, height, width) of the scenes."""
        return tuple((p.top, 0, p.scene.height, p.scene.width) for p in self.placed)

    def scene_of(self, rows: np.ndarray) -> np.ndarray:
        """Return which scene rows (n,) of the set belong to, int64 (n,)."""
        tops = [place.top for place in self.placed]
        return np.searchsorted(tops, rows, side="right") - 1

    def labelled(self, rows: np.ndarray) -> list[dict[str, Any]]:
        """Return name, fingerprint and number of labelled pixels of each scene; JSON-able."""
        counts = np.bincount(self.scene_of(rows), minlength=len(self.placed)).tolist()
        origins = [scene.origin()["scene"] for scene in self.scenes]
        return [{**origin, "pixels": n} for origin, n in zip(origins, counts)]

    def located(self, place: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``row``, ``x`` and ``y`` of a place in the set as those in its ``scene``."""
        own = self.placed[int(self.scene_of(np.array([place["row"]]))[0])]
        x, y = at(own.scene.transform, place["x"], place["y"] - own.top)
        told = {"scene": own.scene.name, "row": place["row"] - own.top, "x": x, "y": y}
        return {**place, **told}

    @property
    def bands(self) -> tuple[Band, ...]:
        """Bands of the first scene's file."""
        return self.scenes[0].bands

    @property
    def used(self) -> tuple[int, ...]:
        """Numbers, from 1, of the bands that are read of the first scene."""
        return self.scenes[0].used

    @property
    def wavelengths(self) -> np.ndarray:
        """Wavelengths in nanometres, which all scenes have; NaN where unknown."""
        return self.scenes[0].wavelengths

    def mean_spectrum(self) -> np.ndarray:
        """Return the mean of the scenes' mean spectra; NaN where none has a valid pixel."""
        means = np.array([scene.mean_spectrum() for scene in self.scenes])
        known = means[~np.isnan(means).any(axis=1)]
        return known.mean(axis=0) if len(known) else means[0]

    def close(self) -> None:
        """Close all scenes."""
        for scene in self.scenes:
            scene.close()

    def read(self, row: int, col: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Read a window, as :meth:`Scene.read` does."""
        for place in reversed(self.placed):
            if row + height > place.top - APART // 2:
                return place.scene.read(row - place.top, col, height, width)
        raise ValueError(f"the rows {row} to {row + height}")

    def fingerprint(self) -> dict[str, Any]:
        """Return what tells this set from others, and how many bands its scenes have; JSON-able."""
        each = [scene.fingerprint() for scene in self.scenes]
        pixels = hashlib.sha256(json.dumps(each).encode()).hexdigest()
        return {"bands": len(self.bands), "pixels": pixels}

    def origin(self) -> dict[str, Any]:
        """Return what a model file says of its scenes; JSON-able."""
        return {
            "scene": {"name": self.name, "fingerprint": self.fingerprint()},
            "scenes": [scene.origin()["scene"] for scene in self.scenes],
        }
