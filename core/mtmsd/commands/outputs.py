"""Before hours of work: can the results be written where the user wants them."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mtmsd.errors import InputError


def check_outputs(inputs: Sequence[str | Path | None], outputs: Sequence[Path | None]) -> None:
    """Refuse outputs that would overwrite an input or that cannot be written.

    Parameters
    ----------
    inputs : sequence of str or Path or None
        What is read; ``file.gpkg|layername=x`` counts as its file.
    outputs : sequence of Path or None
        What will be written; a missing one is None.

    Raises
    ------
    InputError
        An output is an input or another output, is a folder, or its folder is missing or
        not writable.
    """
    sources = [Path(str(text).split("|", 1)[0]) for text in inputs if text]
    targets = [path for path in outputs if path]
    for number, target in enumerate(targets):
        if any(_same(target, source) for source in sources):
            raise InputError(
                f"The output {target} is also an input.", hint="Choose another name for it."
            )
        if any(_same(target, other) for other in targets[:number]):
            raise InputError(
                f"Two outputs have the same name, {target}.", hint="Choose another for one of them."
            )
        _check_writable(target)


ON_SERVER = re.compile(r"(https?|ftp|s3|gs|az):/|/vsi", re.IGNORECASE)
RASTERS = (".tif", ".tiff")
VECTORS = (".gpkg", ".shp", ".geojson", ".json", ".fgb")


def check_rasters(*outputs: Path | None) -> None:
    """Refuse names that do not end as a GeoTIFF does.

    Raises
    ------
    InputError
    """
    for path in outputs:
        check_endings(path, RASTERS, "a GeoTIFF")


def check_vectors(*outputs: Path | None) -> None:
    """Refuse names that do not end as a vector format does that is written here.

    Raises
    ------
    InputError
    """
    for path in outputs:
        check_endings(path, VECTORS, "a GeoPackage, shapefile, GeoJSON or FlatGeobuf")


def check_endings(path: Path | None, endings: tuple[str, ...], kind: str) -> None:
    """Refuse a name that does not end as its kind of file does.

    Raises
    ------
    InputError
    """
    if path and path.suffix.lower() not in endings:
        ends = f"ends in '{path.suffix}'" if path.suffix else "has no ending"
        raise InputError(
            f"The output '{path.name}' cannot be written: it is {kind}, but its name {ends}.",
            hint=f"Let it end in {', '.join(endings)}: '{path.stem}{endings[0]}'.",
        )


def _same(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return os.path.samefile(one, other)
    return os.path.normcase(os.path.abspath(one)) == os.path.normcase(os.path.abspath(other))


def _check_writable(target: Path) -> None:
    if ON_SERVER.match(target.as_posix()):
        raise InputError(
            f"The output {target.name} cannot be written to a server.",
            hint="Give a file of this machine; the scene stays where it is.",
        )
    if target.is_dir():
        raise InputError(f"The output {target} is a folder.", hint="Give a file name.")
    if not target.parent.is_dir():
        raise InputError(
            f"The folder {target.parent} of the output {target.name} does not exist.",
            hint="Create it or choose another.",
        )
    try:
        with tempfile.TemporaryFile(dir=target.parent, prefix=".mtmsd-"):
            pass
    except OSError as error:
        raise InputError(
            f"The folder {target.parent} cannot be written to ({error.strerror}).",
            hint="Choose another folder for the output.",
        ) from error
