"""How much each stream weighs: a log-linear pool, fitted to predictions on spatial folds.

The pool's logits are Σ wₛ·log pₛ with weights wₛ ≥ 0 (Genest & Zidek 1986, doi
10.1214/ss/1177013825). Their sum says how sharp the pool is, their shares who is listened to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

FLOOR = 0.01
"""Share of a stream's probability that is spread over all classes: none may veto a class."""
PRIOR = 0.3
"""Observations (polygons) that equal weights count for."""
SIZE_COUNTS = 0.75
"""A polygon of n pixels weighs n to this power. At 0 regions of a pixel or two, whose labels are
the doubtful ones, make the confidence too low; at 1 a single lake chooses the weights."""


@dataclass(frozen=True)
class Pool:
    """Weights of the streams.

    Attributes
    ----------
    shares : float64 array (S,)
        Summing to 1.
    temperature : float
        By which the pool's logits are divided.
    """

    shares: np.ndarray
    temperature: float

    def log_probabilities(self, streams: np.ndarray) -> np.ndarray:
        """Pool log-probabilities (S, n, K) of the streams to those of the classes, (n, K)."""
        return normalised(np.tensordot(self.shares / self.temperature, streams, 1))


def floored(probabilities: np.ndarray) -> np.ndarray:
    """Logarithms of probabilities (..., K), of which a little is spread over all classes."""
    classes = probabilities.shape[-1]
    return np.log((1 - FLOOR) * probabilities.astype(np.float64) + FLOOR / classes)


def normalised(logits: np.ndarray) -> np.ndarray:
    """Make log-probabilities of logits over the last axis."""
    return logits - logsumexp(logits, -1, keepdims=True)


def class_shares(labels: np.ndarray, values: Sequence[int]) -> np.ndarray:
    """Shares of the classes ``values`` among labelled pixels (n,); a class without any has one."""
    counts = np.maximum([np.count_nonzero(labels == value) for value in values], 1)
    return counts / counts.sum()


def favour_rare(logits: np.ndarray, shares: np.ndarray, power: float) -> np.ndarray:
    """Divide class probabilities by a power of the classes' shares; log-probabilities (n, K).

    The logit adjustment of Menon et al. 2021 (arXiv 2007.07314).
    """
    return normalised(logits - power * np.log(shares))


def equal_pool(streams: int) -> Pool:
    """Return the pool that listens to all alike."""
    return Pool(np.full(streams, 1 / streams), 1.0)


def fit_pool(streams: np.ndarray, truth: np.ndarray, groups: np.ndarray) -> Pool:
    """Find the weights that make held-out classes most likely.

    Parameters
    ----------
    streams : float64, shape (S, n, K)
        Log-probabilities of pixels that each stream has not learnt.
    truth : int, shape (n,)
        Column of the true class.
    groups : int, shape (n,)
        Polygon of each pixel: as many independent observations as there are polygons. Against
        them stands a quadratic penalty on weights that are not equal, worth ``PRIOR`` of them.
    """
    count, n, _ = streams.shape
    even = 1 / count
    if not n:
        return equal_pool(count)
    polygons, of, size = np.unique(groups, return_inverse=True, return_counts=True)
    share = size[of] ** (SIZE_COUNTS - 1)
    share /= share.sum()
    rows = np.arange(n)
    right = streams[:, rows, truth]

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        logits = normalised(np.tensordot(w, streams, 1))
        expected = (streams * np.exp(logits)).sum(2)
        penalty = PRIOR / len(polygons) * count
        value = -(share * logits[rows, truth]).sum() + penalty * ((w - even) ** 2).sum()
        slope = ((expected - right) * share).sum(1) + 2 * penalty * (w - even)
        return float(value), slope

    start = np.full(count, even)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * count).x
    total = found.sum()
    if not total > 0:
        return equal_pool(count)
    return Pool(found / total, float(1 / total))


def disagreement(streams: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Say how far streams differ, 0 (not at all) to 1: (S, n, K) log-probabilities -> (n,).

    The mutual information of class and stream, over its greatest value, as for the members of
    an ensemble (:func:`mtmsd.classify.ensemble.disagreement`).
    """
    heard = streams[shares > 0]
    weights = shares[shares > 0]
    likely = np.exp(heard)
    mean = np.tensordot(weights, likely, 1)
    own = -(likely * heard).sum(2)
    information = -(mean * np.log(np.maximum(mean, 1e-12))).sum(1) - weights @ own
    most = np.log(max(2, min(len(weights), streams.shape[2])))
    return np.clip(information / most, 0, 1).astype(np.float32)
