"""Algorithm ``mtmsd:export``: a classifier as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
)

from ...common.translation import tr
from .. import parameters as common
from ..algorithm import EngineAlgorithm


class Export(EngineAlgorithm):
    """Writes a classifier as ONNX, for engines without PyTorch."""

    ID = "export"
    TAGS = ("onnx", "light", "share", "model")
    PHASES = (("export", 100),)

    def displayName(self) -> str:
        """Return the name that users see."""
        return tr("Export a classifier")

    def shortDescription(self) -> str:
        """Return the tooltip."""
        return tr("Writes a classifier as ONNX, to map with on machines without PyTorch.")

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Declare parameters and outputs."""
        classifier = QgsProcessingParameterFile(
            "CLASSIFIER",
            tr("Classifier"),
            behavior=QgsProcessingParameterFile.Behavior.File,
            fileFilter=common.MODEL_FILTER,
        )
        output = QgsProcessingParameterFileDestination(
            "OUTPUT", tr("Exported classifier"), fileFilter="ONNX (*.onnx)"
        )
        self.add_all(
            common.with_help(
                classifier, tr("The .safetensors file that 'Train a classifier' has written.")
            ),
            common.with_help(
                output, tr("An .onnx file, all that 'Classify a scene' needs of the classifier.")
            ),
        )

    def check(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Refuse an output of another suffix."""
        super().check(parameters, context)
        path = Path(self.parameterAsFileOutput(parameters, "OUTPUT", context))
        if path.suffix.lower() != ".onnx":
            raise QgsProcessingException(
                tr("'{name}' does not end in .onnx; choose another name.").format(name=path.name)
            )

    def gather(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Take nothing: there is no layer."""

    def arguments(
        self, parameters: dict[str, Any], context: QgsProcessingContext, folder: Path
    ) -> dict[str, Any]:
        """Return the job's arguments."""
        return {
            "classifier": self.file_input(parameters, "CLASSIFIER", context),
            "output": self.file_output(parameters, "OUTPUT", context),
        }

    def outputs(self, arguments: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
        """Return the file."""
        return {"OUTPUT": arguments["output"]}
