"""Which layers the dock made, and what for."""

from __future__ import annotations

from qgis.core import QgsMapLayer

ROLE = "mtmsd/role"
"""Custom property of such layers."""
MAP, PREVIEW, CONFIDENCE, TRAINING = "map", "preview", "confidence", "training"
REGIONS, POINTS, DOUBTFUL = "regions", "points", "doubtful"
OTHER_MAP = "other_map"
EDGES, REGION_MAP = "edges", "region-map"


def role(layer: QgsMapLayer) -> str:
    """Return what the dock made the layer for; empty for the user's own layers."""
    return str(layer.customProperty(ROLE, "") or "")
