"""From what a user points at (a file, its header, a container, a folder) to a source of pixels."""

from __future__ import annotations

import contextlib
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

from mtmsd.errors import InputError
from mtmsd.scene.formats.archive import unpacked
from mtmsd.scene.formats.envi import open_envi
from mtmsd.scene.formats.envi_header import read_envi_header, read_text, with_header
from mtmsd.scene.formats.products import find_image, read_beside
from mtmsd.scene.formats.remote import as_gdal, check_readable, file_name, is_remote
from mtmsd.scene.formats.source import GdalSource, Source

HEADER_SUFFIXES = ("", ".bsq", ".bil", ".bip", ".img", ".dat", ".raw", ".bin")
"""What an ENVI header's image may be called, beside the header's own stem."""
VIRTUAL_NAME = re.compile(r"^(/vsi|[A-Za-z][A-Za-z0-9_+]+:(?![\\/]))")
"""Names that GDAL understands but the file system does not."""
IN_CONTAINER = re.compile(r'^(?:HDF5|NETCDF):"?(?P<file>.+?\.\w+)"?:', re.IGNORECASE)
"""Sub-datasets as GDAL and QGIS name them."""
CUBE_SUFFIXES = (
    ".tif", ".tiff", ".bsq", ".bil", ".bip", ".img", ".dat", ".raw", ".he5", ".h5", ".hdf5", ".hdf",
    ".nc", ".l1r",
)  # fmt: skip
"""What a product's image may end in."""
NO_CUBE = re.compile(
    r"UNCERT|_MASK|QL_|QUALITY|_OBS|_GLT|_LOC|_IGM|QUICKLOOK|BROWSE", re.IGNORECASE
)
"""In the names of what products keep beside their image."""
ARCHIVES = (".tar", ".tgz", ".tar.gz", ".7z", ".rar")
STREAM_NOTE = "'{}' is compressed as one stream and slow to read in windows; unpack it if you can."


def open_source(text: str) -> tuple[Source, Path]:
    """Open what ``text`` names; return the source and the file that stands for it.

    Raises
    ------
    InputError
        If there is no such file, or it is not a raster with several bands.
    """
    text = as_gdal(text)
    if is_remote(text):
        check_readable(text)
        name = file_name(text)
        return _open_gdal(text, name), Path(name)
    if VIRTUAL_NAME.match(text):
        return _open_virtual(text)
    path = Path(text).expanduser()
    if not path.exists():
        raise InputError(f"There is no raster '{path}'.", hint="Check the path.")
    if path.suffix.lower() == ".zip":
        folder = unpacked(path)
        source, file = open_source(str(folder))
        source.notes += (f"'{path.name}' is unpacked in the folder '{folder.name}' beside it.",)
        return source, file
    if path.name.lower().endswith(ARCHIVES):
        raise InputError(
            f"'{path.name}' is an archive.", hint="Unpack it and give the folder or the image."
        )
    if path.suffix.lower() == ".mat":
        raise InputError(
            f"'{path.name}' is a MATLAB file, which does not say which axis has the bands.",
            hint=f"Make it a GeoTIFF first: mtmsd import {path.name} -o {path.stem}.tif.",
        )
    if path.suffix.lower() == ".hdr":
        path = _image_of(path)
    if path.is_dir() or path.suffix.lower() in (".xml", ".met"):
        path = _image_of_product(path)
    if path.suffix.lower() == ".gz":
        return _open_gz(path), path
    product = _open_product(path)
    if product is not None:
        return product, path
    source = open_envi(path) or _open_gdal(str(path), path.name)
    _add_beside(source, path)
    return source, path


def _open_virtual(text: str) -> tuple[Source, Path]:
    """Open a sub-dataset or a file of GDAL's virtual file systems."""
    match = IN_CONTAINER.match(text)
    if not match:
        return _open_gdal(text, text), Path(text)
    path = Path(match["file"])
    if not path.exists():
        raise InputError(f"There is no raster '{path}'.", hint="Check the path.")
    product = _open_product(path, text[match.end() :])
    return (product or _open_gdal(text, path.name)), path


def _open_product(path: Path, inner: str = "") -> Source | None:
    """Open HDF5 that is not left to GDAL; h5py loads only for files that are HDF5."""
    if not path.is_file() or not is_hdf5(path):
        return None
    from mtmsd.scene.formats.hdf import open_hdf

    return open_hdf(path, inner)


def is_hdf5(path: Path) -> bool:
    """Whether the file has HDF5's signature, which may stand behind a block of the user's own."""
    with path.open("rb") as file:
        for start in (0, 512, 1024, 2048):
            file.seek(start)
            if file.read(8) == b"\x89HDF\r\n\x1a\n":
                return True
    return False


def _open_gdal(uri: str, name: str) -> GdalSource:
    source = _axes_said(GdalSource(uri, name))
    if source.count == 0 or (source.subdatasets and source.count == 1):
        inner = source.subdatasets
        source.close()
        return _open_inside(inner, name)
    if source.subdatasets and source.driver == "GTiff":
        source.notes += (
            f"'{name}' has {len(source.subdatasets)} pages; only the first, of {source.count} "
            "bands, is read.",
        )
    return source


def _axes_said(source: GdalSource) -> GdalSource:
    """Say which axis GDAL took for the bands, where the file does not."""
    if source.driver.startswith("HDF5") and not any(source.metadata.wavelengths):
        source.notes += (
            "The file does not say which axis has the bands; the first was taken: "
            f"{source.count} bands of {source.height} lines × {source.width} samples.",
        )
    return source


