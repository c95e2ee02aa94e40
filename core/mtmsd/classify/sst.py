"""A spectral-spatial transformer behind 3-D convolutions, dense over tiles.

The form that public implementations share (SSFTT: Sun et al., IEEE TGRS 60, 5522214, 2022).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtmsd.classify.head import Dropout, Head
from mtmsd.settings import ClassifierSettings

CUBES, CHANNELS, TOKENS, HEADS = 8, 64, 4, 4
LARGEST_LOGIT = 20.0
"""Of the tokeniser: exponentials are summed over windows; none may vanish beside another."""


class Tokeniser(nn.Module):
    """Windows of a feature map to tokens: means weighted by a softmax over the window's pixels."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.attention = nn.Conv2d(CHANNELS, TOKENS, 1, bias=False)
        self.value = nn.Conv2d(CHANNELS, CHANNELS, 1)
        nn.init.xavier_normal_(self.attention.weight)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, 64, h, w) -> (N, h − side + 1, w − side + 1, TOKENS, 64)."""
        logits = self.attention(maps).clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
        weights, values = logits.float().exp(), self.value(maps).float()
        weighted = (weights[:, :, None] * values[:, None]).flatten(1, 2)
        total = self._mean(weights)[:, :, None]
        tokens = self._mean(weighted).view(-1, TOKENS, CHANNELS, *total.shape[3:]) / total
        return tokens.permute(0, 3, 4, 1, 2)

    def _mean(self, maps: Tensor) -> Tensor:
        columns = F.avg_pool2d(maps, (self.side, 1), 1, count_include_pad=False)
        return F.avg_pool2d(columns, (1, self.side), 1, count_include_pad=False)


class Encoder(nn.Module):
    """One transformer encoder of four heads."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(CHANNELS), nn.LayerNorm(CHANNELS)
        self.qkv = nn.Linear(CHANNELS, 3 * CHANNELS, bias=False)
        self.out = nn.Sequential(nn.Linear(CHANNELS, CHANNELS), Dropout(0.1))
        self.mixed = nn.Sequential(
            nn.Linear(CHANNELS, CHANNELS), nn.ReLU(), nn.Linear(CHANNELS, CHANNELS), Dropout(0.1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(P, tokens, 64) -> the same."""
        parts = self.qkv(self.first(x)).view(*x.shape[:2], 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(*parts.unbind(0))
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.mixed(self.second(x))


class TransformerHead(Head):
    """A cube of components around each pixel to tokens, and the fused vector as one token more.

    3-D convolution 8 × (3×3×3), 2-D convolution 64 × (3×3), tokens, a class token before them, one
    encoder, a linear layer. No convolution pads, and windows overlap, so that a tile of many
    pixels is computed at once and each pixel has the scores that it has alone.

    Parameters
    ----------
    window : int
        Side of the cube in pixels.
    features : int
        Length of the fused vector; 0: there is none.
    components, classes : int
    """

    branches = 1

    def __init__(self, window: int, features: int, components: int, classes: int) -> None:
        super().__init__()
        depth = min(3, components)
        self.cubes = nn.Sequential(
            nn.Conv3d(1, CUBES, (depth, 3, 3)), nn.BatchNorm3d(CUBES), nn.ReLU()
        )
        self.maps = nn.Sequential(
            nn.Conv2d(CUBES * (components - depth + 1), CHANNELS, 3),
            nn.BatchNorm2d(CHANNELS),
            nn.ReLU(),
        )
        self.tokens = Tokeniser(window - 4)
        self.fused = nn.Linear(features, CHANNELS) if features else None
        self.first = nn.Parameter(torch.zeros(1, 1, CHANNELS))
        self.position = nn.Parameter(0.02 * torch.randn(1, 1 + TOKENS + bool(features), CHANNELS))
        self.encoder = Encoder()
        self.out = nn.Linear(CHANNELS, classes)

    @classmethod
    def of(
        cls, settings: ClassifierSettings, features: int, components: int, classes: int
    ) -> TransformerHead:
        """Make one."""
        return cls(settings.window, features, components, classes)

    @classmethod
    def fuses(cls, settings: ClassifierSettings) -> bool:
        """Whether the diffusion features are among its input."""
        return settings.input != "components"

    @classmethod
    def reach(cls, settings: ClassifierSettings) -> int:
        """Half of the window."""
        return settings.window // 2

    def forward(self, fused: Tensor, spectrum: Tensor, cube: Tensor | None = None) -> Tensor:
        """(P, k) and (N, C, h, w), whose inner pixels are the P -> scores (P, 1, K)."""
        if cube is None:
            raise ValueError("a spectral-spatial transformer without what is around the pixels")
        tokens = self.tokens(self.maps(self.cubes(cube[:, None]).flatten(1, 2)))
        tokens = tokens.reshape(-1, TOKENS, CHANNELS)
        parts = [self.first + 0 * tokens[:, :1], tokens]  # one a pixel, however many there are
        if self.fused is not None:
            parts.append(self.fused(fused).to(tokens.dtype)[:, None])
        encoded = self.encoder(torch.cat(parts, dim=1) + self.position)
        return self.out(encoded[:, :1])
