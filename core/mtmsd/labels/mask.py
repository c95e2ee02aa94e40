"""Masks from files: rasters on the scene's grid, polygons, and those of a product."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely
from affine import Affine
from rasterio.features import rasterize
from rasterio.windows import Window

from mtmsd.errors import InputError
from mtmsd.labels.label_raster import GRID_HINT, check_grid, is_raster
from mtmsd.labels.layer import has_shapes, read_layer
from mtmsd.labels.polygons import repair, to_pixels
from mtmsd.scene.formats.emit import EMIT_MASK
from mtmsd.scene.formats.prisma import PRISMA_MASK
from mtmsd.scene.formats.source import GDAL_ERRORS, GdalSource, Source, one_line
from mtmsd.scene.mask import Grid, MaskLayer

PRODUCT = "product"
"""The word that stands for the masks that come with the scene."""
OPTION = re.compile(r"\|(bits|values|band)=([^|]*)")
PRODUCT_MASKS = ("QL_QUALITY_CLOUD", "QL_QUALITY_CLOUDSHADOW", "QL_QUALITY_CIRRUS")
"""What EnMAP keeps beside its image and is meant by the word; 0 is clear in each."""
ENMAP_WATER = re.compile(r"QL_QUALITY_CLASSES", re.IGNORECASE)
"""EnMAP's classes: 1 land, 2 water, 3 background."""
EMIT_NAMES = ("L2A_RFL", "L2A_MASK")
"""How the names of EMIT's reflectance and of its mask differ."""
EMIT_FLAGS = (1, 2, 5)
"""Bands of EMIT's mask that are meant without a choice: clouds, cirrus, and a border of clouds."""


@dataclass(frozen=True)
class MaskFile:
    """A mask that a user names; ``bits`` and ``values`` say what in a raster is left out.

    Without them it is all that is neither 0 nor no data, or inside of a polygon.
    """

    file: str
    bits: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    band: int | None = None
    for_rasters: bool = False
    """Whether bits and values were given for all masks, of which only rasters have some."""

    def open(self, grid: Grid) -> Sequence[MaskLayer]:
        """Open the mask for a scene; the product's masks may be several.

        Raises
        ------
        InputError
            If there is none, it lies on another grid, or has no such bits or bands.
        """
        if self.file == PRODUCT:
            return _product_masks(grid)
        file = Path(self.file.split("|", 1)[0])
        if not file.exists() and ":" not in self.file and not self.file.startswith("/vsi"):
            raise InputError(f"There is no mask '{file}'.", hint="Check the path.")
        if "|" in self.file or (has_shapes(self.file) and not _is_hdf(file)):
            if (self.bits or self.values or self.band) and not self.for_rasters:
                raise InputError(
                    f"The mask '{file.name}' is a vector layer: it has no bits, values or bands.",
                    hint="Give it without; what lies in its polygons is left out of the scene.",
                )
            return [PolygonMask(self.file, grid)]
        return [RasterMask(self, grid)]

    def absolute(self) -> MaskFile:
        """Return the same mask for a process that works in another folder."""
        there = os.path.exists(self.file.split("|", 1)[0])
        return replace(self, file=os.path.abspath(self.file)) if there else self


