"""Files that are being written: their names, and what killed runs left of them."""

from __future__ import annotations

import glob
import secrets
from pathlib import Path

SUFFIX = ".part"
LONGEST = 60
"""Characters of the final name that stay in the temporary one; file systems allow 255 bytes."""


def partial_path(path: Path) -> Path:
    """Return a new temporary name beside ``path``, hidden on most systems."""
    return path.with_name(f".{path.name[:LONGEST]}.{_token()}{SUFFIX}")


def remove_partials(path: Path) -> None:
    """Remove what runs that were killed have left of ``path``."""
    token = "?" * len(_token())
    for left in path.parent.glob(f".{glob.escape(path.name[:LONGEST])}.{token}{SUFFIX}*"):
        left.unlink(missing_ok=True)


def _token() -> str:
    return secrets.token_hex(4)
