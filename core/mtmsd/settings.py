"""Every number of the method that a user can set, and the three presets."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from mtmsd.errors import InputError
from mtmsd.fields import Limits, allows, from_text, hints_of, rule
from mtmsd.tables import named

FeatureMode = Literal["dense", "patchwise"]
Precision = Literal["auto", "fp32", "bf16"]
Layout = Literal["auto", "contiguous", "channels_last"]

RENAMED = {"joint_weight": "branch_weight"}
"""Settings by their former names, which older files and jobs have."""

OF_THE_BACKBONE = ("patch_size", "width")
"""Settings whose limits are the backbone's own: those that stand here are the U-Net's, and another
one's are checked where the networks are known."""

Count = Annotated[int, Limits(1, 10_000_000)]
Rate = Annotated[float, Limits(0, 10, above=True)]

PAPER_TIMESTEPS = tuple(range(50, 1000, 50))


@dataclass(frozen=True)
class PretrainSettings:
    """Diffusion pretraining: the scene's whitening, the backbone, the optimiser."""

    components: Annotated[int, Limits(1, 1000)] = 16
    """Whitened principal components that the network learns from."""
    whitening: Literal["pca", "mnf"] = "pca"
    """What orders the components: pca by variance, mnf by signal over noise."""
    spectral_components: Annotated[int, Limits(0, 1000)] = 32
    """Components that the classifier's spectral stream sees, if more."""
    patch_size: Annotated[int, Limits(8, 1024, multiple_of=4)] = 48
    """Side of a training patch and of a tile, in pixels; a multiple of 4."""
    backbone: str = "unet"
    """Name of the network in diffusion/backbones.py: unet, or multistage."""
    decoders: Annotated[int, Limits(1, 8)] = 3
    """Decoders of the backbone multistage, one for each stage of the diffusion."""
    width: Annotated[int, Limits(32, 4096, multiple_of=32)] = 32
    """Channels of the network's first level (the paper: 128)."""
    iterations: Count = 4500
    """Optimiser steps."""
    batch_size: Count = 8
    """Patches in a step."""
    learning_rate: Rate = 1e-3
    """AdamW's learning rate (its peak, where there is a schedule)."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """How the learning rate changes: a short warm-up and half a cosine, or not at all."""
    augment: bool = True
    """Whether patches are turned and mirrored at random."""
    ema_decay: Annotated[float, Limits(0, 1)] = 0.9999
    """Decay of the exponential moving average whose weights are kept."""
    precision: Precision = "auto"
    """Number format of the network's matrix products; auto: the fastest one, measured in both
    layouts."""
    layout: Layout = "auto"
    """Memory layout of feature maps; auto: measured with the precision, else contiguous."""
    checkpoint_every: Count = 250
    """Optimiser steps between two checkpoints."""


@dataclass(frozen=True)
class ClassifierSettings:
    """Features, purification, fusion, ensemble, and how the scene is tiled."""

    features: FeatureMode = "dense"
    """dense: overlapping tiles, all pixels of a tile at once; patchwise: one patch per pixel."""
    timesteps: tuple[Annotated[int, Limits(0, 999)], ...] = (50, 100, 200, 300, 400, 600, 800)
    """Timesteps of the diffusion at which features are read."""
    blocks: tuple[Annotated[int, Limits(0, 99)], ...] = (0, 1, 2, 3, 5)
    """Decoder blocks (stages) of the backbone that are read."""
    channels: Annotated[int, Limits(2, 100_000)] = 192
    """Channels kept by purification in each stream, or all if there are fewer (the paper: 768)."""
    stride: Annotated[int, Limits(1, 1024)] = 24
    """Distance of two neighbouring tiles in pixels; the patch size at most."""
    standardise: bool = True
    """Whether both streams are scaled to mean 0 and variance 1 over the training pixels."""
    turns: Annotated[int, Limits(1, 8)] = 1
    """Orientations, of the eight of a square, in which training tiles are read."""
    members: Annotated[int, Limits(1, 1000)] = 5
    """Networks in the ensemble."""
    epochs: Count = 10
    """Passes of ``samples_per_epoch`` over the training samples."""
    samples_per_epoch: Annotated[int, Limits(0, 1_000_000_000)] = 3000
    """Samples in a pass, however many there are, so that few labels train as long as many;
    0: a pass is every sample once."""
    batch_size: Annotated[int, Limits(3, 10_000_000)] = 128
    """Samples in a step; of fewer, some steps would have one, which cannot be normalised."""
    learning_rate: Annotated[float, Limits(0, 10)] = 0.0
    """Adam's learning rate, decayed by a cosine to 5e-6; 0: model selection chooses it
    and ``branch_weight``, on labels that are left out."""
    branch_weight: Annotated[float, Limits(0, 1000, above=True)] = 1.0
    """Loss weight of the main branch, which takes all streams; each auxiliary branch has 1."""
    fusion: str = "guided"
    """Name of the fusion in classify/fusions.py: guided, mean, or hyperfeatures."""
    projection: Annotated[int, Limits(16, 4096, multiple_of=4)] = 128
    """Channels that the fusion hyperfeatures gives (as published: 384)."""
    head: str = "spectral"
    """Name of the head in classify/heads.py: spectral adds the pixel's own spectrum; sst is a
    spectral-spatial transformer; paper takes the fused features alone."""
    input: Literal["both", "components"] = "both"
    """What the head sst sees: the components around a pixel and its fused features, or the
    components alone, for which the diffusion network is not run."""
    window: Annotated[int, Limits(5, 63)] = 13
    """Side of what the head sst sees around a pixel; odd."""
    rare_classes: Annotated[float, Limits(0, 1)] = 0.0
    """How much the stack favours classes of few training pixels: 0 not at all; 0.5 where they
    matter as much as the large ones; at 1 a class's number of pixels says nothing."""
    vote: Literal["mean", "mode"] = "mean"
    """How the ensemble's members agree on a class."""
    precision: Precision = "auto"
    """Number format of the networks' matrix products; auto: the fastest one, measured in both
    layouts."""
    layout: Layout = "auto"
    """Memory layout of feature maps; auto: measured with the precision, else contiguous."""


