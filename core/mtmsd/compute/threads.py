"""Threads that compute side by side, each a share of the work by itself.

torch alone divides every single operation among its threads, which then wait for each other
thousands of times a second. Threads that sleep meanwhile wake late; threads that spin take the
processor from other programs, and stand still when these take it from them. A thread that
computes whole tiles, patches or networks waits for nobody.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
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

    Where there are fewer items than threads, each item gets several: 8 patches on 32 cores are
    computed by 4 threads each, which divide its single operations, or its own items if it calls
    this function again.

    ``no_grad``, ``autocast`` and the like hold for one thread: ``work`` enters them itself.
    The first exception is raised again.
    """
    items, threads = list(items), thread_count(device)
    if threads == 1 or len(items) < 2:
        return [work(item) for item in items]
    each = math.ceil(threads / len(items))

    def work_with_threads(item: Item) -> Result:
        if torch.get_num_threads() != each:
            torch.set_num_threads(each)
        return work(item)

    return list(_pool(threads).map(work_with_threads, items))


_own = threading.local()


def _pool(threads: int) -> ThreadPoolExecutor:
    """Return the pool of the calling thread: none waits for a thread that works for another."""
    pools: dict[int, ThreadPoolExecutor] = _own.__dict__.setdefault("pools", {})
    if threads not in pools:
        pools[threads] = ThreadPoolExecutor(threads, "compute")
    return pools[threads]
