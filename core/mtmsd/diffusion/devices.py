"""Choosing a device: by one real training step on it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch

from mtmsd.compute.adam import Adam
from mtmsd.compute.arithmetic import Arithmetic
from mtmsd.compute.device import device_names, free_memory, one_line, probe, title
from mtmsd.diffusion.patches import Batch
from mtmsd.diffusion.schedule import cosine_schedule
from mtmsd.diffusion.step import set_gradients
from mtmsd.diffusion.unet import UNet
from mtmsd.errors import InputError, MachineError

HINT = "Choose auto, cpu, cuda, cuda:N or mps."


def choose_device(name: str = "auto", warn: Callable[[str], None] | None = None) -> torch.device:
    """Return the device of that name: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Parameters
    ----------
    name : str
        ``auto`` is the fastest one on which a training step works, at last the processor.
    warn : callable, optional
        Is told, in a sentence each, which devices ``auto`` passes over and why.

    Raises
    ------
    InputError
        If there is no such name.
    MachineError
        If the device is not there or a training step on it fails.
    """
    if name == "auto":
        for candidate in device_names(warn)[:0:-1]:
            if not (reason := training_failure(candidate)):
                return torch.device(candidate)
            if warn is not None:
                warn(f"The device '{candidate}' failed in a first training step ({reason}).")
        return torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"There is no device '{name}'.", hint=HINT) from None
    if device.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"The device '{name}' is not supported.", hint=HINT)
    if reason := training_failure(name):
        raise MachineError(
            f"The device '{name}' does not work here ({reason}).",
            hint="Choose another device, or cpu.",
            code="no-device",
        )
    return device


@cache
def training_failure(name: str) -> str:
    """Why a training step on the device of that name fails, in one line; empty if it works."""
    if name == "cpu":
        return ""  # there is nothing else to take
    try:
        train_once(torch.device(name))
    except Exception as error:  # each driver, and each library that it lacks, has kinds of its own
        return one_line(error)
    return ""


def train_once(device: torch.device) -> None:
    """Take one optimiser step of a small U-Net on the device.

    Raises
    ------
    RuntimeError
        If the loss or a weight is no number; and whatever the device itself raises.
    """
    form, generator = Arithmetic(), torch.Generator().manual_seed(0)
    x0, noise = (torch.randn(2, 2, 8, 8, generator=generator) for _ in range(2))
    network = form.place(UNet(2, 32), device).train()
    loss, bound = set_gradients(
        network, cosine_schedule(), Batch(x0, torch.tensor([0, 500]), noise), device, form
    )
    Adam(network).step(1e-3)
    moved = sum(float(weight.detach().abs().sum()) for weight in network.out[2].parameters())
    for number in (float(loss), float(bound), moved):  # these weights were 0 before
        if not math.isfinite(number) or not number:
            raise RuntimeError(f"a training step gave {number}")


def report() -> list[dict[str, Any]]:
    """Every device with its memory in bytes and the outcome of a real training step."""
    rows = []
    for name in device_names():
        device = torch.device(name)
        row: dict[str, Any] = {"name": name, "kind": name, "ok": True, "error": ""}
        try:
            row["kind"] = title(device)
            row["seconds"] = probe(device)
            row["free_bytes"] = free_memory(device)
        except Exception as error:  # see training_failure
            row.update(ok=False, error=one_line(error))
        else:
            reason = training_failure(name)
            row.update(ok=not reason, error=reason)
        rows.append(row)
    return rows
