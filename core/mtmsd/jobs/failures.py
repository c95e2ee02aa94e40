"""The one place where exceptions of libraries and of the system become sentences."""

from __future__ import annotations

import errno
import sys

from mtmsd.errors import Canceled, InputError, MachineError, MtmsdError

_NO_SPACE = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG}
_NO_SPACE_WORDS = ("no space left", "quota exceeded", "file too large")
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}


def explain(error: BaseException) -> MtmsdError | None:
    """Return what to tell the user about an exception, or None if it was not foreseen."""
    if isinstance(error, MtmsdError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Canceled()
    if _is_out_of_device_memory(error):
        return MachineError(
            "The device has not enough memory for this job.",
            hint="Lower batch_size or width (--set batch_size=4), or use --device cpu.",
            code="no-memory",
        )
    if isinstance(error, MemoryError) or _says(error, "can't allocate", "not enough memory"):
        return MachineError(
            "The machine has not enough memory for this job.",
            hint="Lower batch_size or width (--set batch_size=4), or close other programs.",
            code="no-memory",
        )
    if isinstance(error, OSError):
        return _explain_os(error)
    if isinstance(error, ModuleNotFoundError) and error.name == "torch":
        return MachineError(
            f"This needs torch, which the engine's Python {sys.executable} lacks.",
            hint="A light engine classifies, vectorises and assesses; set up the full one.",
            code="no-package",
        )
    return None


def unforeseen(error: BaseException, log: str) -> MachineError:
    """Return the sentence for an exception that nobody foresaw; ``log`` has the traceback."""
    first_line = (str(error).strip() or "no message").splitlines()[0]
    return MachineError(
        f"The engine failed unexpectedly ({type(error).__name__}: {first_line}).",
        hint=f"The details are in {log}; please report them.",
        code="unexpected",
    )


def _is_out_of_device_memory(error: BaseException) -> bool:
    torch = sys.modules.get("torch")
    kind = getattr(torch, "OutOfMemoryError", None)
    if kind is not None and isinstance(error, kind):
        return True
    return isinstance(error, RuntimeError) and _says(error, "out of memory")


def _says(error: BaseException, *words: str) -> bool:
    """Whether an error of a library that has no kind of its own for it has these words."""
    return any(word in str(error).lower() for word in words)


def _explain_os(error: OSError) -> MtmsdError | None:
    name = error.filename2 or error.filename
    place = f" while {name} was written" if name else ""
    if error.errno in _NO_SPACE or _says(error, *_NO_SPACE_WORDS):
        return MachineError(
            f"The disk is full or its quota is used up{place}.",
            hint="Make room, or write to another disk.",
            code="disk-full",
        )
    if error.errno == errno.ENOMEM:
        return explain(MemoryError())
    if not name:
        return None
    if error.errno in _NOT_WRITABLE:
        return InputError(
            f"{name} cannot be opened or written ({error.strerror}).",
            hint="Check its permissions or choose another place.",
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return InputError(f"{name} does not exist (any more).", hint="Check the path.")
    if error.errno in (errno.EIO, errno.ESTALE):
        return MachineError(
            f"{name} could not be read or written ({error.strerror}).",
            hint="Check the disk or the network drive.",
            code="disk",
        )
    return None
