"""Algorithm ``mtmsd:mosaic``: one class map of many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterRasterDestination,
)

from ...common.translation import tr
from .. import parameters as common
from ..algorithm import EngineAlgorithm
from ..inputs import raster_source


class Mosaic(EngineAlgorithm):
    """Joins maps that overlap, by their probabilities."""

    ID = "mosaic"
    TAGS = ("merge", "join", "blend", "overlap", "cog")
    PHASES = (("mosaic", 80), ("overviews", 20))

    def displayName(self) -> str:
        """Return the name that users see."""
        return tr("Join class maps to a mosaic")

    def shortDescription(self) -> str:
        """Return the tooltip."""
        return tr("One class map of many; where they overlap, their probabilities are blended.")

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Declare parameters and outputs."""
        layers = QgsProcessingParameterMultipleLayers(
            "PROBABILITIES", tr("Probabilities"), QgsProcessing.SourceType.TypeRaster
        )
        layers.setMinimumNumberInputs(1)
        class_map = QgsProcessingParameterRasterDestination("OUTPUT", tr("Class map"))
        self.add_all(
            common.with_help(
                layers,
                tr(
                    "Of each map the layer of probabilities that 'Classify a scene' has written, "
                    "all with one classifier and on one grid."
                ),
            ),
            common.with_help(
                class_map,
                tr("GeoTIFF (COG) with overviews, class numbers, names and colours; 0 = no data."),
            ),
            common.confidence(),
        )

    def _sources(self, parameters: dict[str, Any], context: QgsProcessingContext) -> list[str]:
        layers = self.parameterAsLayerList(parameters, "PROBABILITIES", context) or []
        if not layers:
            raise QgsProcessingException(
                tr("There is no map for a mosaic; give the probabilities of each.")
            )
        return [raster_source(layer) for layer in layers]

    def check(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Refuse layers that the engine cannot open."""
        self._sources(parameters, context)
        super().check(parameters, context)

    def gather(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Take the files of the probabilities."""
        self._maps = self._sources(parameters, context)

    def arguments(
        self, parameters: dict[str, Any], context: QgsProcessingContext, folder: Path
    ) -> dict[str, Any]:
        """Return the job's arguments."""
        title = tr("mosaic")
        return {
            "probabilities": self._maps,
            "output": self.layer_output(parameters, "OUTPUT", context, title),
            "confidence": self.layer_output(parameters, "CONFIDENCE", context, title),
        }

    def outputs(self, arguments: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
        """Return the rasters."""
        return {"OUTPUT": arguments["output"], "CONFIDENCE": arguments.get("confidence")}
