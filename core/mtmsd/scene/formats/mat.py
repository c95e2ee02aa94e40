"""Cubes and images of MATLAB files, with the axes in whatever order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io

from mtmsd.errors import InputError
from mtmsd.scene.formats.hdf_cube import WAVELENGTHS
from mtmsd.scene.formats.source import one_line


@dataclass(frozen=True)
class MatArray:
    """A variable of a MATLAB file: an image of rows × columns, or a cube.

    ``axes`` are rows, columns and bands in the order that MATLAB shows.
    """

    data: Any
    turned: bool = False
    axes: str = "rcb"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that MATLAB shows."""
        shape = tuple(self.data.shape)
        return shape[::-1] if self.turned else shape

    @property
    def size(self) -> tuple[int, int, int]:
        """Rows, columns and bands."""
        sizes = dict(zip(self.axes, (*self.shape, 1)[:3], strict=True))
        return sizes["r"], sizes["c"], sizes["b"]

    def strip(self, row: int, height: int) -> np.ndarray:
        """Return rows as (bands, height, columns)."""
        # MATLAB 7.3 writes columns first, so HDF5 shows the axes from the last to the first
        axes = self.axes[: self.data.ndim][:: -1 if self.turned else 1]
        place = tuple(slice(row, row + height) if axis == "r" else slice(None) for axis in axes)
        block = self.data[place]
        order = [axes.index(axis) for axis in "brc" if axis in axes]
        block = block.transpose(order)
        return block if block.ndim == 3 else block[None]


def read_mat(path: Path, variable: str | None) -> tuple[MatArray, str, dict[str, np.ndarray]]:
    """Read a variable of a MATLAB file of either kind; its name; the lists of wavelengths beside.

    Raises
    ------
    InputError
        If there is no such variable, or the file is damaged.
    """
    if h5py.is_hdf5(path):
        file = h5py.File(path, "r")
        shapes = {
            key: item.shape[::-1] for key, item in file.items() if isinstance(item, h5py.Dataset)
        }
        name = _choose(shapes, variable, path.name)
        lists = {key: np.ravel(file[key]) for key, shape in shapes.items() if _is_list(key, shape)}
        return MatArray(file[name], turned=True), name, lists
    try:
        shapes = {name: shape for name, shape, _ in scipy.io.whosmat(path)}
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise _damaged(path, error) from error
    name = _choose(shapes, variable, path.name)
    try:
        keys = [key for key, shape in shapes.items() if _is_list(key, shape)]
        values = scipy.io.loadmat(path, variable_names=[name, *keys])
        return MatArray(values[name]), name, {key: np.ravel(values[key]) for key in keys}
    except Exception as error:
        raise _damaged(path, error) from error


def with_bands_by(
    array: MatArray, name: str, count: int | None, lists: dict[str, np.ndarray]
) -> tuple[MatArray, str, np.ndarray | None]:
    """Find the axis of the bands by the number of wavelengths; the last one if there are none.

    Returns
    -------
    MatArray, str, array or None
        The array with its axes; a sentence on what was taken; the file's own wavelengths.

    Raises
    ------
    InputError
        If the given number fits no axis, or only the two axes that could be either.
    """
    if len(array.shape) != 3:
        return array, "", None
    own = None
    if count is None:
        own = next((v for v in lists.values() if v.size in array.shape and v.size > 1), None)
        count = None if own is None else own.size
    axis = 2
    if count is not None:
        fitting = [i for i, length in enumerate(array.shape) if length == count]
        if not fitting:
            raise InputError(
                f"There are {count} wavelengths for the {array.shape[2]} bands of '{name}' "
                f"({'×'.join(map(str, array.shape))})."
            )
        if 2 not in fitting and len(fitting) > 1:
            raise InputError(
                f"Two axes of '{name}' ({'×'.join(map(str, array.shape))}) are as long as the list "
                "of wavelengths, so it is not clear which has the bands.",
                hint="Put the bands last: permute it in MATLAB, or transpose it in NumPy.",
            )
        axis = 2 if 2 in fitting else fitting[0]
    array = replace(array, axes="rc"[:axis] + "b" + "rc"[axis:])
    rows, cols, bands = array.size
    taken = f"'{name}' was taken as {rows} lines × {cols} columns × {bands} bands"
    why = "the last axis; with --wavelengths their number tells the axis" if count is None else (
        "by the number of wavelengths"
    )  # fmt: skip
    return array, f"{taken} ({why}).", own


def _is_list(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a variable is a list of wavelengths by its name and shape."""
    flat = sum(length > 1 for length in shape) == 1
    return flat and bool(WAVELENGTHS.search(name))


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"'{path.name}' cannot be read as a MATLAB file: {one_line(error)}",
        hint="Check that the file is complete.",
    )


def _choose(shapes: dict[str, tuple[int, ...]], variable: str | None, name: str) -> str:
    listing = ", ".join(f"{key} ({'×'.join(map(str, s))})" for key, s in shapes.items()) or "none"
    if variable is not None:
        if variable in shapes and len(shapes[variable]) in (2, 3):
            return variable
        raise InputError(
            f"'{name}' has no cube or image '{variable}'.", hint=f"Its variables are: {listing}."
        )
    for dimensions in (3, 2):
        found = [k for k, s in shapes.items() if len(s) == dimensions and min(s) > 1]
        if len(found) == 1:
            return found[0]
        if found:
            break
    raise InputError(
        f"It is not clear which variable of '{name}' is the cube.",
        hint=f"Name it; the variables are: {listing}.",
    )


def stored_dtype(array: MatArray, file: str, name: str) -> np.dtype:
    """Return the number format for the GeoTIFF: MATLAB's double for whole labels becomes small."""
    dtype = np.dtype(array.data.dtype)
    if dtype.kind not in "biuf":
        raise InputError(f"The variable '{name}' of '{file}' does not hold real numbers ({dtype}).")
    if len(array.shape) == 2:
        values = np.asarray(array.data)
        whole = dtype.kind != "f" or bool((values % 1 == 0).all())
        if whole and values.size and values.min() >= 0 and values.max() <= 65535:
            return np.dtype("uint8" if values.max() <= 255 else "uint16")
    return np.dtype("uint8") if dtype.kind == "b" else dtype.newbyteorder("=")
