"""Which classifier is meant, and whether the method's settings fit each other and the network."""

from __future__ import annotations

from mtmsd.errors import InputError
from mtmsd.settings import ClassifierSettings, PretrainSettings

AUTO = "auto"
"""The stack; with the preset paper the published network alone."""
METHOD = "mtmsd"
"""The classifier that needs a diffusion model; all others are of plain spectra, or the stack."""
STACK = "stack"
"""The classifier that listens to several, and to the diffusion network where there is a model."""


def classifier_for(name: str, preset: str) -> str:
    """Return which classifier is meant, where ``name`` leaves it to the preset."""
    if name != AUTO:
        return name
    return METHOD if preset == "paper" else STACK


def check_backbone(settings: PretrainSettings) -> None:
    """Refuse a width or a patch size that the chosen network does not take.

    Raises
    ------
    InputError
    """
    from mtmsd.diffusion.backbones import backbone_named

    kind = backbone_named(settings.backbone)
    for name, limits in (("width", kind.width_limits()), ("patch_size", kind.patch_limits())):
        if not limits.hold(value := getattr(settings, name)):
            raise InputError(
                f"The setting {name} cannot be '{value}'.",
                hint=f"For the backbone {settings.backbone} it is a whole number {limits}.",
            )


def check_method(
    settings: ClassifierSettings, patch_size: int | None, backbone: str = "unet"
) -> None:
    """Refuse what only shows when features are read or the classifier is made.

    Each number by itself was checked when the settings were made.

    Parameters
    ----------
    settings : ClassifierSettings
    patch_size : int or None
        Side of the diffusion model's patches; None if it is not known yet.
    backbone : str
        Name of the diffusion model's network.

    Raises
    ------
    InputError
    """
    from mtmsd.classify.fusions import fusion_named
    from mtmsd.classify.heads import check_window, head_named
    from mtmsd.diffusion.backbones import backbone_named

    fusion_named(settings.fusion)
    head_named(settings.head)
    last = backbone_named(backbone).stage_count - 1
    if max(settings.blocks) > last:
        raise InputError(
            f"The setting blocks cannot be '{','.join(map(str, settings.blocks))}'.",
            hint=f"The backbone {backbone} has the decoder blocks 0 to {last}.",
        )
    if patch_size and settings.features == "dense" and settings.stride > patch_size:
        raise InputError(
            f"The setting stride cannot be '{settings.stride}' with a patch_size of {patch_size}.",
            hint=f"Set stride to {patch_size} at most.",
        )
    if patch_size:
        check_window(settings, patch_size)
