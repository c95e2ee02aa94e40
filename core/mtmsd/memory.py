"""Whether memory, of a device or of the machine, ran out, whichever library says so."""

from __future__ import annotations

_WORDS = ("can't allocate memory", "failed to allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out; torch has a kind of its own for it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return any(word in str(error).lower() for word in _WORDS)
