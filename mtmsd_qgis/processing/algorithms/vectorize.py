"""Algorithm ``mtmsd:vectorize``: a class map as polygons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingOutputNumber,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterVectorDestination,
)

from ...common.translation import tr
from .. import parameters as common
from ..algorithm import EngineAlgorithm
from ..inputs import raster_source


class Vectorize(EngineAlgorithm):
    """Outlines the regions of a class map."""

    ID = "vectorize"
    TAGS = ("polygonize", "polygons", "area", "table", "vector")
    PHASES = (("vectorize", 90), ("areas", 10))

    def displayName(self) -> str:
        """Return the name that users see."""
        return tr("Turn a class map into polygons")

    def shortDescription(self) -> str:
        """Return the tooltip."""
        return tr("Polygons with class, area and mean confidence, and the area of each class.")

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Declare parameters and outputs."""
        class_map = QgsProcessingParameterRasterLayer("MAP", tr("Class map"))
        confidence = QgsProcessingParameterRasterLayer(
            "CONFIDENCE", tr("Confidence"), optional=True
        )
        output = QgsProcessingParameterVectorDestination(
            "OUTPUT", tr("Polygons"), type=QgsProcessing.SourceType.TypeVectorPolygon
        )
        areas = QgsProcessingParameterFileDestination(
            "AREAS",
            tr("Area table"),
            fileFilter="CSV (*.csv)",
            optional=True,
            createByDefault=False,
        )
        self.add_all(
            common.with_help(class_map, tr("The raster that 'Classify a scene' has written.")),
            common.with_help(
                confidence,
                tr("Written with the map; its mean is told for each polygon. Default: none."),
            ),
            common.with_help(
                output,
                tr(
                    "GeoPackage with a polygon for each connected region: class_id, class_name, "
                    "color, pixels, area_ha, confidence."
                ),
            ),
            common.with_help(
                areas,
                tr("Pixels, share and hectares of each class as CSV. Default: not written."),
            ),
        )
        self.addOutput(QgsProcessingOutputNumber("COUNT", tr("Number of polygons")))

    def gather(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Take the files of map and confidence."""
        layer = self.raster(parameters, "MAP", context)
        self._map, self._title = raster_source(layer), layer.name()
        self._confidence = self.optional_raster_source(parameters, "CONFIDENCE", context)

    def arguments(
        self, parameters: dict[str, Any], context: QgsProcessingContext, folder: Path
    ) -> dict[str, Any]:
        """Return the job's arguments."""
        return {
            "map": self._map,
            "confidence": self._confidence,
            "output": self.layer_output(parameters, "OUTPUT", context, self._title, "POLYGONS"),
            "areas": self.file_output(parameters, "AREAS", context),
        }

    def outputs(self, arguments: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
        """Return the files and the number of polygons."""
        return {
            "OUTPUT": arguments["output"],
            "AREAS": arguments.get("areas"),
            "COUNT": results.get("count"),
        }
