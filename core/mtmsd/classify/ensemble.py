"""What the members of an ensemble say together, and how far they differ."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def voters(members: Tensor, vote: str, *, compare: bool) -> Tensor:
    """Members who vote by themselves (``mode``), or their mean as the one voter.

    Parameters
    ----------
    members : Tensor (M, N, P, K)
        Probabilities of each member.
    vote : str
        ``mode`` or ``mean``.
    compare : bool
        Whether the members' disagreement follows the K classes.

    Returns
    -------
    Tensor (V, N, P, K) or (V, N, P, K + 1)
    """
    voting = members if vote == "mode" else members.mean(0, keepdim=True)
    if not compare:
        return voting
    differ = disagreement(members)[None, ..., None]
    return torch.cat([voting, torch.cat([differ] * len(voting))], -1)


def disagreement(members: Tensor) -> Tensor:
    """Say how far the members of an ensemble differ, 0 (not at all) to 1.

    The mutual information of class and member, entropy of the mean less mean of the
    entropies, over its greatest value (Houlsby et al. 2011, arXiv 1112.5745).

    Parameters
    ----------
    members : Tensor (M, ..., K)
        Probabilities of each member.
    """
    information = _entropy(members.mean(0)) - _entropy(members).mean(0)
    greatest = math.log(max(2, min(members.shape[0], members.shape[-1])))
    return (information / greatest).clamp(0, 1)


def _entropy(probabilities: Tensor) -> Tensor:
    return -(probabilities * probabilities.clamp(min=1e-12).log()).sum(-1)
