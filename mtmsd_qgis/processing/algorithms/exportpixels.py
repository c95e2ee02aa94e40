"""Algorithm ``mtmsd:exportpixels``: the training pixels with their band values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingOutputNumber,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterVectorDestination,
)

from ...common.translation import tr
from .. import parameters as common
from ..algorithm import EngineAlgorithm
from ..inputs import raster_source


class ExportPixels(EngineAlgorithm):
    """Writes each training pixel with its class and the values of its bands."""

    ID = "exportpixels"
    TAGS = ("training", "samples", "spectra", "table", "csv", "points")
    PHASES = (("exportpixels", 100),)

    def displayName(self) -> str:
        """Return the name that users see."""
        return tr("Export training pixels")

    def shortDescription(self) -> str:
        """Return the tooltip."""
        return tr("Each training pixel with its class and band values, as points and as a table.")

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Declare parameters and outputs."""
        points = QgsProcessingParameterVectorDestination(
            "OUTPUT", tr("Training pixels"), type=QgsProcessing.SourceType.TypeVectorPoint
        )
        table = QgsProcessingParameterFileDestination(
            "TABLE",
            tr("Table"),
            fileFilter="CSV (*.csv)",
            optional=True,
            createByDefault=False,
        )
        text = tr("The polygons whose pixels are written.")
        self.add_all(
            common.scene(),
            common.labels("LABELS", tr("Training polygons"), text),
            common.class_field(),
            common.selected(),
            common.exclude(),
            *common.masks(),
            common.with_help(
                points,
                tr(
                    "GeoPackage with a point a pixel: class number and name, polygon, column and "
                    "row (from 0), x and y, and a column a band, named by its wavelength in nm."
                ),
            ),
            common.with_help(table, tr("The same columns as CSV.")),
        )
        self.addOutput(QgsProcessingOutputNumber("COUNT", tr("Number of pixels")))

    def gather(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Take the scene's file, the polygons and the masks."""
        layer = self.raster(parameters, "INPUT", context)
        self._scene, self._title = raster_source(layer), layer.name()
        self._labels = self.labels(parameters, "LABELS", context)
        self._masks = self.masks(parameters, context)

    def arguments(
        self, parameters: dict[str, Any], context: QgsProcessingContext, folder: Path
    ) -> dict[str, Any]:
        """Return the job's arguments."""
        return {
            "scene": self._scene,
            **self._masks(folder),
            "labels": self._labels(folder),
            "class_field": self.parameterAsString(parameters, "CLASS_FIELD", context),
            "exclude": self.parameterAsString(parameters, "EXCLUDE", context),
            "output": self.layer_output(parameters, "OUTPUT", context, self._title, "PIXELS"),
            "table": self.file_output(parameters, "TABLE", context),
        }

    def outputs(self, arguments: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
        """Return the files and the number of pixels."""
        return {
            "OUTPUT": arguments["output"],
            "TABLE": arguments.get("table"),
            "COUNT": results.get("count"),
        }
