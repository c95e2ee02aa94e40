"""Algorithm ``mtmsd:regions``: regions with true edges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingOutputNumber,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterVectorDestination,
)

from ...common.translation import tr
from .. import map_parameters as more
from .. import parameters as common
from ..algorithm import EngineAlgorithm
from ..figures import figure_outputs, figures
from ..inputs import raster_source


class Regions(EngineAlgorithm):
    """Learns regions with their classes, and writes them as polygons and as a class map."""

    ID = "regions"
    TAGS = ("segmentation", "superpixels", "supertokens", "objects", "polygons")
    PHASES = (("holdout", 70), ("regions", 20), ("classify", 6), ("report", 4))

    def displayName(self) -> str:
        """Return the name that users see."""
        return tr("Regions with true edges")

    def shortDescription(self) -> str:
        """Return the tooltip."""
        return tr("Parts a scene into regions that are learnt with their classes.")

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Declare parameters and outputs."""
        training = tr(
            "What the regions are learnt from. Default: none, and regions that were learnt before "
            "are taken."
        )
        size = QgsProcessingParameterNumber(
            "SIZE", tr("Size of a region in pixels"), defaultValue=0, minValue=0
        )
        self.add_all(
            common.scene(),
            common.labels("LABELS", tr("Training polygons"), training, optional=True),
            common.class_field(),
            common.selected(),
            *self._files_to_read(),
            common.with_help(
                size,
                tr(
                    "Side of the squares in which regions begin: 2 at least, the scene's shorter "
                    "side at most. 0 (default): half of a typical polygon's side, 4 to 16."
                ),
            ),
            common.seed(),
            common.exclude(),
            *common.masks(),
            common.resume(),
            *self._files_to_write(),
            common.report("REPORT", optional=True),
            *more.held_out(),
        )
        for output in figure_outputs():
            self.addOutput(output)
        self.addOutput(
            QgsProcessingOutputNumber("ACHIEVABLE", tr("Achievable segmentation accuracy (0 to 1)"))
        )
        self.addOutput(QgsProcessingOutputNumber("COUNT", tr("Number of regions")))

    def _files_to_read(self) -> tuple[Any, ...]:
        classifier = QgsProcessingParameterFile(
            "CLASSIFIER", tr("Learnt regions"), fileFilter=common.MODEL_FILTER, optional=True
        )
        pixel_map = QgsProcessingParameterRasterLayer(
            "PIXEL_MAP", tr("Map to compare with"), optional=True
        )
        return (
            common.with_help(
                classifier,
                tr(
                    "The .safetensors file of an earlier run, of this scene or another of the "
                    "same sensor: nothing is learnt then. Default: none."
                ),
            ),
            common.with_help(
                pixel_map,
                tr(
                    "A class map of single pixels whose accuracy the report tells beside that of "
                    "the regions, where both were judged by the same pixels. Default: none."
                ),
            ),
        )

    def _files_to_write(self) -> tuple[Any, ...]:
        output = QgsProcessingParameterVectorDestination(
            "OUTPUT", tr("Regions"), type=QgsProcessing.SourceType.TypeVectorPolygon
        )
        class_map = QgsProcessingParameterRasterDestination(
            "OUTPUT_MAP", tr("Class map of the regions"), optional=True
        )
        classifier = QgsProcessingParameterFileDestination(
            "OUTPUT_CLASSIFIER",
            tr("New learnt regions"),
            fileFilter=common.MODEL_FILTER,
            optional=True,
            createByDefault=False,
        )
        return (
            common.with_help(
                output,
                tr(
                    "GeoPackage with a polygon for each region: class_id, class_name, color, "
                    "pixels, area_ha, and share_N, the share of each class N."
                ),
            ),
            common.with_help(
                class_map,
                tr("GeoTIFF on the scene's grid: each pixel has the class of its region."),
            ),
            common.with_help(
                classifier, tr("Kept to map this scene or another with. Default: not kept.")
            ),
        )

    def check(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Refuse a run without anything to learn from or to map with, or with both."""
        super().check(parameters, context)
        if bool(parameters.get("LABELS")) == bool(parameters.get("CLASSIFIER")):
            raise QgsProcessingException(
                tr("Choose training polygons or learnt regions: one of the two.")
            )
        if self.parameterAsInt(parameters, "SIZE", context) == 1:
            raise QgsProcessingException(
                tr("Regions cannot begin as squares of 1 px; choose 2 or more, or 0.")
            )

    def gather(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Take the files of scene, polygons and masks."""
        layer = self.raster(parameters, "INPUT", context)
        self._scene, self._title = raster_source(layer), layer.name()
        self._labels = self.labels(parameters, "LABELS", context)
        self._masks = self.masks(parameters, context)
        self._pixel_map = self.optional_raster_source(parameters, "PIXEL_MAP", context)

    def arguments(
        self, parameters: dict[str, Any], context: QgsProcessingContext, folder: Path
    ) -> dict[str, Any]:
        """Return the job's arguments."""
        title = self._title
        return {
            "scene": self._scene,
            **self._masks(folder),
            "labels": self._labels(folder),
            "class_field": self.parameterAsString(parameters, "CLASS_FIELD", context),
            "classifier": self.file_input(parameters, "CLASSIFIER", context),
            "pixel_map": self._pixel_map,
            "size": self.parameterAsInt(parameters, "SIZE", context),
            "seed": self.parameterAsInt(parameters, "SEED", context),
            "exclude": self.parameterAsString(parameters, "EXCLUDE", context),
            "split": self.parameterAsEnumString(parameters, "SPLIT", context),
            "holdout": self.parameterAsDouble(parameters, "HOLDOUT", context),
            "guard": self.parameterAsInt(parameters, "GUARD", context),
            "resume": self.parameterAsBool(parameters, "RESUME", context),
            "output": self.layer_output(parameters, "OUTPUT", context, title, "REGIONS"),
            "map": self.layer_output(parameters, "OUTPUT_MAP", context, title, "OUTPUT"),
            "classifier_output": self.file_output(parameters, "OUTPUT_CLASSIFIER", context),
            "report": self.file_output(parameters, "REPORT", context),
        }

    def phases(self, arguments: dict[str, Any]) -> dict[str, float]:
        """Return the phases; with regions that were learnt before, nothing is learnt."""
        learnt = ("holdout", "regions") if arguments.get("classifier") else ()
        return {name: share for name, share in self.PHASES if name not in learnt}

    def outputs(self, arguments: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
        """Return the files, the accuracy's figures, and the number of regions."""
        return {
            "OUTPUT": arguments["output"],
            "OUTPUT_MAP": arguments.get("map"),
            "OUTPUT_CLASSIFIER": arguments.get("classifier_output"),
            "REPORT": results.get("report"),
            "ACHIEVABLE": (results.get("region_figures") or {}).get("achievable"),
            "COUNT": results.get("count"),
            **figures(results.get("accuracy")),
        }
