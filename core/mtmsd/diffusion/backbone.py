"""What pretraining and features need of the network that learns the diffusion."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar

from torch import Tensor, nn


class Backbone(nn.Module):
    """Predicts noise and variance: (B, C, H, W), timesteps (B,) -> (B, 2C, H, W).

    Parameters
    ----------
    channels : int
        Whitened components of the scene, C.
    width : int
        Channels of the first level.

    Attributes
    ----------
    prefix : str
        Of its weights' names in a model file.
    downsampling : int
        H and W are multiples of it; a stage's map is smaller than these by it at most.
    width_multiple : int
        The width is a multiple of it.
    stage_count : int
        Decoder blocks (stages) that features can be read from.
    """

    prefix: ClassVar[str]
    downsampling: ClassVar[int]
    width_multiple: ClassVar[int]
    stage_count: ClassVar[int]

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        if width % self.width_multiple:
            raise ValueError(f"width {width} is not a multiple of {self.width_multiple}")
        self.channels, self.width = channels, width

    @abstractmethod
    def stages(self, x: Tensor, t: Tensor, blocks: Iterable[int]) -> list[Tensor]:
        """Outputs of the chosen stages, in ascending order: (B, c, h, w) each."""

    @abstractmethod
    def stage_channels(self, block: int) -> int:
        """Number of channels c of a stage."""

    @staticmethod
    @abstractmethod
    def size_of(weights: Mapping[str, Tensor]) -> tuple[int, int] | None:
        """Channels and width of the network with these weights; None if they are another's."""
