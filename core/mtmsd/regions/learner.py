"""Learning supertokens from labelled pixels, a block a step."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from mtmsd.errors import InputError, MachineError
from mtmsd.labels.labels import Labels
from mtmsd.regions.blocks import BlockReader
from mtmsd.regions.network import SupertokenNetwork, Tokens, token_loss
from mtmsd.regions.seeds import proportions
from mtmsd.reporting import Reporter

STEPS, LEARNING_RATE = 160, 2e-3


def learn(
    reader: BlockReader, labels: Labels, *, seed: int, reporter: Reporter
) -> SupertokenNetwork:
    """Train on the labelled pixels, a block a step.

    Raises
    ------
    InputError
        If there are labels of one class only.
    """
    values = np.array([info.value for info in labels.classes])
    if len(np.unique(labels.values)) < 2:
        raise InputError("Regions need labelled pixels of at least two classes.")
    target = torch.from_numpy(np.searchsorted(values, labels.values))
    corners, of = np.unique(reader.corner(labels.rows, labels.cols), axis=0, return_inverse=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SupertokenNetwork(
            reader.whitening.components,
            len(reader.scene.used),
            len(reader.derivative),
            len(values),
        )
    steps = max(STEPS, len(corners))
    optimizer = torch.optim.Adam(network.parameters(), foreach=False)
    rng = np.random.default_rng(seed)
    order = np.concatenate(
        [rng.permutation(len(corners)) for _ in range(-(-steps // len(corners)))]
    )
    network.train()
    for step, chosen in enumerate(order[:steps]):
        row, col = corners[chosen].tolist()
        block = reader.read(row, col, keep=True)
        here = np.flatnonzero(of.ravel() == chosen)
        place = (labels.rows[here] - row) * block.grid.width + labels.cols[here] - col
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * _rate(step, steps)
        tokens = network(block)
        loss = _loss(tokens, torch.from_numpy(place.astype(np.int64)), target[here], len(values))
        if not math.isfinite(float(loss.detach())):
            raise MachineError("Learning the regions diverged.", code="diverged")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        reporter.check_canceled()
        reporter.progress(step + 1, steps, "step")
    return network.eval()


def _rate(step: int, steps: int) -> float:
    """Share of the learning rate: a warm-up of ten steps, and half a cosine."""
    return min(1.0, (step + 1) / 10) * 0.5 * (1 + math.cos(math.pi * step / steps))


def _loss(tokens: Tokens, place: Tensor, target: Tensor, classes: int) -> Tensor:
    token = tokens.token[place]
    known = token >= 0
    shares, counts = proportions(token[known], target[known], len(tokens.scores), classes)
    return token_loss(tokens.scores, shares, counts)
