"""Algorithm ``mtmsd:map``: from polygons to a map in one step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterRasterDestination,
)

from ...common.translation import tr
from .. import map_parameters as more
from .. import parameters as common
from ..algorithm import EngineAlgorithm
from ..figures import figure_outputs, figures
from ..inputs import raster_source


class Map(EngineAlgorithm):
    """Pretrains, trains, classifies and assesses in one job."""

    ID = "map"
    TAGS = ("supervised", "polygons", "land cover map", "one step")
    PHASES = (
        ("prepare", 1),
        ("pretrain", 70),
        ("features", 6),
        ("holdout", 5),
        ("baseline", 4),
        ("curve", 3),
        ("fit", 6),
        ("classify", 5),
        ("refine", 1),
        ("assess", 1),
        ("report", 3),
        ("vectorize", 1),
        ("nextlabels", 1),
    )

    def displayName(self) -> str:
        """Return the name that users see."""
        return tr("Map a scene from polygons")

    def shortDescription(self) -> str:
        """Return the tooltip."""
        return tr("From a hyperspectral raster and a few polygons to a class map, in one step.")

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Declare parameters and outputs."""
        training = tr("The training polygons, at least 3 pixels in each of two or more classes.")
        validation = tr(
            "Reference that is not used for training. Default: a quarter of the training polygons "
            "is held out for the accuracy figures; the map then learns from all of them."
        )
        class_map = QgsProcessingParameterRasterDestination("OUTPUT", tr("Class map"))
        self.add_all(
            common.scene(),
            common.labels("LABELS", tr("Training polygons"), training),
            common.class_field(),
            common.selected(),
            common.labels("VALIDATION", tr("Validation polygons"), validation, optional=True),
            common.model(optional=True),
            more.classifier_kind(),
            common.preset(),
            common.device(),
            common.seed(),
            common.settings(),
            common.exclude(),
            *common.masks(),
            common.resume(),
            common.with_help(
                class_map,
                tr(
                    "GeoTIFF on the scene's grid with class numbers, names and colours; "
                    "0 = no data."
                ),
            ),
            common.confidence(),
            common.report("REPORT", optional=True),
            *self._model_outputs(),
            *more.libraries(),
            *more.held_out(),
            *more.layers(),
            *more.filters(),
            *more.vectors(),
            more.doubtful(),
        )
        for output in figure_outputs():
            self.addOutput(output)

    def _model_outputs(self) -> list[QgsProcessingParameterFileDestination]:
        outputs = []
        for name, description, text in (
            (
                "OUTPUT_MODEL",
                tr("New diffusion model"),
                tr(
                    "With this file the scene is pretrained first, which takes minutes, and the "
                    "stack listens to the diffusion network too. Default: none; pretrained only "
                    "if the classifier needs it."
                ),
            ),
            (
                "OUTPUT_CLASSIFIER",
                tr("Classifier"),
                tr("Kept to map other scenes of the same sensor. Default: not kept."),
            ),
        ):
            output = QgsProcessingParameterFileDestination(
                name,
                description,
                fileFilter=common.MODEL_FILTER,
                optional=True,
                createByDefault=False,
            )
            outputs.append(common.with_help(output, text))
        return outputs

    def check(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Words about a library need one."""
        more.check_library(parameters)
        super().check(parameters, context)

    def gather(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Take the files of scene and polygons."""
        layer = self.raster(parameters, "INPUT", context)
        self._scene, self._title = raster_source(layer), layer.name()
        self._labels = self.labels(parameters, "LABELS", context)
        self._validation = self.labels(parameters, "VALIDATION", context)
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
            "validation": self._validation(folder),
            "model": self.file_input(parameters, "MODEL", context),
            "output": self.layer_output(parameters, "OUTPUT", context, self._title),
            "confidence": self.layer_output(parameters, "CONFIDENCE", context, self._title),
            **{
                name.lower(): self.layer_output(parameters, name, context, self._title)
                for name in more.LAYERS
            },
            "polygons": self.layer_output(parameters, "POLYGONS", context, self._title),
            "next_labels": self.layer_output(
                parameters, "NEXT_LABELS", context, self._title, "POINTS"
            ),
            "doubtful": self.layer_output(parameters, "DOUBTFUL", context, self._title, "POLYGONS"),
            **more.filter_arguments(parameters),
            **self.held_out_arguments(parameters, context),
            **more.library_arguments(self, parameters, context),
            "report": self.file_output(parameters, "REPORT", context),
            "model_output": self.file_output(parameters, "OUTPUT_MODEL", context),
            "classifier_output": self.file_output(parameters, "OUTPUT_CLASSIFIER", context),
            "resume": self.parameterAsBool(parameters, "RESUME", context),
            **self.method_arguments(parameters, context),
        }

    def phases(self, arguments: dict[str, Any]) -> dict[str, float]:
        """Return the phases; the scene is learnt first only where there is no model of it."""
        kind, kept = arguments["classifier"], arguments.get("model_output")
        if kind == "auto":
            kind = "mtmsd" if arguments["preset"] == "paper" else "stack"
        learnt = "model" in arguments or not (kind == "mtmsd" or (kind == "stack" and kept))
        skipped = ("prepare", "pretrain") if learnt else ()
        return {name: share for name, share in self.PHASES if name not in skipped}

    def outputs(self, arguments: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
        """Return all files, and the accuracy's figures."""
        return {
            "OUTPUT": arguments["output"],
            "CONFIDENCE": arguments.get("confidence"),
            **{name: arguments.get(name.lower()) for name in more.LAYERS},
            "POLYGONS": arguments.get("polygons"),
            "NEXT_LABELS": arguments.get("next_labels"),
            "DOUBTFUL": arguments.get("doubtful"),
            "REPORT": results.get("report"),
            "OUTPUT_MODEL": arguments.get("model_output"),
            "OUTPUT_CLASSIFIER": arguments.get("classifier_output"),
            **figures(results.get("accuracy")),
        }
