"""One encoder, and a decoder for each stage of the diffusion: a step of pretraining costs one.

Zhang, Lu et al., CVPR 2024, arXiv 2312.09181. The decoders are of one width, so that a stream has
as many channels at every timestep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from mtmsd.diffusion.schedule import STEPS, cosine_schedule
from mtmsd.diffusion.time_stages import last_timesteps, spans
from mtmsd.diffusion.unet import UNet, decoder
from mtmsd.settings import PretrainSettings

LAST = "last_timesteps"
LARGEST_COUNT = 8
"""Decoders, at most."""


class MultistageUNet(UNet):
    """The U-Net with further decoders; the first stage has those of the U-Net itself.

    Parameters
    ----------
    channels, width : int
        See :class:`Backbone`.
    last : sequence of int
        Last timestep of each stage but the last one, ascending.
    """

    prefix = "multistage."

    def __init__(self, channels: int, width: int, last: Sequence[int] = ()) -> None:
        super().__init__(channels, width)
        if len(last) >= LARGEST_COUNT:
            raise ValueError(f"{len(last) + 1} decoders")
        if not all(low < high for low, high in zip((-1, *last), (*last, STEPS - 1))):
            raise ValueError(f"stages without timesteps, for they end at {[*last]}")
        self.decoders = nn.ModuleList(Decoder(channels, width) for _ in last)
        # in float32, so that averaging weights leaves it alone; the last stage ends with the time
        self.register_buffer(LAST, torch.tensor([*last, STEPS - 1], dtype=torch.float32))

    @classmethod
    def start(
        cls,
        channels: int,
        settings: PretrainSettings,
        patches: Callable[[], Tensor],
        seed: int,
    ) -> MultistageUNet:
        """Cut the time where an optimal denoiser changes what it does."""
        last = last_timesteps(cosine_schedule(), patches().numpy(), settings.decoders, seed)
        return cls(channels, settings.width, last)

    @classmethod
    def shaped(cls, weights: Mapping[str, Tensor], size: tuple[int, int]) -> MultistageUNet:
        """Make one of as many stages as the weights have."""
        *last, end = weights[LAST].tolist()
        if end != STEPS - 1 or any(t != int(t) for t in last):
            raise ValueError(f"stages that end at {[*last, end]}, of {STEPS} timesteps")
        return cls(*size, [int(t) for t in last])

    def blank(self) -> MultistageUNet:
        """Return another with the same stages."""
        return type(self)(self.channels, self.width, self.last)

    @property
    def last(self) -> list[int]:
        """Last timestep of each stage but the last one."""
        return [int(t) for t in self.get_buffer(LAST).tolist()[:-1]]

    @property
    def spans(self) -> tuple[range, ...]:
        """Timesteps of each stage."""
        return spans(self.last, STEPS)

    @property
    def description(self) -> dict[str, Any]:
        """Where the time was cut."""
        return {LAST: self.last}

    @staticmethod
    def size_of(weights: Mapping[str, Tensor]) -> tuple[int, int] | None:
        """Channels and width; None for a network without stages."""
        return UNet.size_of(weights) if LAST in weights and weights[LAST].ndim == 1 else None

    def stage_of(self, t: Tensor) -> Tensor:
        """Which stage timesteps (B,) belong to."""
        return torch.bucketize(t.float(), self.get_buffer(LAST))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """(B, C, H, W), (B,) -> (B, 2C, H, W), each by the decoder of its timestep."""
        encoded, stage = self._encode(x, t), self.stage_of(t)
        present = stage.unique().tolist()
        if len(present) == 1:
            return self._decoded(encoded, present[0])
        found = x.new_empty(len(x), 2 * self.channels, *x.shape[2:])
        for number in present:
            own = stage == number
            h, skips, embedding = encoded
            part = (h[own], [skip[own] for skip in skips], embedding[own])
            found = found.index_put((own,), self._decoded(part, number).to(found.dtype))
        return found

    def stages(self, x: Tensor, t: Tensor, blocks: Iterable[int]) -> list[Tensor]:
        """Outputs of the chosen blocks of the decoder that all timesteps ``t`` have."""
        numbers = self.stage_of(t).unique().tolist()
        if len(numbers) != 1:
            raise ValueError(f"the timesteps {t.tolist()} are of {len(numbers)} stages, not of one")
        (number,) = numbers
        return self._read(self._encode(x, t), self._decoder(number)[0], blocks)

    def _decoder(self, number: int) -> tuple[nn.ModuleList, nn.Sequential]:
        if number == 0:
            return self.output_blocks, self.out
        further = cast(Decoder, self.decoders[number - 1])
        return further.output_blocks, further.out

    def _decoded(self, encoded: tuple[Tensor, list[Tensor], Tensor], number: int) -> Tensor:
        return self._decode(encoded, *self._decoder(number))


class Decoder(nn.Module):
    """Blocks and output of one more stage."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.output_blocks, self.out = decoder(channels, width)
