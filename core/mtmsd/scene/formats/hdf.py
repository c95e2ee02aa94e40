"""HDF5 files that GDAL would turn on their side: products by their own readers, cubes by one."""

from __future__ import annotations

from pathlib import Path

import h5py
from rasterio.errors import CRSError

from mtmsd.errors import InputError
from mtmsd.scene.formats.emit import is_emit, open_emit, open_emit_mask
from mtmsd.scene.formats.hdf_cube import open_cube
from mtmsd.scene.formats.hdf_source import HdfSource
from mtmsd.scene.formats.neon import is_neon, open_neon
from mtmsd.scene.formats.prisma import PRISMA_FIELDS, is_prisma, open_prisma, open_prisma_mask

READERS = (
    ("PRISMA", is_prisma, open_prisma),
    ("EMIT", is_emit, open_emit),
    ("NEON", is_neon, open_neon),
)  # fmt: skip


def open_hdf(path: Path, inner: str = "") -> HdfSource | None:
    """Open a product, or a cube with wavelengths; None if GDAL does as well.

    Parameters
    ----------
    path : Path
    inner : str
        The dataset, where a file has several.

    Raises
    ------
    InputError
        If it is a product of a level that has no map grid, or is damaged.
    """
    try:
        # 32 MB of decoded chunks: windows of neighbours share them
        file = h5py.File(path, "r", rdcc_nbytes=2**25)
    except OSError as error:
        raise InputError(
            f"'{path.name}' cannot be opened as HDF5: {error}.",
            hint="The file is damaged or not complete; download it again.",
        ) from error
    kind = "a cube with wavelengths"
    try:
        for product, is_one, open_one in READERS:
            if is_one(file):
                kind = f"data of {product}"
                return open_one(file, path.name)
        source = open_cube(file, path, inner)
    except (KeyError, ValueError, TypeError, CRSError) as error:
        file.close()
        raise InputError(
            f"'{path.name}' looks like {kind}, but lacks a part: {error}.",
            hint="The file is damaged or not complete; download it again.",
        ) from error
    except BaseException:
        file.close()
        raise
    if source is None:
        file.close()
    return source


def open_mask(path: Path) -> HdfSource | None:
    """Open the mask that is in a product's file; None if none is known.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    file = h5py.File(path, "r")
    try:
        if is_emit(file) and "mask" in file:
            return open_emit_mask(file)
        if f"{PRISMA_FIELDS}/VNIR_PIXEL_L2_ERR_MATRIX" in file:
            return open_prisma_mask(file)
    except (KeyError, ValueError, TypeError, CRSError) as error:
        raise InputError(
            f"The mask in '{path.name}' lacks a part: {error}.",
            hint="The file is damaged or not complete; download it again.",
        ) from error
    file.close()
    return None
