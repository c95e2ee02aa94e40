"""Tiles computed by torch, on any of its devices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mtmsd.classify.classifier import Classifier
from mtmsd.compute.device import free_memory
from mtmsd.compute.threads import parallel_map, shares, thread_count


class EagerRuntime:
    """A classifier on one device of torch; see :class:`mtmsd.compute.runtime.Runtime`."""

    def __init__(self, classifier: Classifier, device: torch.device) -> None:
        self._classifier = classifier.to(device)
        self._device = device
        self.kind = device.type
        self.threads = thread_count(device)

    def array(self, values: np.ndarray) -> Tensor:
        """Bring an array to the device."""
        return torch.from_numpy(values).to(self._device)

    def zeros(self, *shape: int) -> Tensor:
        """Make an array of zeros on the device, float32."""
        return torch.zeros(shape, device=self._device)

    def numpy(self, array: Tensor) -> np.ndarray:
        """Bring an array back."""
        return array.cpu().numpy()

    def votes(self, tiles: Sequence[Tensor], *, compare: bool) -> Tensor:
        """Return what the voters say of tiles: (V, N, P, K) or (V, N, P, K + 1)."""
        stacked = torch.stack(list(tiles))

        def votes(share: slice) -> Tensor:
            return self._classifier.votes(stacked[share], compare=compare)

        parts = parallel_map(votes, shares(len(stacked), self._device), self._device)
        return torch.cat(parts, dim=1)

    def free_memory(self) -> int:
        """Bytes that are free on the device."""
        return free_memory(self._device)

    def release(self) -> None:
        """Give memory that is kept for later back to the device."""
        if self.kind == "cuda":
            torch.cuda.empty_cache()


def runtime_on(classifier: Classifier, device: torch.device) -> EagerRuntime:
    """Return what computes the classifier's tiles on that device."""
    return EagerRuntime(classifier, device)
