"""How sure a classifier is: calibrated probabilities, entropy, disagreement of an ensemble.

On tensors, where the map is made; temperatures are found in :mod:`mtmsd.assess.calibration`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def tempered(probabilities: Tensor, temperature: float, dim: int) -> Tensor:
    """Flatten (temperature above 1) or sharpen (below 1) probabilities; the best class stays."""
    if temperature == 1:
        return probabilities
    return torch.softmax(probabilities.clamp(min=1e-12).log() / temperature, dim)


def entropy(probabilities: Tensor, dim: int) -> Tensor:
    """Entropy of class probabilities, in nats; the classes' axis ``dim`` goes."""
    return torch.special.entr(probabilities).sum(dim)


def normalized_entropy(probabilities: Tensor, dim: int) -> Tensor:
    """Entropy over its greatest value: 0 certain, 1 no idea."""
    return entropy(probabilities, dim) / math.log(max(2, probabilities.shape[dim]))


def disagreement(members: Tensor) -> Tensor:
    """Say how far the members of an ensemble differ, 0 (not at all) to 1.

    The mutual information of class and member, entropy of the mean less mean of the
    entropies, over its greatest value (Houlsby et al. 2011, arXiv 1112.5745).

    Parameters
    ----------
    members : Tensor (M, ..., K)
        Probabilities of each member.
    """
    information = entropy(members.mean(0), -1) - entropy(members, -1).mean(0)
    greatest = math.log(max(2, min(members.shape[0], members.shape[-1])))
    return (information / greatest).clamp(0, 1)