class RasterMask:
    """A raster of flags, bits or classes on the scene's grid."""

    notes: tuple[str, ...] = ()

    def __init__(self, choice: MaskFile, grid: Grid) -> None:
        file = Path(choice.file)
        self._source = _open_raster(choice.file)
        try:
            check_grid(self._source, grid, f"The mask '{file.name}'", GRID_HINT)
            self._bits, self._values = choice.bits, choice.values
            if not (choice.bits or choice.values) and ENMAP_WATER.search(file.name):
                self._values = (2.0,)
                self.notes = (f"Of the classes in '{file.name}', 2 (water) is left out.",)
            self._bands = self._chosen_bands(choice.band, file.name)
            self._check_bits(file.name)
        except BaseException:
            self._source.close()
            raise
        self.name = f"'{file.name}'{self._said()}"

    def _chosen_bands(self, band: int | None, name: str) -> tuple[int, ...]:
        count = self._source.count
        if band is not None:
            if not 1 <= band <= count:
                raise InputError(f"The mask '{name}' has no band {band}; it has {count}.")
            return (band,)
        if self._source.driver == EMIT_MASK:
            return EMIT_FLAGS
        if self._source.driver == PRISMA_MASK:
            return tuple(range(1, count + 1))
        if count > 1:
            texts = (f"{i} {text}".strip() for i, text in enumerate(self._source.descriptions, 1))
            raise InputError(
                f"The mask '{name}' has {count} bands: {', '.join(list(texts)[:12])}.",
                hint=f"Name one behind the file: '{name}|band=1'.",
            )
        return (1,)

    def _check_bits(self, name: str) -> None:
        dtype = self._source.dtype
        if not self._bits:
            return
        if dtype.kind not in "ui":
            raise InputError(
                f"The mask '{name}' holds values of type {dtype}, which have no bits.",
                hint="Name values (--mask-values), or give the product's bit mask.",
            )
        if max(self._bits) >= dtype.itemsize * 8:
            raise InputError(
                f"The mask '{name}' has no bit {max(self._bits)}: its values have "
                f"{dtype.itemsize * 8} bits, counted from 0."
            )

    def _said(self) -> str:
        parts = []
        if self._source.driver == PRISMA_MASK:
            parts.append("errors in over half of the bands")
        elif self._source.count > 1:
            texts = self._source.descriptions
            parts.append(f"bands {', '.join(texts[i - 1] or str(i) for i in self._bands)}")
        if self._bits:
            parts.append(f"bits {', '.join(map(str, self._bits))}")
        if self._values:
            parts.append(f"values {', '.join(f'{v:g}' for v in self._values)}")
        return f" ({'; '.join(parts)})" if parts else ""

    def covers(self, row: int, col: int, height: int, width: int) -> np.ndarray:
        """Return where a window is left out, bool (height, width)."""
        try:
            raw = self._source.read(self._bands, Window(col, row, width, height))
        except (*GDAL_ERRORS, OSError) as error:
            raise InputError(
                f"The mask {self.name} cannot be read to its end: {one_line(error)}",
                hint="The file is damaged or not complete; copy or download it again.",
            ) from error
        if self._bits:
            wanted = np.uint64(sum(1 << bit for bit in self._bits))
            return ((raw.astype(np.int64).view(np.uint64) & wanted) != 0).any(axis=0)
        if self._values:
            return np.asarray(np.isin(raw, self._values).any(axis=0))
        set_ = raw != 0
        if raw.dtype.kind == "f":
            set_ &= np.isfinite(raw)
        for i, band in enumerate(self._bands):
            if (nodata := self._source.nodata[band - 1]) is not None:
                set_[i] &= raw[i] != nodata
        if self._source.driver == PRISMA_MASK:
            return np.asarray(set_.mean(axis=0) > 0.5)
        return set_.any(axis=0)

    def close(self) -> None:
        """Close the file."""
        self._source.close()


class PolygonMask:
    """Polygons in any coordinate system; a pixel is left out if its centre lies in one."""

    def __init__(self, path: str, grid: Grid) -> None:
        content = read_layer(path, None)
        geometries, repaired = repair(content)
        pixels, notes = to_pixels(geometries, content, grid)
        pixels = pixels[~(shapely.is_missing(pixels) | shapely.is_empty(pixels))]
        self.name = f"'{content.name}'"
        self.notes = (*content.warnings, *notes)
        if repaired:
            self.notes += (f"{len(repaired)} invalid shapes of {self.name} were repaired.",)
        shapely.prepare(pixels)
        self._tree = shapely.STRtree(pixels)

    def covers(self, row: int, col: int, height: int, width: int) -> np.ndarray:
        """Return where a window is left out, bool (height, width)."""
        near = self._tree.query(shapely.box(col, row, col + width, row + height))
        if not len(near):
            return np.zeros((height, width), bool)
        burned = rasterize(
            self._tree.geometries[near].tolist(),
            out_shape=(height, width),
            transform=Affine.translation(col, row),
            dtype="uint8",
        )
        return burned.astype(bool)

    def close(self) -> None:
        """Do nothing: the polygons are in memory."""


