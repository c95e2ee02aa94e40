"""The arithmetic of a network: the number format and memory layout that it is computed in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, get_args

import torch
from torch import nn

from mtmsd.errors import InputError
from mtmsd.settings import Layout, Precision

N = TypeVar("N", bound=nn.Module)
S = TypeVar("S", bound="HasArithmetic")

AUTO = "auto"
MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class HasArithmetic(Protocol):
    """Settings that name an arithmetic; ``auto`` is what is measured to be the fastest."""

    @property
    def precision(self) -> str:
        """``fp32``, ``bf16`` or ``auto``."""

    @property
    def layout(self) -> str:
        """``contiguous``, ``channels_last`` or ``auto``."""


@dataclass(frozen=True)
class Arithmetic:
    """A number format of matrix products and a memory layout of feature maps."""

    precision: str = "fp32"
    layout: str = "contiguous"

    @classmethod
    def of(cls, settings: HasArithmetic) -> Arithmetic:
        """Return what the settings name; a layout that is left open is ``contiguous``.

        Raises
        ------
        ValueError
            If they leave the precision open: it is measured before anything is computed.
        """
        if settings.precision == AUTO:
            raise ValueError("no precision was chosen")
        return cls(settings.precision, _or_contiguous(settings.layout))

    @property
    def memory_format(self) -> torch.memory_format:
        """The layout as torch names it."""
        return MEMORY_FORMATS[self.layout]

    def autocast(self, device: torch.device) -> AbstractContextManager[object]:
        """Return what has matrix products computed in the number format."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(device.type, torch.bfloat16)

    def place(self, network: N, device: torch.device) -> N:
        """Bring a network to the device, its weights in the layout."""
        return network.to(device, memory_format=self.memory_format)  # type: ignore[call-overload]

    def fill(self, settings: S) -> S:
        """Return the settings with this arithmetic."""
        return replace(settings, precision=self.precision, layout=self.layout)  # type: ignore[type-var]

    def __str__(self) -> str:
        return f"{self.precision},{self.layout}"


FORMS = tuple(
    Arithmetic(precision, layout)
    for precision in get_args(Precision)
    for layout in get_args(Layout)
    if AUTO not in (precision, layout)
)
"""All there are, float32 and contiguous first."""


def named(text: str) -> Arithmetic:
    """Return the arithmetic of that name, ``fp32,channels_last`` for example.

    Raises
    ------
    InputError
    """
    for form in FORMS:
        if str(form) == text.replace(" ", ""):
            return form
    raise InputError(
        f"There is no arithmetic '{text}'.", hint=f"Choose from: {'; '.join(map(str, FORMS))}."
    )


def _or_contiguous(layout: str) -> str:
    return "contiguous" if layout == AUTO else layout
