"""Where to cut the time of the diffusion: stages in which an optimal denoiser does the same.

Zhang, Lu et al., "Improving Efficiency of Diffusion Models via Multi-Stage Framework and Tailored
Multi-Decoder Architectures", CVPR 2024, arXiv 2312.09181.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mtmsd.diffusion.schedule import CosineSchedule

NODES = 21
SIDE = 4
"""Pixels along a patch that is denoised: of whole patches the nearest one alone would count."""
PATCHES, QUERIES = 1024, 64
THRESHOLD = 0.1
"""Two denoised values of whitened components, of variance 1, are the same below this difference."""


def optimal_denoiser(
    noised: np.ndarray, patches: np.ndarray, scale: float, sigma: float
) -> np.ndarray:
    """Return what is expected behind noised patches, if nothing but ``patches`` exists.

    Σ y·w(y) with w ∝ exp(−‖x − s·y‖² / (2 s²σ²)), in float64, the maximum subtracted.

    Parameters
    ----------
    noised : array (q, d)
        x = s·(y + σ·noise).
    patches : array (n, d)
    scale, sigma : float
        s and σ.
    """
    x, y = np.asarray(noised, np.float64) / scale, np.asarray(patches, np.float64)
    distance = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T
    logits = -distance / (2 * sigma**2)
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True) @ y


def similarities(denoised: np.ndarray, threshold: float) -> np.ndarray:
    """Share of values that differ by less than a threshold, (n, q, d) -> (n, n)."""
    n = len(denoised)
    found = np.eye(n)
    for i in range(n):
        for j in range(i):
            same = np.abs(denoised[i] - denoised[j]) < threshold
            found[i, j] = found[j, i] = same.mean()
    return found


def best_segments(similarity: np.ndarray, count: int) -> tuple[list[int], float]:
    """Cut n nodes into contiguous segments that are most alike within.

    Exact, by dynamic programming over 2-D prefix sums, in O(count · n²).

    Parameters
    ----------
    similarity : array (n, n)
    count : int
        Segments, 1 to n.

    Returns
    -------
    cuts : list of int
        First node of each segment but the first.
    objective : float
        Σ over segments of the mean of their block.
    """
    n = len(similarity)
    sums = np.zeros((n + 1, n + 1))
    sums[1:, 1:] = similarity.cumsum(0).cumsum(1)

    def mean(first: int, stop: int) -> float:
        block = sums[stop, stop] - sums[first, stop] - sums[stop, first] + sums[first, first]
        return float(block) / (stop - first) ** 2

    best = [[-math.inf] * (n + 1) for _ in range(count + 1)]
    begins = [[0] * (n + 1) for _ in range(count + 1)]
    best[0][0] = 0.0
    for k in range(1, count + 1):
        for stop in range(k, n + 1):
            for first in range(k - 1, stop):
                value = best[k - 1][first] + mean(first, stop)
                if value > best[k][stop]:
                    best[k][stop], begins[k][stop] = value, first
    cuts, stop = [], n
    for k in range(count, 0, -1):
        stop = begins[k][stop]
        cuts.append(stop)
    return cuts[-2::-1], best[count][n]


def last_timesteps(
    schedule: CosineSchedule, patches: np.ndarray, count: int, seed: int
) -> tuple[int, ...]:
    """Return the last timestep of each stage but the last, ascending.

    Parameters
    ----------
    patches : array (n, C, S, S)
        Whitened.
    count : int
        Stages.
    seed : int
        Of the small patches, and of the one noise of all timesteps.
    """
    rng = np.random.default_rng(seed)
    small = _small(patches, rng)
    queries = small[:QUERIES]
    noise = rng.standard_normal(queries.shape)
    nodes = np.linspace(0, schedule.steps - 1, NODES).round().astype(int)
    denoised = []
    for t in nodes:
        signal = schedule.alphas_cumprod[t]
        scale, sigma = math.sqrt(signal), math.sqrt((1 - signal) / signal)
        denoised.append(optimal_denoiser(scale * (queries + sigma * noise), small, scale, sigma))
    cuts, _ = best_segments(similarities(np.stack(denoised), THRESHOLD), count)
    return tuple(int(nodes[first - 1] + nodes[first]) // 2 for first in cuts)


def _small(patches: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut small patches at random: (n, C·SIDE²)."""
    last = patches.shape[-1] - SIDE
    of = rng.integers(len(patches), size=PATCHES)
    rows, cols = rng.integers(last + 1, size=(2, PATCHES))
    cut = [patches[i, :, r : r + SIDE, c : c + SIDE].ravel() for i, r, c in zip(of, rows, cols)]
    return np.stack(cut)


def spans(last: Sequence[int], steps: int) -> tuple[range, ...]:
    """Timesteps of each stage: those above the last of the stage before, up to its own."""
    bounds = (-1, *last, steps - 1)
    return tuple(range(low + 1, high + 1) for low, high in zip(bounds, bounds[1:]))
