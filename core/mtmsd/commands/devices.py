"""Work on the device that was chosen, and on the processor where a card fails in it."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

from mtmsd.compute.memory import is_out_of_memory
from mtmsd.errors import MachineError
from mtmsd.reporting import Reporter

T = TypeVar("T")


def on_device(devices: ModuleType, name: str, reporter: Reporter, work: Callable[[Any], T]) -> T:
    """Do the work on a device; where ``auto`` took a card that fails, the processor does it again.

    A card may pass the trial of :func:`choose_device` and fail with the real network: a kernel is
    missing for its size, a library for its operations.

    Parameters
    ----------
    devices : module
        With ``choose_device``: that of torch or that of onnxruntime.
    name : str
        As the user gives it. A card that was asked for by name is not replaced.
    reporter : Reporter
        Is warned of the card that failed.
    work : callable
        Takes the device.
    """
    device = devices.choose_device(name)
    try:
        return work(device)
    except (RuntimeError, TypeError, MachineError) as error:  # float64 on MPS is a TypeError
        if name != "auto" or str(device) == "cpu" or not _may_be_the_devices(error):
            raise
        reason = " ".join(str(getattr(error, "message", error)).split())[:200].rstrip(".")
    reporter.warning(
        f"The device '{device}' was chosen and then failed ({reason}). The processor takes over."
    )
    return work(devices.choose_device("cpu"))


def _may_be_the_devices(error: Exception) -> bool:
    if isinstance(error, MachineError):
        return error.code == "no-device"
    return not is_out_of_memory(error)
