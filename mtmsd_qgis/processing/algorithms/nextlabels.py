"""Algorithm ``mtmsd:nextlabels``: points that are worth a label next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingOutputNumber,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterVectorDestination,
)

from ...common.translation import tr
from .. import parameters as common
from ..algorithm import EngineAlgorithm
from ..inputs import raster_source


class NextLabels(EngineAlgorithm):
    """Proposes places that are in doubt and spread over the scene."""

    ID = "nextlabels"
    TAGS = ("active learning", "sampling", "uncertainty", "training", "points")
    PHASES = (("nextlabels", 100),)

    def displayName(self) -> str:
        """Return the name that users see."""
        return tr("Where to label next")

    def shortDescription(self) -> str:
        """Return the tooltip."""
        return tr("Points in doubt, spread over the scene, with the two classes in question.")

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Declare parameters and outputs."""
        probabilities = QgsProcessingParameterRasterLayer(
            "PROBABILITIES", tr("Class probabilities")
        )
        count = QgsProcessingParameterNumber(
            "COUNT",
            tr("Number of points"),
            type=QgsProcessingParameterNumber.Type.Integer,
            defaultValue=20,
            minValue=1,
            maxValue=100_000,
        )
        labels = tr("Labels that there are already; the points keep away. Default: none.")
        output = QgsProcessingParameterVectorDestination(
            "OUTPUT", tr("Points to label"), type=QgsProcessing.SourceType.TypeVectorPoint
        )
        self.add_all(
            common.with_help(
                probabilities,
                tr("One band for each class, from 'Classify a scene' or 'Map a scene'."),
            ),
            common.with_help(count, tr("How many points are proposed. Default: 20.")),
            common.labels("LABELS", tr("Training polygons"), labels, optional=True),
            common.class_field(),
            common.with_help(
                output,
                tr(
                    "GeoPackage with rank (1 is best), doubt (0 to 1), the two classes in doubt "
                    "and their probabilities."
                ),
            ),
        )
        self.addOutput(QgsProcessingOutputNumber("FOUND", tr("Number of points found")))

    def gather(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Take the files of probabilities and labels."""
        layer = self.raster(parameters, "PROBABILITIES", context)
        self._probabilities, self._title = raster_source(layer), layer.name()
        self._labels = self.labels(parameters, "LABELS", context)

    def arguments(
        self, parameters: dict[str, Any], context: QgsProcessingContext, folder: Path
    ) -> dict[str, Any]:
        """Return the job's arguments."""
        return {
            "probabilities": self._probabilities,
            "count": self.parameterAsInt(parameters, "COUNT", context),
            "labels": self._labels(folder),
            "class_field": self.parameterAsString(parameters, "CLASS_FIELD", context),
            "output": self.layer_output(parameters, "OUTPUT", context, self._title, "POINTS"),
        }

    def outputs(self, arguments: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
        """Return the points and their number."""
        return {"OUTPUT": arguments["output"], "FOUND": results.get("count")}