def _open_inside(subdatasets: list[str], name: str) -> GdalSource:
    """Open the one raster with several bands in a container."""
    counts = {uri: _bands_in(uri, name) for uri in subdatasets}
    most = max(counts.values(), default=0)
    best = [uri for uri, count in counts.items() if count == most]
    if len(counts) > 1 and most == 1:
        raise InputError(
            f"'{name}' holds {len(counts)} variables or pages of one band each, not one raster.",
            hint="Stack them first, for example with: gdalbuildvrt -separate stack.vrt "
            f"{' '.join(list(counts)[:2])} …",
        )
    if most < 2:
        raise InputError(
            f"'{name}' holds no raster with several bands.", hint="Choose the scene itself."
        )
    if len(best) > 1:
        raise InputError(
            f"'{name}' holds {len(best)} rasters of {most} bands.",
            hint=f"Name one of them: {', '.join(best)}.",
        )
    return _axes_said(GdalSource(best[0], name))


def _bands_in(uri: str, name: str) -> int:
    """Count the bands of a sub-dataset; 0 if it is no raster of numbers on a grid."""
    try:
        source = GdalSource(uri, name)
    except InputError:
        return 0
    source.close()
    return source.count


def _add_beside(source: GdalSource, path: Path) -> None:
    """Complete wavelengths and scales from the files beside the image."""
    if any(source.metadata.wavelengths):
        return
    try:
        beside = read_beside(path, source.count)
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise InputError(
            f"The metadata beside '{path.name}' cannot be read: {error}.",
            hint="Download the product again, or keep the image alone in a folder.",
        ) from error
    if beside is None:
        return
    notes = tuple(dict.fromkeys((*source.metadata.notes, *beside.metadata.notes)))
    source.metadata = replace(beside.metadata, notes=notes)
    unscaled = set(source.scales) <= {1.0} and set(source.offsets) <= {0.0}
    if beside.gains and unscaled:
        source.scales, source.offsets = beside.gains, beside.offsets


def _open_gz(path: Path) -> GdalSource:
    """Open a gzip-compressed raster.

    GDAL inflates an ENVI image only if its header says so, and else takes the compressed bytes
    for pixels; so it gets a header that does, beside a link to the image.
    """
    bare = path.with_suffix("")
    headers = (Path(f"{path}.hdr"), Path(f"{bare}.hdr"), bare.with_suffix(".hdr"))
    header = next((h for h in headers if h.is_file()), None)
    if header is None:
        source = _open_gdal(f"/vsigzip/{path.absolute()}", path.name)
    else:
        text = read_text(header).rstrip()
        if read_envi_header(header).get("file_compression", "0") == "0":
            text += "\nfile compression = 1"
        folder, link = with_header(path, text)
        source = _open_gdal(str(link), path.name)
        source.keep(folder)
    source.notes += (STREAM_NOTE.format(path.name),)
    return source


def _image_of(header: Path) -> Path:
    """Find the image that an ENVI header describes."""
    for suffix in HEADER_SUFFIXES:
        for image in (header.with_suffix(suffix), Path(f"{header.with_suffix(suffix)}.gz")):
            if image != header and image.is_file():
                return image
    raise InputError(
        f"'{header.name}' is a header, and its image is not beside it.",
        hint="Give the image file itself.",
    )


def _image_of_product(path: Path) -> Path:
    """Find the image that a product's folder or one of its descriptions stands for."""
    image = find_image(path)
    if image is not None:
        return image
    if path.is_dir():
        return _image_in(path)
    image = _image_described(path)
    if image is None and path.suffix.lower() == ".met":
        raise InputError(
            f"'{path.name}' describes a product, and its image is not beside it.",
            hint="Give the image file itself.",
        )
    return image or path  # a .xml that GDAL reads


def _image_described(path: Path) -> Path | None:
    """Find what a ``.met`` or ``.xml`` describes: IMAGE.nc.met, IMAGE.nc.cmr.xml, IMAGE.met."""
    bare = path.with_suffix("")
    for whole in (bare, bare.with_suffix("")):
        if whole.suffix.lower() in CUBE_SUFFIXES and whole.is_file():
            return whole
    alike = [f for f in path.parent.iterdir() if f.stem == path.stem and _is_cube(f)]
    return alike[0] if len(alike) == 1 else None


def _image_in(folder: Path) -> Path:
    """Find the one image in a folder, or in the one folder that it holds."""
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith((".", "__")))
    inner = [entry for entry in entries if entry.is_dir()]
    cubes = {entry for entry in entries if _is_cube(entry)}
    for header in entries:
        if header.suffix.lower() == ".hdr" and not NO_CUBE.search(header.stem):
            with contextlib.suppress(InputError):
                cubes.add(_image_of(header))
    if len(cubes) == 1:
        return cubes.pop()
    if not cubes and len(inner) == 1:
        return find_image(inner[0]) or _image_in(inner[0])
    names = ", ".join(sorted(cube.name for cube in cubes)[:4])
    raise InputError(
        f"The folder '{folder.name}' does not hold exactly one product image "
        f"({names or '…SPECTRAL_IMAGE.TIF'}).",
        hint="Give the image file itself.",
    )


def _is_cube(path: Path) -> bool:
    """Whether a file may be a product's image, by its name."""
    is_cube = path.suffix.lower() in CUBE_SUFFIXES and not NO_CUBE.search(path.stem)
    return is_cube and path.is_file()
