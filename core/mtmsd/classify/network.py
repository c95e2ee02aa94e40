"""One member of the ensemble: a fusion and a head, each chosen by name."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mtmsd.classify.fusion import FUSIONS
from mtmsd.classify.head import HEADS
from mtmsd.errors import InputError
from mtmsd.settings import ClassifierSettings


@dataclass(frozen=True)
class Streams:
    """What the classifier sees of P pixels in each of N tiles.

    Attributes
    ----------
    local : Tensor (N, P, T, k)
        Purified features of each pixel at each timestep.
    global_ : Tensor (N, T, k)
        Purified spatial means of the tile.
    spectrum : Tensor (N, P, 3·C)
        Components of each pixel, emphasised, and their means over two neighbourhoods.
    """

    local: Tensor
    global_: Tensor
    spectrum: Tensor


class Network(nn.Module):
    """Streams to class scores."""

    def __init__(self, settings: ClassifierSettings, components: int, classes: int) -> None:
        super().__init__()
        for name, table in (("fusion", FUSIONS), ("head", HEADS)):
            if getattr(settings, name) not in table:
                raise InputError(
                    f"There is no {name} '{getattr(settings, name)}'.",
                    hint=f"Choose from: {', '.join(table)}.",
                )
        if settings.branch_weight <= 0:
            raise InputError(
                f"The setting branch_weight cannot be {settings.branch_weight:g}.",
                hint="It is above 0; 1 counts all branches alike.",
            )
        self.fusion = FUSIONS[settings.fusion](len(settings.timesteps), settings.channels)
        self.head = HEADS[settings.head](settings.channels, components, classes)
        weights = [settings.branch_weight, *[1.0] * (self.head.branches - 1)]
        self.branch_weights = [weight / sum(weights) for weight in weights]

    def forward(self, streams: Streams) -> Tensor:
        """Return class scores (N, P, B, K) of the head's B branches."""
        fused = self.fusion(streams.local, streams.global_)
        scores = self.head(fused.flatten(0, 1), streams.spectrum.flatten(0, 1))
        return scores.view(*fused.shape[:2], *scores.shape[1:])

    def probabilities(self, streams: Streams) -> Tensor:
        """Return class probabilities (N, P, K), float32: the weighted mean of the branches."""
        branches = torch.softmax(self(streams).float(), dim=-1)
        return (branches * branches.new_tensor(self.branch_weights)[:, None]).sum(-2)


def seeded_network(
    settings: ClassifierSettings, components: int, classes: int, seed: int
) -> Network:
    """Make a network whose initial weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(settings, components, classes)
