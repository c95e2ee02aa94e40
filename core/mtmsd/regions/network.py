"""Supertokens: pixels are clustered, tokens are classified, classes go back to the pixels.

After DSTC (Liu et al., ECCV 2024, arXiv 2407.07307), with these differences: the clustering has
gradients, so that the embeddings of spectrum and derivative learn; the soft label is a
proportion; a block may have any size; a seed's place counts a little, which settles ties.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtmsd.regions.seeds import SeedGrid

WIDTH, DEPTH, HEADS, OF_HEAD = 96, 4, 4, 64


@dataclass(frozen=True)
class BlockInput:
    """What is seen of a block of h×w pixels.

    Attributes
    ----------
    components : float32 Tensor (C, h + 2, w + 2)
        Whitened, with a pixel around.
    spectra, derivative : float32 Tensors (h·w, B) and (h·w, D)
        Standardised.
    valid : bool Tensor (h·w,)
    grid : SeedGrid
    """

    components: Tensor
    spectra: Tensor
    derivative: Tensor
    valid: Tensor
    grid: SeedGrid


@dataclass(frozen=True)
class Tokens:
    """What becomes of a block of P pixels and M tokens.

    Attributes
    ----------
    scores : Tensor (M, K)
    shares : Tensor (P, 9)
        Of the seeds around in each pixel.
    token : int64 Tensor (P,)
        The token of each pixel, −1 without data.
    """

    scores: Tensor
    shares: Tensor
    token: Tensor


class Layer(nn.Module):
    """A transformer layer over the tokens of a block."""

    def __init__(self) -> None:
        super().__init__()
        inner = HEADS * OF_HEAD
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * inner, bias=False)
        self.out = nn.Linear(inner, WIDTH)
        self.mixed = nn.Sequential(
            nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH)
        )

    def forward(self, x: Tensor, filled: Tensor) -> Tensor:
        """(M, 96), bool (M,) -> (M, 96); tokens without pixels are not heard."""
        q, k, v = self.qkv(self.first(x)).view(len(x), 3, HEADS, OF_HEAD).permute(1, 2, 0, 3)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=filled.expand(len(x), -1))
        x = x + self.out(attended.transpose(0, 1).flatten(1))
        return x + self.mixed(self.second(x))


class SupertokenNetwork(nn.Module):
    """A block to tokens and their class scores."""

    def __init__(self, components: int, bands: int, derivatives: int, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(components, 64, 3), nn.ReLU(), nn.Conv2d(64, WIDTH, 1)
        )
        self.spectrum = nn.Linear(bands, WIDTH)
        self.derivative = nn.Linear(derivatives, WIDTH, bias=False) if derivatives else None
        self.norm = nn.LayerNorm(WIDTH, elementwise_affine=False)
        self.log_sharpness = nn.Parameter(torch.tensor(8 / WIDTH).log())
        self.layers = nn.ModuleList(Layer() for _ in range(DEPTH))
        self.out = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, classes))

    def forward(self, given: BlockInput) -> Tokens:
        """Cluster, aggregate, classify.

        A token is (Σ share · feature + seed) / (Σ share + 1).
        """
        grid, valid = given.grid, given.valid
        features = self.features(given.components[None])[0].flatten(1).T
        embedded = features + self.spectrum(given.spectra)
        if self.derivative is not None:
            embedded = embedded + self.derivative(given.derivative)
        shares = grid.assign(self.norm(embedded), valid, self.log_sharpness.exp())
        weight = grid.sums(torch.ones_like(features[:, :1]), shares)
        seeds = grid.means(features, valid)
        tokens = (grid.sums(features, shares) + seeds) / (weight + 1)
        filled = weight[:, 0] > 0
        for layer in self.layers:
            tokens = layer(tokens, filled)
        return Tokens(self.out(tokens), shares, grid.nearest(shares.detach(), valid))


def token_loss(scores: Tensor, shares: Tensor, counts: Tensor) -> Tensor:
    """Cross-entropy with class shares (M, K) as target, over tokens that have labels."""
    losses = F.cross_entropy(scores, shares, reduction="none")
    labelled = counts > 0
    return losses[labelled].mean()
