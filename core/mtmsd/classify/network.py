"""One member of the ensemble: a fusion and a head, each chosen by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mtmsd.classify.fusion import NoFusion
from mtmsd.classify.fusions import fusion_named
from mtmsd.classify.heads import head_named
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
    cube : Tensor (N, C, h, w), optional
        Components of the pixels, a rectangle, and of as many around as the head looks at.
    """

    local: Tensor
    global_: Tensor
    spectrum: Tensor
    cube: Tensor | None = None

    def at(self, rows: Tensor | slice) -> Streams:
        """Some of the tiles, in float32."""
        cube = None if self.cube is None else self.cube[rows].float()
        return Streams(
            self.local[rows].float(), self.global_[rows].float(), self.spectrum[rows], cube
        )


class Network(nn.Module):
    """Streams to class scores.

    Parameters
    ----------
    settings : ClassifierSettings
    components, classes : int
        C and K.
    stages : sequence of int
        How many channels of each stage the local stream has, for fusions that ask.
    """

    def __init__(
        self,
        settings: ClassifierSettings,
        components: int,
        classes: int,
        stages: Sequence[int] = (),
    ) -> None:
        super().__init__()
        if settings.branch_weight <= 0:
            raise InputError(
                f"The setting branch_weight cannot be {settings.branch_weight:g}.",
                hint="It is above 0; 1 counts all branches alike.",
            )
        head = head_named(settings.head)
        fusion = fusion_named(settings.fusion) if head.fuses(settings) else NoFusion
        self.fusion = fusion.of(settings, stages)
        self.head = head.of(settings, self.fusion.channels, components, classes)
        weights = [settings.branch_weight, *[1.0] * (self.head.branches - 1)]
        self.branch_weights = [weight / sum(weights) for weight in weights]

    def forward(self, streams: Streams) -> Tensor:
        """Return class scores (N, P, B, K) of the head's B branches."""
        fused = self.fusion(streams.local, streams.global_)
        scores = self.head(fused.flatten(0, 1), streams.spectrum.flatten(0, 1), streams.cube)
        return scores.view(*streams.spectrum.shape[:2], *scores.shape[1:])

    def probabilities(self, streams: Streams) -> Tensor:
        """Return class probabilities (N, P, K), float32: the weighted mean of the branches."""
        branches = torch.softmax(self(streams).float(), dim=-1)
        return (branches * branches.new_tensor(self.branch_weights)[:, None]).sum(-2)


def seeded_network(
    settings: ClassifierSettings,
    components: int,
    classes: int,
    seed: int,
    stages: Sequence[int] = (),
) -> Network:
    """Make a network whose initial weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(settings, components, classes, stages)
