"""Algorithm ``mtmsd:pretrain``: learn a scene without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingParameterFileDestination

from ...common.translation import tr
from .. import parameters as common
from ..algorithm import EngineAlgorithm
from ..inputs import raster_source


class Pretrain(EngineAlgorithm):
    """Learns a scene's spectra and textures; writes a diffusion model."""

    ID = "pretrain"
    TAGS = ("self-supervised", "unsupervised", "deep learning")
    PHASES = (("prepare", 3), ("pretrain", 97))

    def displayName(self) -> str:
        """Return the name that users see."""
        return tr("Pretrain on a scene")

    def shortDescription(self) -> str:
        """Return the tooltip."""
        return tr("Learns a hyperspectral scene without labels and writes a diffusion model.")

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Declare parameters and outputs."""
        output = QgsProcessingParameterFileDestination(
            "OUTPUT", tr("Diffusion model"), fileFilter=common.MODEL_FILTER
        )
        self.add_all(
            common.scene(),
            common.preset(),
            common.device(),
            common.seed(),
            common.settings(),
            common.exclude(),
            *common.masks(),
            common.resume(),
            common.with_help(
                output,
                tr(
                    "A .safetensors file of 5 to 110 MB, to be used by 'Train a classifier' and "
                    "'Map a scene from polygons'. Checkpoints lie beside it until it is complete."
                ),
            ),
        )

    def gather(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Take the scene's file."""
        self._scene = raster_source(self.raster(parameters, "INPUT", context))
        self._masks = self.masks(parameters, context)

    def arguments(
        self, parameters: dict[str, Any], context: QgsProcessingContext, folder: Path
    ) -> dict[str, Any]:
        """Return the job's arguments."""
        return {
            "scene": self._scene,
            **self._masks(folder),
            "output": self.file_output(parameters, "OUTPUT", context),
            "resume": self.parameterAsBool(parameters, "RESUME", context),
            **self.method_arguments(parameters, context),
        }

    def outputs(self, arguments: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
        """Return the model's file."""
        return {"OUTPUT": arguments["output"]}
