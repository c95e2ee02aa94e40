"""Algorithm ``mtmsd:assess``: how good a map is."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from ...common.translation import tr
from .. import parameters as common
from ..algorithm import EngineAlgorithm
from ..figures import figure_outputs, figures
from ..inputs import raster_source


def parse_match(text: str) -> dict[str, str]:
    """Return the pairs in ``THEIRS=OURS; THEIRS=OURS``, or in a JSON object.

    Raises
    ------
    QgsProcessingException
        For a part without an equals sign.
    """
    pairs: dict[str, str] = {}
    if text.lstrip().startswith("{"):
        with contextlib.suppress(ValueError):
            return {str(theirs): str(ours) for theirs, ours in json.loads(text).items()}
    for part in filter(str.strip, text.split(";")):
        theirs, equals, ours = part.partition("=")
        if not equals or not theirs.strip():
            raise QgsProcessingException(
                tr("'{part}' in Classes to match is not of the form THEIRS=OURS.").format(
                    part=part.strip()
                )
            )
        pairs[theirs.strip()] = ours.strip()
    return pairs


class Assess(EngineAlgorithm):
    """Compares a class map with reference polygons."""

    ID = "assess"
    TAGS = ("accuracy", "validation", "confusion matrix", "kappa", "report")
    PHASES = (("assess", 10), ("baseline", 60), ("report", 30))

    def displayName(self) -> str:
        """Return the name that users see."""
        return tr("Assess a class map")

    def shortDescription(self) -> str:
        """Return the tooltip."""
        return tr("Compares a class map with reference polygons and writes an accuracy report.")

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Declare parameters and outputs."""
        class_map = QgsProcessingParameterRasterLayer("MAP", tr("Class map"))
        reference = tr(
            "Reference that was not used for training. Default: none; the report is then that of "
            "the polygons held out while the map's classifier was trained."
        )
        match = QgsProcessingParameterString("MATCH", tr("Classes to match"), optional=True)
        training = tr(
            "The polygons that trained the map; the baselines learn from them. Default: none."
        )
        data = QgsProcessingParameterFileDestination(
            "OUTPUT_JSON",
            tr("Figures"),
            fileFilter="JSON (*.json)",
            optional=True,
            createByDefault=False,
        )
        self.add_all(
            common.with_help(class_map, tr("The raster that 'Classify a scene' has written.")),
            common.labels("LABELS", tr("Reference polygons"), reference, optional=True),
            common.class_field(),
            common.advanced(
                common.with_help(
                    match,
                    tr(
                        "The map's class for classes of the reference that are called otherwise, "
                        "by name or number, with semicolons between: 'Wald=forest; 7=water'. "
                        "'Weg=' leaves one out, 'Weg=-' counts it as wrong. Default: names "
                        "and numbers are the map's."
                    ),
                )
            ),
            common.selected(),
            common.advanced(
                common.with_help(
                    common.scene("SCENE", optional=True),
                    tr(
                        "The scene of the map. With it and the training polygons, a support vector "
                        "machine and a random forest on the plain spectra are reported beside "
                        "the map. Default: none."
                    ),
                )
            ),
            common.advanced(
                common.labels("TRAINING", tr("Training polygons"), training, optional=True)
            ),
            *common.masks(),
            common.report("OUTPUT"),
            common.advanced(
                common.with_help(data, tr("The figures as JSON. Default: beside the report."))
            ),
        )
        for output in figure_outputs():
            self.addOutput(output)

    def check(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Baselines need both the scene and the polygons that trained the map."""
        if bool(parameters.get("SCENE")) != bool(parameters.get("TRAINING")):
            raise QgsProcessingException(
                tr(
                    "Spectral baselines need both the scene and the training polygons; give both "
                    "or neither."
                )
            )
        super().check(parameters, context)

    def gather(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Take the files of map, scene and polygons."""
        self._map = raster_source(self.raster(parameters, "MAP", context))
        self._scene = self.optional_raster_source(parameters, "SCENE", context)
        self._labels = self.labels(parameters, "LABELS", context)
        self._training = self.labels(parameters, "TRAINING", context)
        self._masks = self.masks(parameters, context)

    def arguments(
        self, parameters: dict[str, Any], context: QgsProcessingContext, folder: Path
    ) -> dict[str, Any]:
        """Return the job's arguments."""
        return {
            "map": self._map,
            "labels": self._labels(folder),
            "class_field": self.parameterAsString(parameters, "CLASS_FIELD", context),
            "match": parse_match(self.parameterAsString(parameters, "MATCH", context)),
            "scene": self._scene,
            **self._masks(folder),
            "training": self._training(folder),
            "output": self.file_output(parameters, "OUTPUT", context),
            "json_output": self.file_output(parameters, "OUTPUT_JSON", context),
        }

    def outputs(self, arguments: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
        """Return the report and the three figures that models may want to branch on."""
        beside = str(Path(arguments["output"]).with_suffix(".json"))
        return {
            "OUTPUT": arguments["output"],
            "OUTPUT_JSON": arguments.get("json_output", beside),
            **figures(results),
        }
