"""The one place where exceptions of libraries and of the system become sentences."""

from __future__ import annotations

import errno
import sys

from mtmsd.compute.memory import ran_out_of
from mtmsd.errors import Canceled, InputError, MachineError, MtmsdError
from mtmsd.files.atomic import is_disk_full

_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}


def explain(error: BaseException) -> MtmsdError | None:
    """Return what to tell the user about an exception, or None if it was not foreseen."""
    if isinstance(error, MtmsdError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Canceled()
    owner = ran_out_of(error)
    if owner is not None:
        instead = "use --device cpu" if owner == "device" else "close other programs"
        return MachineError(
            f"The {owner} has not enough memory for this job.",
            hint=f"Lower batch_size or width (--set batch_size=4), or {instead}.",
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


def _explain_os(error: OSError) -> MtmsdError | None:
    name = error.filename2 or error.filename
    place = f" while {name} was written" if name else ""
    if is_disk_full(error):
        return MachineError(
            f"The disk is full or its quota is used up{place}.",
            hint="Make room, or write to another disk.",
            code="disk-full",
        )
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
