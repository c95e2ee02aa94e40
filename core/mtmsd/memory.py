"""Memory that ran out, of a device or of the machine, and memory that is given back."""

from __future__ import annotations

import ctypes
import sys

LARGE = 16 * 2**20
"""Arrays from so many bytes on are given back to the system as soon as they are freed."""
_M_MMAP_THRESHOLD = -3
_WORDS = ("can't allocate memory", "failed to allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out; torch has a kind of its own for it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return any(word in str(error).lower() for word in _WORDS)


def return_freed_memory() -> None:
    """Have glibc give large arrays back; other C libraries are left as they are.

    By itself it learns from those that were freed to keep the next ones, of up to 32 MiB. What
    lies between them then holds them fast, and memory grows with the number of windows read.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, LARGE)
