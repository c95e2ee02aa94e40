"""The block store: mapped blocks on disk, so that a broken run goes on where it ended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtmsd.errors import InputError
from mtmsd.files.tensor_file import load_arrays, save_arrays

KIND = "map-block"
BEGUN = "begun-block"


class BegunBlock:
    """The first part of a block that takes long: the sums over its tiles or patches so far."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, shape: Sequence[int], places: int) -> tuple[np.ndarray, int, int] | None:
        """Return the sums, how many of the places are done, and how many were done at once.

        None if nothing is kept, or it is damaged or of another shape or number of places.
        """
        if not self._path.is_file():
            return None
        try:
            arrays, said = load_arrays(self._path, BEGUN)
            sums, done, at_once = arrays["sums"], said["done"], said["at_once"]
        except (InputError, KeyError):
            return None
        fits = sums.shape == tuple(shape) and said.get("places") == places
        return (sums, int(done), int(at_once)) if fits else None

    def write(self, sums: np.ndarray, done: int, at_once: int, places: int) -> None:
        """Keep the sums after so many places."""
        self._path.parent.mkdir(exist_ok=True)
        said = {"done": done, "at_once": at_once, "places": places}
        save_arrays(self._path, BEGUN, {"sums": sums}, said)

    def remove(self) -> None:
        """Forget it: the block is finished."""
        self._path.unlink(missing_ok=True)


class BlockStore:
    """The mapped blocks of one map, each whole or not there.

    Parameters
    ----------
    folder : Path
        Where they lie, in a folder of their own within: blocks of another map stay beside them
        and are never mixed in.
    belongs_to : mapping
        JSON-able: all that the pixels depend on.
    """

    def __init__(self, folder: Path, belongs_to: Mapping[str, Any]) -> None:
        text = json.dumps(belongs_to, sort_keys=True)
        self.folder = Path(folder) / f"blocks-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    @property
    def others(self) -> bool:
        """Whether there are blocks of other maps only."""
        return not self.folder.is_dir() and any(self.folder.parent.glob("blocks-*"))

    def read(self, row: int, col: int, names: Sequence[str]) -> dict[str, np.ndarray] | None:
        """Return these layers of a block, None if it lacks one, is not mapped yet or is damaged."""
        path = self._path(row, col)
        if not path.is_file():
            return None
        try:
            layers, _ = load_arrays(path, KIND)
        except InputError:
            return None
        if not set(names) <= layers.keys():
            return None
        return {name: layers[name] for name in names}

    def write(self, row: int, col: int, layers: Mapping[str, np.ndarray]) -> None:
        """Keep the layers of a mapped block."""
        self.folder.mkdir(exist_ok=True)
        save_arrays(self._path(row, col), KIND, layers, {})
        self.begun(row, col).remove()

    def begun(self, row: int, col: int) -> BegunBlock:
        """Return what is kept of a block that is not finished."""
        return BegunBlock(self._path(row, col).with_suffix(".begun"))

    def _path(self, row: int, col: int) -> Path:
        return self.folder / f"{row:08d}-{col:08d}.safetensors"
