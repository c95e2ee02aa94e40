"""Threads that compute side by side, each a share of the work by itself.

torch alone divides every single operation among its threads, which then wait for each other
thousands of times a second. Threads that sleep meanwhile wake late; threads that spin take the
processor from other programs, and stand still when these take it from them. A thread that
computes whole tiles, patches or networks waits for nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def thread_count(device: torch.device) -> int:
    """How many threads compute side by side on a device: torch's on the CPU, else one."""
    return torch.get_num_threads() if device.type == "cpu" else 1


def shares(count: int, device: torch.device) -> list[slice]:
    """Divide ``count`` things among the threads as evenly as they can be."""
    parts = max(1, min(count, thread_count(device)))
    bounds = [count * part // parts for part in range(parts + 1)]
    return [slice(*pair) for pair in zip(bounds, bounds[1:])]


def parallel_map(
    work: Callable[[Item], Result], items: Iterable[Item], device: torch.device
) -> list[Result]:
    """Apply ``work`` to every item, and return the results in the items' order.

    ``no_grad``, ``autocast`` and the like hold for one thread: ``work`` enters them itself.
    Work inside of such work is done in its own thread. The first exception is raised again.
    """
    threads = thread_count(device)
    if threads == 1:
        return [work(item) for item in items]
    return list(_pool(threads).map(work, items))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "compute", initializer=torch.set_num_threads, initargs=(1,))
