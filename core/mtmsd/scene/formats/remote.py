"""Files on a web server or in an object storage, read by ranges."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TypeVar
from urllib.parse import urlsplit

from mtmsd.errors import InputError

T = TypeVar("T")

SCHEMES = {"http": "/vsicurl/http", "https": "/vsicurl/https", "ftp": "/vsicurl/ftp",
           "s3": "/vsis3", "gs": "/vsigs", "az": "/vsiaz"}  # fmt: skip
"""GDAL's names for what a browser or a cloud's own tools call an address."""
REMOTE = re.compile(r"^/vsi(curl|s3|gs|az|adls|oss|swift|webhdfs)(_streaming)?[/?]")
OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1",
    "GDAL_HTTP_LOW_SPEED_TIME": "30",
}
"""How GDAL reads there, unless the user's environment says otherwise: no other files are asked
for, a busy server is asked again, one that is silent is given up."""
ATTEMPTS = 4
"""So often a window is asked for whose connection breaks; GDAL itself does not ask again then."""
PAUSE_S = 0.5
"""Before the second attempt; twice as long before each other."""
LOCAL_ONLY = (".nc", ".h5", ".he5", ".hdf5", ".hdf", ".mat", ".zip")


def as_gdal(text: str) -> str:
    """Return what GDAL opens for an address; any other name is returned as it is."""
    scheme, colon, rest = text.partition("://")
    kind = SCHEMES.get(scheme.lower()) if colon else None
    if kind is None:
        return text
    return f"{kind}{'://' if kind.startswith('/vsicurl') else '/'}{rest}"


def is_remote(text: str) -> bool:
    """Whether a name is that of a file elsewhere."""
    return bool(REMOTE.match(as_gdal(text)))


def file_name(text: str) -> str:
    """Return a file's own name, of an address without what is asked behind it (?token=…)."""
    given = as_gdal(text)
    return PurePosixPath(given.split("?", 1)[0]).name if is_remote(given) else Path(text).name


def options_for(uri: str) -> dict[str, str]:
    """Return GDAL's options for opening and reading; none for files of this machine."""
    if not is_remote(uri):
        return {}
    options = dict(OPTIONS)
    if uri.lower().endswith((".tif", ".tiff")):
        options["CPL_VSIL_CURL_ALLOWED_EXTENSIONS"] = ".tif,.tiff"
    return {name: value for name, value in options.items() if name not in os.environ}


def check_readable(uri: str) -> None:
    """Refuse formats that are not read by ranges.

    Raises
    ------
    InputError
    """
    name = file_name(uri)
    if name.lower().endswith(LOCAL_ONLY):
        raise InputError(
            f"'{name}' is on a server, where only GeoTIFF and its like are read in parts.",
            hint="Download it first.",
        )


def patiently(read: Callable[[], T], errors: tuple[type[Exception], ...]) -> T:
    """Read again where a connection broke; the last error is raised."""
    pause = PAUSE_S
    for _ in range(ATTEMPTS - 1):
        try:
            return read()
        except errors:
            time.sleep(pause)
            pause *= 2
    return read()


def unreachable(uri: str, reason: str) -> InputError:
    """Return the error that says that a file elsewhere cannot be read."""
    name, host = file_name(uri), urlsplit(uri.partition("/vsicurl/")[2]).netloc
    place = host or uri.split("/")[1].removeprefix("vsi")
    if "404" in reason:
        return InputError(f"There is no '{name}' at {place}.", hint="Check the address.")
    return InputError(
        f"'{name}' cannot be read from {place}: {reason}",
        hint="Check the address and the connection. What was done is kept where --resume is known.",
    )
