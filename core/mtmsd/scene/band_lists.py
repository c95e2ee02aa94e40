"""Lists with an entry a band, as headers, tags and text files write them."""

from __future__ import annotations

import re
from collections.abc import Sequence

NUMBER = r"[-+]?\d+(?:[.,]\d*)?(?:[eE][-+]?\d+)?"
_GOOD = {"true": True, "t": True, "yes": True, "y": True, "good": True, "ok": True}
_BAD = {"false": False, "f": False, "no": False, "n": False, "bad": False}


def split_list(text: str, count: int) -> list[str]:
    """Split a list such as ``{ 1.0, 2.0 }`` into its entries.

    Decimal commas are told by the entries' number: ``{0,42; 0,51}``, ``{0,42, 0,51}``.
    """
    body = text.strip().strip("{}[]()").strip()
    if ";" in body:
        parts = body.split(";")
    else:
        parts = body.split(",") if "," in body else body.split()
        spaced = re.split(r",\s+", body.rstrip(", "))
        if len(spaced) == count and all(re.fullmatch(r"\s*[-+]?\d+,\d+\s*", s) for s in spaced):
            parts = spaced
    parts = [part.strip() for part in parts]
    while parts and not parts[-1]:
        parts.pop()
    return parts


def number(text: str | None) -> float | None:
    """Read a number; a text that starts with one (``478.3 nm``) counts too."""
    match = re.match(rf"\s*[\"']?({NUMBER})", text or "")
    return float(match[1].replace(",", ".")) if match else None


def unit_behind(texts: Sequence[str | None]) -> str | None:
    """Return the unit behind the first number that has one, as in ``478.3 nm``."""
    for text in texts:
        match = re.fullmatch(rf"\s*{NUMBER}\s*([^\W\d_][\w^/-]*)\s*", text or "")
        if match:
            return match[1]
    return None


def flag(text: str | None) -> bool | None:
    """Read an entry of a bad-band list: False is bad; None if it is neither."""
    word = (text or "").strip().strip("\"'").lower()
    value = number(word)
    if value is not None:
        return value != 0
    return (_GOOD | _BAD).get(word)
