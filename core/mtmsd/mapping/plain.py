"""Classifiers without a diffusion network: they map where there is no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Union

from mtmsd.errors import InputError
from mtmsd.files.model_check import parts_of
from mtmsd.files.tensor_file import load_arrays
from mtmsd.spectral.classifier import KIND, SpectralClassifier
from mtmsd.stack.classifier import StackClassifier


def load_classifier(path: Path) -> Union[SpectralClassifier, StackClassifier]:
    """Read a classifier file that holds no diffusion network.

    Raises
    ------
    InputError
        If it is none, or damaged.
    """
    arrays, metadata = load_arrays(path, KIND)
    with parts_of(path):
        if "spectral" in metadata:
            return SpectralClassifier.from_arrays(arrays, metadata)
        return StackClassifier.from_arrays(arrays, metadata)


def choose_device(name: str = "auto", warn: Callable[[str], None] | None = None) -> str:
    """Return the processor, whatever is there: nothing else computes these.

    Raises
    ------
    InputError
        If there is no such name.
    """
    kind, _, number = name.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or not (number or "0").isdecimal():
        raise InputError(
            f"There is no device '{name}'.", hint="Choose auto, cpu, cuda, cuda:N or mps."
        )
    return "cpu"
