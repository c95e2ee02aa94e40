"""From a fused feature vector, and perhaps the pixel's own spectrum, to class scores.

A head has one or more branches (auxiliary heads): each scores the classes by itself and has a
loss of its own, and their probabilities are averaged; the first, the main one, may weigh more.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from mtmsd.classify.fusion import initialise
from mtmsd.features.stages import NEIGHBOURHOODS
from mtmsd.settings import ClassifierSettings


def _layer(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(), nn.BatchNorm1d(outputs))


def _spectral(inputs: int) -> nn.Sequential:
    return nn.Sequential(_layer(inputs, 128), _layer(128, 64))


class Dropout(nn.Module):
    """Dropout that draws from a generator of its own, so that networks train in parallel."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Set a share of the values to 0 and scale up the others; in training only."""
        if not self.training:
            return x
        kept = torch.empty_like(x).bernoulli_(1 - self.share, generator=self.generator)
        return x * kept.div_(1 - self.share)


def draw_from(network: nn.Module, generator: torch.Generator | None) -> None:
    """Have all dropout of a network draw from one generator, or from torch's own."""
    for layer in network.modules():
        if isinstance(layer, Dropout):
            layer.generator = generator


class Head(nn.Module):
    """From a fused vector and the pixel's own spectrum to scores of B branches.

    Attributes
    ----------
    branches : int
        B.
    """

    branches: ClassVar[int]

    @classmethod
    @abstractmethod
    def of(cls, settings: ClassifierSettings, features: int, components: int, classes: int) -> Head:
        """Make one as the settings say, for fused vectors and spectra of these lengths."""

    @classmethod
    def fuses(cls, settings: ClassifierSettings) -> bool:
        """Whether it takes fused diffusion features; if not, none are read."""
        return True

    @classmethod
    def reach(cls, settings: ClassifierSettings) -> int:
        """How far around a pixel it looks at the components, in pixels."""
        return 0

    @abstractmethod
    def forward(self, fused: Tensor, spectrum: Tensor, cube: Tensor | None = None) -> Tensor:
        """Score the P pixels of N tiles: (P, B, K).

        Parameters
        ----------
        fused : Tensor (P, features)
        spectrum : Tensor (P, 3·C)
        cube : Tensor (N, C, h, w), optional
            Components of the pixels and :meth:`reach` pixels around them; None if that is 0.
        """


class PaperHead(Head):
    """The paper's: 128, 32, K; with 30 classes or more 256, 128, K. No spectrum."""

    branches = 1

    def __init__(self, features: int, components: int, classes: int) -> None:
        super().__init__()
        first, second = (256, 128) if classes >= 30 else (128, 32)
        self.layers = nn.Sequential(
            _layer(features, first), _layer(first, second), nn.Linear(second, classes)
        )
        initialise(self)

    @classmethod
    def of(
        cls, settings: ClassifierSettings, features: int, components: int, classes: int
    ) -> PaperHead:
        """Make one."""
        return cls(features, components, classes)

    def forward(self, fused: Tensor, spectrum: Tensor, cube: Tensor | None = None) -> Tensor:
        """(P, k), (P, 3·C) -> scores (P, 1, K)."""
        return self.layers(fused)[:, None]


class SpectralHead(Head):
    """A third stream: the pixel's own spectrum and its surroundings' beside the fused vector.

    The main branch takes all streams, a second one the third stream alone, a third one the
    pixel's own spectrum. Where the surroundings mislead, as in other places than those that were
    labelled, these two regularise the first. Dropout keeps a few polygons from being overfitted.
    """

    branches = 3

    def __init__(self, features: int, components: int, classes: int) -> None:
        super().__init__()
        self.components = components
        spectrum = len(NEIGHBOURHOODS) * components
        self.fused = nn.Sequential(Dropout(0.3), _layer(features, 128))
        self.spectrum = _spectral(spectrum)
        self.joint = nn.Sequential(Dropout(0.5), _layer(192, 64), nn.Linear(64, classes))
        self.surroundings = nn.Sequential(_spectral(spectrum), Dropout(0.3), nn.Linear(64, classes))
        self.pixel = nn.Sequential(_spectral(components), Dropout(0.3), nn.Linear(64, classes))

    @classmethod
    def of(
        cls, settings: ClassifierSettings, features: int, components: int, classes: int
    ) -> SpectralHead:
        """Make one."""
        return cls(features, components, classes)

    def forward(self, fused: Tensor, spectrum: Tensor, cube: Tensor | None = None) -> Tensor:
        """(P, k), (P, 3·C) -> scores (P, 3, K)."""
        joint = self.joint(torch.cat([self.fused(fused), self.spectrum(spectrum)], dim=1))
        pixel = self.pixel(spectrum[:, : self.components])
        return torch.stack([joint, self.surroundings(spectrum), pixel], dim=1)
