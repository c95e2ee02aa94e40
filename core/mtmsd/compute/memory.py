"""Memory that ran out, of a device or of the machine, and memory that is given back."""

from __future__ import annotations

import ctypes
import errno
import re
import sys
from collections.abc import Callable
from typing import Literal

from mtmsd.errors import MtmsdError

LARGE = 16 * 2**20
"""Arrays from so many bytes on are given back to the system as soon as they are freed."""
_M_MMAP_THRESHOLD = -3
_KINDS = {"OutOfMemoryError", "CPLE_OutOfMemoryError"}
"""torch's and GDAL's own, known by name: neither need be installed."""
_OTHER_KINDS = (MtmsdError, AssertionError, LookupError, NameError, TypeError, ValueError)
"""They speak of names and values, in which anything may be written."""
_NUMBERS = {errno.ENOMEM}
_WINDOWS_NUMBERS = {8, 14, 1455}
"""Not enough memory, out of memory, the paging file is too small."""
_WORDS = re.compile(
    r"\bout of memory\b(?! bounds)"  # CUDA, HIP, MPS, cuDNN's reasons, GDAL
    r"|\bcu[a-z]+_(status_)?alloc_failed\b"  # cuBLAS, cuDNN, cuSOLVER, cuSPARSE, cuFFT
    r"|device_allocation_failed\b|cudaerrormemoryallocation|erroroutofmemory"
    r"|\binvalid buffer size\b|\binsufficient memory\b"  # MPS
    r"|\b(can't|cannot|could not|failed to|unable to) allocate (memory|\S+ \S*b(ytes)?\b)"
    r"|\bnot enough memory\b|\bbad[_ ]alloc(ation)?\b"  # torch, the C++ library
    r"|\[winerror (8|14|1455)\]|\bpaging file is too small\b",
    re.IGNORECASE,
)
_DEVICE_WORDS = re.compile(r"\b(cuda|cu[a-z]+_|hip|mps|gpu|xpu)|kiogpu|cudnn|cublas", re.IGNORECASE)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, of the machine or of a device."""
    return ran_out_of(error) is not None


def ran_out_of(error: BaseException) -> Literal["device", "machine"] | None:
    """Return whose memory ran out; None if the exception says something else.

    torch, onnxruntime, GDAL and the systems have a kind or a number of their own for it, or only
    words.
    """
    if isinstance(error, _OTHER_KINDS):
        return None
    words = str(error)
    if isinstance(error, OSError) and error.filename is not None:
        words = error.strerror or ""  # the file's name may be anything
    known = isinstance(error, MemoryError) or not _KINDS.isdisjoint(
        kind.__name__ for kind in type(error).__mro__
    )
    numbered = (
        getattr(error, "errno", None) in _NUMBERS
        or getattr(error, "winerror", None) in _WINDOWS_NUMBERS
    )
    if not (known or numbered or _WORDS.search(words)):
        return None
    return "device" if _DEVICE_WORDS.search(words) else "machine"


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
