"""The U-Net of improved diffusion, with the authors' parameter names so that theirs load.

Nichol & Dhariwal 2021: two residual blocks a level, widths 1, 2, 2 times the first,
scale-shift group normalisation, attention in the bottleneck, learned variance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtmsd.diffusion.backbone import Backbone

MULTIPLIERS = (1, 2, 2)
BLOCKS_PER_LEVEL = 2
HEADS = 4
GROUPS = 32
FIRST_WEIGHT = "input_blocks.0.0.weight"

Encoded = tuple[Tensor, list[Tensor], Tensor]
"""Bottleneck, skips, and the timestep's embedding."""


def timestep_embedding(t: Tensor, width: int) -> Tensor:
    """Sinusoids of a timestep: (B,) -> (B, width), cosines first."""
    half = width // 2
    frequencies = torch.exp(
        -math.log(10_000) * torch.arange(half, dtype=torch.float32, device=t.device) / half
    )
    angles = t[:, None].float() * frequencies[None]
    return torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)


class ResidualBlock(nn.Module):
    """Two convolutions around a timestep-dependent scale and shift."""

    def __init__(self, channels: int, embedding: int, out: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, channels), nn.SiLU(), nn.Conv2d(channels, out, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, 2 * out))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, out),
            nn.SiLU(),
            nn.Dropout(0.0),  # keeps the authors' parameter names
            _zeroed(nn.Conv2d(out, out, 3, padding=1)),
        )
        self.skip_connection = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, C, H, W), (B, E) -> (B, out, H, W)."""
        h = self.in_layers(x)
        scale, shift = self.emb_layers(embedding)[:, :, None, None].split(h.shape[1], dim=1)
        h = torch.addcmul(shift, self.out_layers[0](h), 1 + scale)
        return self.skip_connection(x) + self.out_layers[3](F.silu(h))


class AttentionBlock(nn.Module):
    """Self-attention over all positions, four heads."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = _zeroed(nn.Conv1d(channels, channels, 1))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, C, H, W) -> the same; the embedding is not used."""
        b, _, h, w = x.shape
        c = self.norm.num_channels
        qkv = self.qkv(self.norm(x.flatten(2))).reshape(b * HEADS, 3 * c // HEADS, h * w)
        q, k, v = (part.transpose(1, 2) for part in qkv.split(c // HEADS, dim=1))
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, c, h * w)
        return x + self.proj_out(attended).reshape(b, c, h, w)


class Downsample(nn.Module):
    """Halve height and width by a strided convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H/2, W/2)."""
        return self.op(x)


class Upsample(nn.Module):
    """Double height and width by nearest neighbours, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, 2H, 2W)."""
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


class Stage(nn.Sequential):
    """Layers in sequence, each given the timestep's embedding."""

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:  # type: ignore[override]
        """Apply the layers one after the other."""
        for layer in self:
            x = layer(x, embedding) if not isinstance(layer, nn.Conv2d) else layer(x)
        return x


def decoder(channels: int, width: int) -> tuple[nn.ModuleList, nn.Sequential]:
    """Make the decoder's blocks, and the output after them."""
    skips, c = [width], width
    for level, multiplier in enumerate(MULTIPLIERS):
        c = multiplier * width
        skips += [c] * (BLOCKS_PER_LEVEL + (level < len(MULTIPLIERS) - 1))
    blocks = nn.ModuleList()
    for level, multiplier in reversed(list(enumerate(MULTIPLIERS))):
        for i in range(BLOCKS_PER_LEVEL + 1):
            layers: list[nn.Module] = [
                ResidualBlock(c + skips.pop(), 4 * width, multiplier * width)
            ]
            c = multiplier * width
            if level and i == BLOCKS_PER_LEVEL:
                layers.append(Upsample(c))
            blocks.append(Stage(*layers))
    out = nn.Sequential(
        nn.GroupNorm(GROUPS, c), nn.SiLU(), _zeroed(nn.Conv2d(c, 2 * channels, 3, padding=1))
    )
    return blocks, out


class UNet(Backbone):
    """The authors' network, their names and shapes; see :class:`Backbone`."""

    prefix = "unet."
    downsampling = 2 ** (len(MULTIPLIERS) - 1)
    width_multiple = GROUPS
    stage_count = len(MULTIPLIERS) * (BLOCKS_PER_LEVEL + 1)

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(channels, width)
        embedding = 4 * width
        self.time_embed = nn.Sequential(
            nn.Linear(width, embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )
        self.input_blocks = nn.ModuleList([Stage(nn.Conv2d(channels, width, 3, padding=1))])
        c = width
        for level, multiplier in enumerate(MULTIPLIERS):
            for _ in range(BLOCKS_PER_LEVEL):
                self.input_blocks.append(Stage(ResidualBlock(c, embedding, multiplier * width)))
                c = multiplier * width
            if level < len(MULTIPLIERS) - 1:
                self.input_blocks.append(Stage(Downsample(c)))
        self.middle_block = Stage(
            ResidualBlock(c, embedding, c), AttentionBlock(c), ResidualBlock(c, embedding, c)
        )
        self.output_blocks, self.out = decoder(channels, width)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """(B, C, H, W), (B,) -> (B, 2C, H, W): noise, then variance in -1…1."""
        return self._decode(self._encode(x, t), self.output_blocks, self.out)

    def stages(self, x: Tensor, t: Tensor, blocks: Iterable[int]) -> list[Tensor]:
        """Outputs of the chosen decoder blocks, in ascending order; later ones never run."""
        return self._read(self._encode(x, t), self.output_blocks, blocks)

    def stage_channels(self, block: int) -> int:
        """Number of channels that decoder block gives."""
        return self.width * MULTIPLIERS[len(MULTIPLIERS) - 1 - block // (BLOCKS_PER_LEVEL + 1)]

    @staticmethod
    def size_of(weights: Mapping[str, Tensor]) -> tuple[int, int] | None:
        """Channels and width, from the shape of the first convolution."""
        first = weights.get(FIRST_WEIGHT)
        if first is None or first.ndim != 4 or first.shape[0] % GROUPS:
            return None
        return first.shape[1], first.shape[0]

    @staticmethod
    def _decode(encoded: Encoded, blocks: nn.ModuleList, out: nn.Module) -> Tensor:
        h, skips, embedding = encoded
        for block in blocks:
            h = block(torch.cat([h, skips.pop()], dim=1), embedding)
        return out(h)

    @staticmethod
    def _read(encoded: Encoded, decoder: nn.ModuleList, blocks: Iterable[int]) -> list[Tensor]:
        wanted = set(blocks)
        h, skips, embedding = encoded
        found = []
        for i, block in enumerate(decoder[: max(wanted) + 1]):
            h = block(torch.cat([h, skips.pop()], dim=1), embedding)
            if i in wanted:
                found.append(h)
        return found

    def _encode(self, x: Tensor, t: Tensor) -> Encoded:
        embedding = self.time_embed(timestep_embedding(t, self.width))
        h, skips = x, []
        for block in self.input_blocks:
            h = block(h, embedding)
            skips.append(h)
        return self.middle_block(h, embedding), skips, embedding


def _zeroed(layer: nn.Conv1d | nn.Conv2d) -> nn.Module:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
