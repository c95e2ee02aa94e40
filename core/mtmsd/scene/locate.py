"""From what a user points at (a file, its header, a container, a folder) to a source of pixels."""

from __future__ import annotations

import re
from pathlib import Path

from mtmsd.errors import InputError
from mtmsd.scene.source import GdalSource, Source

HEADER_SUFFIXES = ("", ".bsq", ".bil", ".bip", ".img", ".dat", ".raw", ".bin")
"""What an ENVI header's image may be called, beside the header's own stem."""
VIRTUAL_NAME = re.compile(r"^(/vsi|[A-Za-z][A-Za-z0-9_+]+:(?![\\/]))")
"""Names that GDAL understands but the file system does not."""


def open_source(text: str) -> tuple[Source, Path]:
    """Open what ``text`` names; return the source and the file that stands for it.

    Raises
    ------
    InputError
        If there is no such file, or it is not a raster with several bands.
    """
    if VIRTUAL_NAME.match(text):
        return _open_gdal(text, text), Path(text)
    path = Path(text).expanduser()
    if not path.exists():
        raise InputError(f"There is no raster '{path}'.", hint="Check the path.")
    if path.suffix.lower() == ".hdr":
        path = _image_of(path)
    uri = str(path)
    if path.suffix.lower() == ".gz":
        uri = f"/vsigzip/{path.absolute()}"
    return _open_gdal(uri, path.name), path


def _open_gdal(uri: str, name: str) -> GdalSource:
    source = GdalSource(uri, name)
    if source.count == 0 or (source.subdatasets and source.count == 1):
        inner = source.subdatasets
        source.close()
        return _open_inside(inner, name)
    return source


def _open_inside(subdatasets: list[str], name: str) -> GdalSource:
    """Open the one raster with several bands in a container."""
    cubes = []
    for uri in subdatasets:
        try:
            source = GdalSource(uri, name)
        except InputError:
            continue
        if source.count > 1:
            cubes.append((source.count, uri, source))
        else:
            source.close()
    most = max((count for count, _, _ in cubes), default=0)
    best = [cube for cube in cubes if cube[0] == most]
    for cube in cubes:
        if len(best) != 1 or cube is not best[0]:
            cube[2].close()
    if len(best) == 1:
        return best[0][2]
    if not best:
        raise InputError(f"'{name}' holds no raster with several bands.")
    names = ", ".join(uri for _, uri, _ in best)
    raise InputError(
        f"'{name}' holds {len(best)} rasters of {most} bands.", hint=f"Name one of them: {names}."
    )


def _image_of(header: Path) -> Path:
    """Find the image that an ENVI header describes."""
    for suffix in HEADER_SUFFIXES:
        image = header.with_suffix(suffix)
        if image != header and image.is_file():
            return image
    raise InputError(
        f"'{header.name}' is a header, and its image is not beside it.",
        hint="Give the image file itself.",
    )
