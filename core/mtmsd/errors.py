"""The one family of errors that a user of the engine may see."""

from __future__ import annotations


class MtmsdError(Exception):
    """Something the user can act on.

    Parameters
    ----------
    message : str
        One sentence that names the file, the layer, the band or the number.
    hint : str
        What to do about it; may be empty.
    code : str
        A fixed word for programs, such as ``"input"`` or ``"no-memory"``.
    """

    code = "error"
    exit_status = 1

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InputError(MtmsdError):
    """The input or a setting is wrong (exit status 1)."""

    code = "input"


class MachineError(MtmsdError):
    """The machine failed: memory, disk, device (exit status 4)."""

    code = "machine"
    exit_status = 4


class Canceled(MtmsdError):
    """The user asked to stop; everything up to then is kept (exit status 3)."""

    code = "canceled"
    exit_status = 3

    def __init__(self, message: str = "Canceled.", *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
