"""Algorithm ``mtmsd:change``: what became what between two class maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
)

from ...common.translation import tr
from .. import parameters as common
from ..algorithm import EngineAlgorithm
from ..inputs import labels_file, raster_source


class Change(EngineAlgorithm):
    """Compares two class maps of one place."""

    ID = "change"
    TAGS = ("change detection", "transition", "from-to", "two dates", "area", "multitemporal")
    PHASES = (("change", 100),)

    def displayName(self) -> str:
        """Return the name that users see."""
        return tr("Change between two class maps")

    def shortDescription(self) -> str:
        """Return the tooltip."""
        return tr("What became what, as a map and as a table with areas and standard errors.")

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Declare parameters and outputs."""
        self.add_all(
            _raster("BEFORE", tr("Earlier class map"), tr("The class map of the earlier date.")),
            _raster(
                "AFTER",
                tr("Later class map"),
                tr("The class map of the later date, on the grid of the earlier one."),
            ),
            *self._confidences(),
            *self._legend_and_reference(),
            common.with_help(
                QgsProcessingParameterRasterDestination("OUTPUT", tr("Change map")),
                tr(
                    "GeoTIFF with a class for each pair of classes: pale where nothing changed, "
                    "else in a shade of the later class's colour."
                ),
            ),
            common.with_help(
                QgsProcessingParameterFileDestination(
                    "TABLE", tr("From-to table"), fileFilter="CSV (*.csv)", optional=True
                ),
                tr("Pixels, areas and their standard errors of each pair of classes as CSV."),
            ),
        )

    def _confidences(self) -> list[Any]:
        text = tr("Written with the map. Default: none.")
        below = QgsProcessingParameterNumber(
            "BELOW",
            tr("Unknown below a confidence of"),
            type=QgsProcessingParameterNumber.Type.Double,
            defaultValue=0.5,
            minValue=0,
            maxValue=1,
        )
        return [
            _raster("BEFORE_CONFIDENCE", tr("Confidence of the earlier map"), text, True),
            _raster("AFTER_CONFIDENCE", tr("Confidence of the later map"), text, True),
            common.with_help(
                below,
                tr(
                    "Pixels of lower confidence in one of the maps are counted apart. Default: 0.5."
                ),
            ),
        ]

    def _legend_and_reference(self) -> list[Any]:
        legend = QgsProcessingParameterFile(
            "LEGEND", tr("Table of equal classes"), fileFilter="CSV (*.csv)", optional=True
        )
        reference = QgsProcessingParameterMapLayer(
            "REFERENCE",
            tr("Reference of the change"),
            optional=True,
            types=[QgsProcessing.SourceType.TypeVectorAnyGeometry],
        )
        fields = [
            QgsProcessingParameterField(
                name, title, parentLayerParameterName="REFERENCE", optional=True
            )
            for name, title in (
                ("FROM_FIELD", tr("Field with the class before")),
                ("TO_FIELD", tr("Field with the class after")),
            )
        ]
        return [
            common.with_help(
                legend,
                tr(
                    "Columns before,after: classes that are the same though they are called "
                    "differently. Default: classes of one name are the same."
                ),
            ),
            common.with_help(
                reference,
                tr(
                    "Points or polygons with the true class before and after; areas and their "
                    "standard errors then rest on them. Default: on the held-out polygons of both "
                    "maps."
                ),
            ),
            *(
                common.with_help(field, tr("A field of the reference. Default: none."))
                for field in fields
            ),
        ]

    def check(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """A reference needs both of its fields."""
        if parameters.get("REFERENCE") and not (
            parameters.get("FROM_FIELD") and parameters.get("TO_FIELD")
        ):
            raise QgsProcessingException(
                tr("The reference of the change needs its two fields, of before and after.")
            )
        super().check(parameters, context)

    def gather(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Take the files of maps, confidences and reference."""
        layers = [self.raster(parameters, name, context) for name in ("BEFORE", "AFTER")]
        self._maps = [raster_source(layer) for layer in layers]
        self._title = " → ".join(layer.name() for layer in layers)
        self._confidence = {
            name.lower(): self.optional_raster_source(parameters, name, context)
            for name in ("BEFORE_CONFIDENCE", "AFTER_CONFIDENCE")
        }
        self._reference = None
        if parameters.get("REFERENCE"):
            self._reference = labels_file(self._layer(parameters, "REFERENCE", context))

    def arguments(
        self, parameters: dict[str, Any], context: QgsProcessingContext, folder: Path
    ) -> dict[str, Any]:
        """Return the job's arguments."""
        return {
            "before": self._maps[0],
            "after": self._maps[1],
            **self._confidence,
            "below": self.parameterAsDouble(parameters, "BELOW", context),
            "legend": self.file_input(parameters, "LEGEND", context),
            "reference": self._reference(folder) if self._reference else None,
            "from_field": self.parameterAsString(parameters, "FROM_FIELD", context),
            "to_field": self.parameterAsString(parameters, "TO_FIELD", context),
            "output": self.layer_output(parameters, "OUTPUT", context, self._title),
            "table": self.file_output(parameters, "TABLE", context),
        }

    def outputs(self, arguments: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
        """Return the map and the table."""
        return {
            "OUTPUT": arguments["output"],
            "TABLE": arguments.get("table") or results.get("table"),
        }


def _raster(
    name: str, title: str, text: str, optional: bool = False
) -> QgsProcessingParameterRasterLayer:
    parameter = QgsProcessingParameterRasterLayer(name, title, optional=optional)
    common.with_help(parameter, text)
    return parameter
