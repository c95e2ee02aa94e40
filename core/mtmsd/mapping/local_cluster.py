"""Worker processes of this machine; where it has graphics cards, each worker sees one of them.

Imported only where the package distributed is there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import dask
from distributed import LocalCluster

VISIBLE = "CUDA_VISIBLE_DEVICES"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class LocalWorkers(LocalCluster):
    """A scheduler, and workers that share this machine's cores and cards between them.

    Parameters
    ----------
    count : int
        Of the workers.
    threads : int
        That they may take together.
    cards : sequence of str
        As CUDA calls them; worker i gets the i-th, and it begins anew where there are more workers
        than cards.
    """

    def __init__(self, count: int, threads: int, cards: Sequence[str] = ()) -> None:
        self._cards = list(cards)
        each = str(max(1, threads // count))
        # A worker's death is told at once: whoever submits knows which block it had alone.
        with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
            super().__init__(
                n_workers=0,
                threads_per_worker=1,
                processes=True,
                dashboard_address=":0" if find_spec("bokeh") else None,
                env=dict.fromkeys(THREADS, each),
                silence_logs=50,
            )
        self.scale(count)

    def new_worker_spec(self) -> dict[Any, dict[str, Any]]:
        """Return what starts the next worker; it starts it again should it die."""
        specs: dict[Any, dict[str, Any]] = super().new_worker_spec()
        return {name: self._with_card(int(name), spec) for name, spec in specs.items()}

    def _with_card(self, number: int, spec: dict[str, Any]) -> dict[str, Any]:
        """Return a worker's own copy of what starts it: all share one dictionary."""
        if not self._cards:
            return spec
        card = {VISIBLE: self._cards[number % len(self._cards)]}
        options = spec["options"]
        return {**spec, "options": {**options, "env": {**options["env"], **card}}}


def cards_for(device: str) -> list[str]:
    """Return the cards that workers share out: none for a processor, or for a card by its number.

    A list in CUDA_VISIBLE_DEVICES is kept to; without one, all cards that PyTorch counts.
    """
    if device not in ("auto", "cuda"):
        return []
    told = os.environ.get(VISIBLE)
    if told is not None:
        return [card.strip() for card in told.split(",") if card.strip()]
    if find_spec("torch") is None:
        return []
    import torch

    return [str(card) for card in range(torch.cuda.device_count())]
