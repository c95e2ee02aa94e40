"""The figures of an assessment as outputs, for models that branch on them."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingOutputNumber

from ..common.translation import tr


def figure_outputs() -> list[QgsProcessingOutputNumber]:
    """Return the declarations."""
    return [
        QgsProcessingOutputNumber("OVERALL_ACCURACY", tr("Overall accuracy (0 to 1)")),
        QgsProcessingOutputNumber("AVERAGE_ACCURACY", tr("Average accuracy (0 to 1)")),
        QgsProcessingOutputNumber("KAPPA", tr("Kappa")),
    ]


def figures(accuracy: dict[str, Any] | None) -> dict[str, float | None]:
    """Return the values; None where nothing was assessed."""
    found = accuracy or {}
    return {
        "OVERALL_ACCURACY": found.get("overall"),
        "AVERAGE_ACCURACY": found.get("average"),
        "KAPPA": found.get("kappa"),
    }
