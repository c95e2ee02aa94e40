"""What pretraining and features need of the network that learns the diffusion."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from mtmsd.fields import Limits
from mtmsd.settings import PretrainSettings


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
    largest_width : int
    least_patch, largest_patch : int
        Sides of a patch, in pixels.
    stage_count : int
        Decoder blocks (stages) that features can be read from.
    """

    prefix: ClassVar[str]
    downsampling: ClassVar[int]
    width_multiple: ClassVar[int]
    largest_width: ClassVar[int] = 4096
    least_patch: ClassVar[int] = 8
    largest_patch: ClassVar[int] = 1024
    stage_count: ClassVar[int]

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        if not self.width_limits().hold(width):
            raise ValueError(f"a width of {width} is not {self.width_limits()}")
        self.channels, self.width = channels, width

    @classmethod
    def width_limits(cls) -> Limits:
        """Widths that the network can have."""
        return Limits(cls.width_multiple, cls.largest_width, multiple_of=cls.width_multiple)

    @classmethod
    def patch_limits(cls) -> Limits:
        """Sides of a patch that it can learn from."""
        return Limits(cls.least_patch, cls.largest_patch, multiple_of=cls.downsampling)

    @classmethod
    def start(
        cls, channels: int, settings: PretrainSettings, patches: Callable[[], Tensor], seed: int
    ) -> Backbone:
        """Make the network that pretraining begins with.

        ``patches`` reads some of those that it will learn, (n, C, S, S).
        """
        return cls(channels, settings.width)

    @classmethod
    def shaped(cls, weights: Mapping[str, Tensor], size: tuple[int, int]) -> Backbone:
        """Make one whose weights have these shapes; ``size`` is what :meth:`size_of` says."""
        return cls(*size)

    def blank(self) -> Backbone:
        """Return another of the same shape, with random weights."""
        return type(self)(self.channels, self.width)

    @property
    def spans(self) -> tuple[range, ...]:
        """Timesteps of each stage that is learnt in batches of its own; none: all together."""
        return ()

    @property
    def description(self) -> dict[str, Any]:
        """What a model file says of it beside its weights, JSON-able."""
        return {}

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
