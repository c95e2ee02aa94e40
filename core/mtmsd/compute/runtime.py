"""What computes tiles: torch, or onnxruntime where there is no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np


class Runtime(Protocol):
    """What computes a classifier's tiles, with arrays of its own kind on one device.

    Its arrays are indexed, added, multiplied and reshaped as numpy's are.

    Attributes
    ----------
    kind : str
        ``cpu``, ``cuda`` or ``mps``.
    threads : int
        So many tiles are computed side by side.
    """

    kind: str
    threads: int

    def array(self, values: np.ndarray) -> Any:
        """Bring an array to the device."""

    def zeros(self, *shape: int) -> Any:
        """Make an array of zeros on the device, float32."""

    def numpy(self, array: Any) -> np.ndarray:
        """Bring an array back."""

    def votes(self, tiles: Sequence[Any], *, compare: bool) -> Any:
        """What V voters say of the P pixels of N whitened tiles (C, S, S).

        Probabilities (V, N, P, K); with ``compare``, how far the members differ follows the
        K classes. Patchwise, P is 1.
        """

    def free_memory(self) -> int:
        """Bytes that are free on the device."""

    def release(self) -> None:
        """Give memory that is kept for later back to the device."""
