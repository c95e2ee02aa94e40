"""Fusions by name."""

from __future__ import annotations

from mtmsd.classify.fusion import Fusion, GuidedFusion, MeanFusion
from mtmsd.classify.hyperfeatures import HyperfeaturesFusion
from mtmsd.tables import named

FUSIONS: dict[str, type[Fusion]] = {
    "guided": GuidedFusion,
    "mean": MeanFusion,
    "hyperfeatures": HyperfeaturesFusion,
}


def fusion_named(name: str) -> type[Fusion]:
    """Return the fusion of that name; raises :class:`InputError` if there is none."""
    return named("fusion", name, FUSIONS)
