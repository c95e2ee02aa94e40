"""How an ensemble agrees on a class: for the map and for the held-out figures alike."""

from __future__ import annotations

import numpy as np


def elect(shares: np.ndarray, vote: str) -> tuple[np.ndarray, np.ndarray]:
    """Return class probabilities and the class that is chosen.

    Parameters
    ----------
    shares : float array (V, K, ...)
        Class probabilities of each voter (see :func:`mtmsd.classify.ensemble.voters`).
    vote : str
        ``mean``: the likeliest class by the voters' mean; ``mode``: the class that is the
        likeliest for most voters, the first of them in a draw.

    Returns
    -------
    probabilities : float array (K, ...)
        Mean of the voters.
    chosen : int array (...)
        Position of the class.
    """
    probabilities = shares.mean(0)
    if vote != "mode":
        return probabilities, probabilities.argmax(0)
    ballots = shares.argmax(1)
    counts = [(ballots == k).sum(0) for k in range(shares.shape[1])]
    return probabilities, np.argmax(counts, 0)