@dataclass(frozen=True)
class Settings:
    """A whole preset."""

    preset: str
    pretrain: PretrainSettings = field(default_factory=PretrainSettings)
    classifier: ClassifierSettings = field(default_factory=ClassifierSettings)

    def override(self, pairs: Mapping[str, str]) -> Settings:
        """Return a copy with single numbers replaced, as ``--set KEY=VALUE`` gives them.

        A key that both parts have (``batch_size``, ``learning_rate``) means pretraining's;
        ``classifier.batch_size`` means the other.

        Raises
        ------
        InputError
            For an unknown key or a value that does not fit.
        """
        parts: dict[str, dict[str, Any]] = {"pretrain": {}, "classifier": {}}
        backbone = pairs.get("backbone", pairs.get("pretrain.backbone", self.pretrain.backbone))
        elsewhere = OF_THE_BACKBONE if backbone != PretrainSettings.backbone else ()
        for key, text in pairs.items():
            part, name = self._find(key)
            hint = hints_of(type(getattr(self, part)))[name]
            try:
                value = from_text(hint, text)
            except ValueError:
                raise _refusal(name, hint, text) from None
            if not allows(hint, value) and name not in elsewhere:
                raise _refusal(name, hint, text)
            parts[part][name] = value
        return dataclasses.replace(
            self,
            pretrain=dataclasses.replace(self.pretrain, **parts["pretrain"]),
            classifier=dataclasses.replace(self.classifier, **parts["classifier"]),
        )

    def _find(self, key: str) -> tuple[str, str]:
        part, _, name = key.rpartition(".")
        name = RENAMED.get(name, name)
        for candidate in ("pretrain", "classifier"):
            names = {f.name for f in dataclasses.fields(getattr(self, candidate))}
            if part in ("", candidate) and name in names:
                return candidate, name
        known = [f.name for p in (self.pretrain, self.classifier) for f in dataclasses.fields(p)]
        raise InputError(
            f"There is no setting '{key}'.", hint=f"Choose from: {', '.join(dict.fromkeys(known))}."
        )


PRESETS: dict[str, Settings] = {
    "quick": Settings(
        "quick",
        PretrainSettings(iterations=1000),
        ClassifierSettings(
            timesteps=(50, 200, 400),
            channels=128,
            stride=28,
            members=2,
        ),
    ),
    "balanced": Settings("balanced"),
    "paper": Settings(
        "paper",
        PretrainSettings(
            components=25,
            spectral_components=0,
            width=128,
            iterations=40_000,
            batch_size=128,
            learning_rate=1e-4,
            schedule="constant",
            augment=False,
        ),
        ClassifierSettings(
            features="patchwise",
            timesteps=PAPER_TIMESTEPS,
            channels=768,
            standardise=False,
            epochs=100,
            samples_per_epoch=0,
            batch_size=64,
            learning_rate=1e-3,
            head="paper",
            vote="mode",
        ),
    ),
}


def preset(name: str, overrides: Mapping[str, str] | None = None) -> Settings:
    """Return the preset of that name, with single numbers replaced.

    Raises
    ------
    InputError
        For an unknown preset, key, or value.
    """
    return named("preset", name, PRESETS).override(overrides or {})


def _refusal(name: str, hint: Any, value: Any) -> InputError:
    written = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return InputError(
        f"The setting {name} cannot be '{written[:40]}'.", hint=f"It is {rule(hint)}."
    )
