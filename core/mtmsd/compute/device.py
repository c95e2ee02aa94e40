"""Where tensors are computed: choosing a device, its memory, and whether it really works."""

from __future__ import annotations

import time
from typing import Any

import psutil
import torch

from mtmsd.errors import InputError, MachineError

PROBE_SIDE = 1024


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of that name: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises
    ------
    InputError
        If there is no such name.
    MachineError
        If the device is not there or a tensor operation on it fails.
    """
    if name == "auto":
        return next(torch.device(n) for n in device_names()[::-1] if _works(n))
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(
            f"There is no device '{name}'.", hint="Choose auto, cpu, cuda, cuda:N or mps."
        ) from None
    if device.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"The device '{name}' is not supported.", hint="Choose cpu, cuda or mps.")
    try:
        probe(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise MachineError(
            f"The device '{name}' does not work here ({reason}).",
            hint="Choose another device, or cpu.",
            code="no-device",
        ) from error
    return device


def device_names() -> list[str]:
    """Names of the devices that torch sees, the slowest first."""
    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())][::-1]
    return ["cpu", *(["mps"] if torch.backends.mps.is_available() else []), *cuda]


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


def report() -> list[dict[str, Any]]:
    """Every device with its memory in bytes and the outcome of a real tensor operation."""
    rows = []
    for name in device_names():
        device = torch.device(name)
        row: dict[str, Any] = {"name": name, "kind": _title(device), "ok": True, "error": ""}
        try:
            row["seconds"] = probe(device)
            row["free_bytes"] = free_memory(device)
            row["bf16"] = bf16_is_fast(device)
        except RuntimeError as error:
            row.update(ok=False, error=str(error).splitlines()[0])
        rows.append(row)
    return rows


def free_memory(device: torch.device) -> int:
    """Bytes that a new tensor on the device could take."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def bf16_is_fast(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    has_unit = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return device.type == "cpu" and has_unit()


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Autocasting to bfloat16 if asked for, or where it is fast and precision is ``auto``."""
    enabled = precision == "bf16" or (precision == "auto" and bf16_is_fast(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def _works(name: str) -> bool:
    try:
        probe(torch.device(name))
    except RuntimeError:
        return False
    return True


def _title(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return {"cpu": f"CPU, {torch.get_num_threads()} threads", "mps": "Apple GPU"}[device.type]
