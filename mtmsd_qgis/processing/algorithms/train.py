"""Algorithm ``mtmsd:train``: learn classes from polygons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingParameterFileDestination,
)

from ...common.translation import tr
from .. import map_parameters as more
from .. import parameters as common
from ..algorithm import EngineAlgorithm
from ..inputs import raster_source


class Train(EngineAlgorithm):
    """Learns the classes of training polygons on top of a diffusion model."""

    ID = "train"
    TAGS = ("supervised", "training", "polygons", "deep learning")
    PHASES = (("features", 40), ("holdout", 20), ("baseline", 10), ("curve", 10), ("fit", 30))

    def displayName(self) -> str:
        """Return the name that users see."""
        return tr("Train a classifier")

    def shortDescription(self) -> str:
        """Return the tooltip."""
        return tr("Learns the classes of training polygons and writes a classifier.")

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Declare parameters and outputs."""
        output = QgsProcessingParameterFileDestination(
            "OUTPUT", tr("Classifier"), fileFilter=common.MODEL_FILTER
        )
        labels_help = tr("The training polygons, at least 3 pixels in each of two or more classes.")
        self.add_all(
            common.scene(),
            common.labels("LABELS", tr("Training polygons"), labels_help),
            common.class_field(),
            common.selected(),
            common.model(optional=True),
            more.classifier_kind(),
            common.device(),
            common.seed(),
            common.settings(),
            common.exclude(),
            *common.masks(),
            common.resume(),
            common.with_help(
                output,
                tr(
                    "A .safetensors file that holds the diffusion model, the classes with names "
                    "and colours, and the accuracy on held-out polygons; it is all that "
                    "'Classify a scene' needs."
                ),
            ),
            *more.libraries(),
            *more.held_out(),
            more.doubtful(),
        )

    def check(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Only classifiers of plain spectra do without a diffusion model."""
        kind = self.parameterAsEnumString(parameters, "CLASSIFIER", context)
        if kind == "mtmsd" and not parameters.get("MODEL"):
            raise QgsProcessingException(
                tr(
                    "The classifier 'mtmsd' needs a diffusion model; give the one that 'Pretrain "
                    "on a scene' has written, or choose another classifier."
                )
            )
        more.check_library(parameters)
        super().check(parameters, context)

    def gather(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Take the scene's file and the polygons."""
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
            "model": self.file_input(parameters, "MODEL", context),
            "output": self.file_output(parameters, "OUTPUT", context),
            "doubtful": self.layer_output(parameters, "DOUBTFUL", context, self._title, "POLYGONS"),
            "resume": self.parameterAsBool(parameters, "RESUME", context),
            **self.method_arguments(parameters, context),
            **self.held_out_arguments(parameters, context),
            **more.library_arguments(self, parameters, context),
        }

    def outputs(self, arguments: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
        """Return the classifier's file, and the doubtful polygons."""
        return {"OUTPUT": arguments["output"], "DOUBTFUL": arguments.get("doubtful")}
