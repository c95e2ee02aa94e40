"""ENVI headers, in whatever encoding they were written."""

from __future__ import annotations

import codecs
import re
import tempfile
from pathlib import Path

from mtmsd.errors import InputError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def find_envi_header(image: Path) -> Path | None:
    """Return the header beside an image: its suffix replaced by, or followed by, ``.hdr``."""
    candidates = (image.with_suffix(".hdr"), Path(f"{image}.hdr"), image.with_suffix(".HDR"))
    return next((c for c in candidates if c != image and c.is_file()), None)


def read_text(path: Path) -> str:
    """Read a text in UTF-8, UTF-16, GBK or Latin-1, with or without a byte order mark."""
    data = path.read_bytes()
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    if data[:8].count(0) >= 3:  # UTF-16 without its mark
        return data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-16-be", errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    runs = re.findall(rb"[\x80-\xff]+", data)
    if all(len(run) % 2 == 0 for run in runs):  # GBK's characters are pairs
        try:
            return data.decode("gb18030")
        except UnicodeDecodeError:
            pass
    return data.decode("latin-1")


def read_envi_header(path: Path) -> dict[str, str]:
    """Return the fields of an ENVI header, names in lower case with underscores."""
    text = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    if not text.lstrip().startswith("ENVI"):
        return {}
    text = re.sub(r"^[ \t]*;.*$", "", text, flags=re.MULTILINE)
    pairs = re.findall(r"^[ \t]*([^={}\n]+?)[ \t]*=[ \t]*(\{[^}]*\}|[^\n]*)", text, re.MULTILINE)
    return {key.lower().replace(" ", "_"): " ".join(value.split()) for key, value in pairs}


def needs_plain_text(header: Path) -> bool:
    """Whether GDAL would stumble over the header's encoding."""
    data = header.read_bytes()
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return data.startswith(codecs.BOM_UTF8) or 0 in data[:8]


def with_header(image: Path, text: str) -> tuple[tempfile.TemporaryDirectory[str], Path]:
    """Give an image another header: in a folder of its own, beside a link to the image."""
    folder = tempfile.TemporaryDirectory(prefix="mtmsd-")
    link = Path(folder.name) / "image"
    Path(f"{link}.hdr").write_text(f"{text.rstrip()}\n", encoding="utf-8")
    try:
        link.symlink_to(image.absolute())
        notes = Path(f"{image}.aux.xml")
        if notes.is_file():
            Path(f"{link}.aux.xml").symlink_to(notes.absolute())
    except OSError as error:  # Windows asks for a privilege
        folder.cleanup()
        raise InputError(
            f"'{image.name}' cannot be opened in place here: it is compressed, or its header is "
            "not in UTF-8.",
            hint="Unpack it, or save the header as plain text in UTF-8.",
        ) from error
    return folder, link