def parse_masks(files: Sequence[str], bits: str = "", values: str = "") -> tuple[MaskFile, ...]:
    """Read a user's masks: files, or ``FILE|bits=10,11``, ``FILE|values=3,8``, ``FILE|band=2``.

    Parameters
    ----------
    files : sequence of str
        The word ``product`` stands for those that come with the scene.
    bits, values : str
        For the masks that say none themselves, such as ``"10,11"``.

    Raises
    ------
    InputError
        If a number cannot be read, or there is no mask for bits and values.
    """
    if not files and (bits or values):
        raise InputError(
            "Bits or values of a mask are given, and no mask.", hint="Give it: --mask FILE."
        )
    found = []
    for text in files:
        said = dict(OPTION.findall(text))
        for_rasters = not said and len(files) > 1
        said.setdefault("bits", bits if "values" not in said else "")
        said.setdefault("values", values if not said["bits"] else "")
        band = _numbers(said.get("band", ""), "bands")
        found.append(
            MaskFile(
                OPTION.sub("", text),
                tuple(_whole(n, "bits") for n in _numbers(said["bits"], "bits")),
                _numbers(said["values"], "values"),
                _whole(band[0], "bands") if band else None,
                for_rasters,
            )
        )
    return tuple(found)


def _numbers(text: str, what: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in re.split("[,; ]+", text.strip()) if part)
    except ValueError:
        raise InputError(
            f"'{text}' are no {what} of a mask.", hint="Write numbers with commas: 10,11."
        ) from None


def _whole(number: float, what: str) -> int:
    if number % 1 or not 0 <= number < 64:
        raise InputError(f"'{number:g}' is not among the {what} of a mask: 0, 1, 2 and so on.")
    return int(number)


def _product_masks(grid: Grid) -> list[MaskLayer]:
    """Open the masks that come with a scene.

    Raises
    ------
    InputError
        If none are known for such a scene.
    """
    image = grid.path
    files = [
        file
        for file in sorted(image.parent.iterdir() if image.is_file() else ())
        if file.stem.upper().removesuffix("_COG").endswith(PRODUCT_MASKS)
        and file.suffix.lower() in (".tif", ".tiff", ".bsq", ".bil", ".bip")
        and file.name.split("QL_QUALITY", 1)[0] == image.name.split("SPECTRAL_IMAGE", 1)[0]
    ]
    emit = image.with_name(image.name.replace(*EMIT_NAMES))
    if emit != image and emit.is_file():
        files.append(emit)
    if not files and image.is_file() and _is_prisma(image):
        files.append(image)
    if not files:
        raise InputError(
            f"No masks of a product were found beside '{image.name}'.",
            hint="Known are EnMAP's QL_QUALITY_… files, EMIT_L2A_MASK_….nc, and PRISMA L2D; give "
            "any other by its file: --mask FILE.",
        )
    return [layer for file in files for layer in MaskFile(str(file)).open(grid)]


def _is_hdf(file: Path) -> bool:
    from mtmsd.scene.locate import is_hdf5

    return file.is_file() and is_hdf5(file)


def _is_prisma(file: Path) -> bool:
    if not _is_hdf(file):
        return False
    from mtmsd.scene.formats.hdf import open_mask

    source = open_mask(file)
    if source:
        source.close()
    return source is not None


def _open_raster(path: str) -> Source:
    file = Path(path)
    if _is_hdf(file):
        from mtmsd.scene.formats.hdf import open_mask

        source = open_mask(file)
        if source is not None:
            return source
    if file.exists() and not is_raster(path):
        raise InputError(
            f"The mask '{file.name}' is neither a raster nor a vector layer that can be read.",
            hint="Give a raster on the scene's grid, or polygons.",
        )
    return GdalSource(path, file.name)
