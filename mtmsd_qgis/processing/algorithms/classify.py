"""Algorithm ``mtmsd:classify``: a classifier maps a scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFile,
    QgsProcessingParameterRasterDestination,
    QgsRasterLayer,
)

from ...common.translation import tr
from .. import map_parameters as more
from .. import parameters as common
from ..algorithm import EngineAlgorithm
from ..inputs import raster_source


class Classify(EngineAlgorithm):
    """Maps a scene, or a part of it, with a classifier."""

    ID = "classify"
    TAGS = ("map", "prediction", "inference", "confidence", "probabilities")
    PHASES = (("classify", 97), ("refine", 3))

    def displayName(self) -> str:
        """Return the name that users see."""
        return tr("Classify a scene")

    def shortDescription(self) -> str:
        """Return the tooltip."""
        return tr("Maps a scene with a trained classifier; class map and confidence.")

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Declare parameters and outputs."""
        classifier = QgsProcessingParameterFile(
            "CLASSIFIER",
            tr("Classifier"),
            behavior=QgsProcessingParameterFile.Behavior.File,
            fileFilter=common.CLASSIFIER_FILTER,
        )
        extent = QgsProcessingParameterExtent("EXTENT", tr("Extent"), optional=True)
        class_map = QgsProcessingParameterRasterDestination("OUTPUT", tr("Class map"))
        self.add_all(
            common.scene(),
            common.with_help(
                classifier,
                tr(
                    "The .safetensors file that 'Train a classifier' has written, or the .onnx "
                    "file of 'Export a classifier'."
                ),
            ),
            common.with_help(
                extent,
                tr(
                    "Only this part of the scene is mapped, on the scene's own pixels. "
                    "Default: the whole scene."
                ),
            ),
            *common.masks(),
            common.device(),
            common.resume(),
            common.with_help(
                class_map,
                tr(
                    "GeoTIFF on the scene's grid with class numbers, names and colours; "
                    "0 = no data."
                ),
            ),
            common.confidence(),
            *more.layers(),
            *more.filters(),
        )

    def check(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Refuse an extent that does not touch the scene."""
        super().check(parameters, context)
        self._extent_in(parameters, context, self.raster(parameters, "INPUT", context))

    def _extent_in(
        self, parameters: dict[str, Any], context: QgsProcessingContext, layer: QgsRasterLayer
    ) -> list[float] | None:
        if not parameters.get("EXTENT"):
            return None
        # The file's own CRS: one that the user set on the layer is unknown to the engine.
        crs = layer.dataProvider().crs()
        extent = self.parameterAsExtent(parameters, "EXTENT", context, crs)
        if extent.isEmpty() or not extent.intersects(layer.dataProvider().extent()):
            raise QgsProcessingException(
                tr("The extent does not touch the scene '{name}'; choose one that does.").format(
                    name=layer.name()
                )
            )
        return [extent.xMinimum(), extent.yMinimum(), extent.xMaximum(), extent.yMaximum()]

    def gather(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Take the scene's file and the extent in the scene's CRS."""
        layer = self.raster(parameters, "INPUT", context)
        self._scene = raster_source(layer)
        self._title = layer.name()
        self._extent = self._extent_in(parameters, context, layer)
        self._masks = self.masks(parameters, context)

    def arguments(
        self, parameters: dict[str, Any], context: QgsProcessingContext, folder: Path
    ) -> dict[str, Any]:
        """Return the job's arguments."""

        def raster(name: str) -> str | None:
            return self.layer_output(parameters, name, context, self._title)

        return {
            "scene": self._scene,
            **self._masks(folder),
            "classifier": self.file_input(parameters, "CLASSIFIER", context),
            "extent": self._extent,
            "device": self.parameterAsEnumString(parameters, "DEVICE", context),
            "resume": self.parameterAsBool(parameters, "RESUME", context),
            "output": raster("OUTPUT"),
            "confidence": raster("CONFIDENCE"),
            **{name.lower(): raster(name) for name in more.LAYERS},
            **more.filter_arguments(parameters),
        }

    def outputs(self, arguments: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
        """Return the rasters."""
        return {
            "OUTPUT": arguments["output"],
            "CONFIDENCE": arguments.get("confidence"),
            **{name: arguments.get(name.lower()) for name in more.LAYERS},
        }
