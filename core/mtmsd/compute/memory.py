"""Memory that ran out, of a device or of the machine, and memory that is given back."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

LARGE = 16 * 2**20
"""Arrays from so many bytes on are given back to the system as soon as they are freed."""
_M_MMAP_THRESHOLD = -3
_WORDS = ("can't allocate memory", "failed to allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out; torch has a kind of its own for it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return any(word in str(error).lower() for word in _WORDS)


def keep_no_large_arrays() -> None:
    """Have glibc give large arrays back as soon as they are freed.

    By itself it learns from those that were freed to keep the next ones, of up to 32 MiB. What
    lies between them then holds them fast, and memory grows with the number of windows read.
    """
    mallopt = _c_function("mallopt")
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE)


def return_freed_memory() -> None:
    """Give all pages that are free now back to the system, in about 10 ms.

    Small arrays that threads have freed would else add up, by another sum in every run.
    """
    trim = _c_function("malloc_trim")
    if trim is not None:
        trim(0)


def _c_function(name: str) -> Callable[..., int] | None:
    """Return a function of glibc; other C libraries are left as they are."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
