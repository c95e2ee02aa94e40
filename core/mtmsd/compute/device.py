"""Devices that tensors are computed on: their names, their memory, and a first operation."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import psutil
import torch

PROBE_SIDE = 1024


def device_names(warn: Callable[[str], None] | None = None) -> list[str]:
    """Names of the devices that torch sees, the slowest first.

    ``warn`` is told of a driver that there is, and that does not work.
    """
    names = ["cpu"]
    for kind, count in (("mps", _mps_count), ("cuda", torch.cuda.device_count)):
        reason, found = "", 0
        with warnings.catch_warnings(record=True) as told:  # so torch says that a driver fails
            warnings.simplefilter("always")
            try:
                found = count()
            except Exception as error:  # a library of the driver's is missing, or is another's
                reason = one_line(error)
        reason = reason or next((one_line(w.message) for w in told), "")
        if reason and not found and warn is not None:
            warn(f"The {kind} driver does not work ({reason}).")
        numbers = reversed(range(found))
        names += [kind] * found if kind == "mps" else [f"{kind}:{i}" for i in numbers]
    return names


def probe(device: torch.device) -> float:
    """Multiply two matrices on the device and check the result; seconds of the second run."""
    ones = torch.ones(PROBE_SIDE, PROBE_SIDE, device=device)
    for _ in range(2):
        start = time.perf_counter()
        corner = float((ones @ ones)[0, 0].cpu())
        seconds = time.perf_counter() - start
    if corner != PROBE_SIDE:
        raise RuntimeError(f"a matrix product gave {corner} for {PROBE_SIDE}")
    return seconds


def free_memory(device: torch.device) -> int:
    """Bytes that a new tensor on the device could take."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def title(device: torch.device) -> str:
    """Return what people call the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return {"cpu": f"CPU, {torch.get_num_threads()} threads", "mps": "Apple GPU"}[device.type]


def one_line(error: object) -> str:
    """Return what an exception or a warning says, in one line of no more than 200 characters."""
    text = " ".join(str(error).split()).rstrip(".")
    return (text if len(text) <= 200 else f"{text[:199]}…") or type(error).__name__


def _mps_count() -> int:
    return int(torch.backends.mps.is_available())
