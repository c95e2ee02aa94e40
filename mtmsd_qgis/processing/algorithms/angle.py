"""Algorithm ``mtmsd:angle``: how far pixels are from spectra of a library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingParameterFile,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
)

from ...common.translation import tr
from .. import parameters as common
from ..algorithm import EngineAlgorithm
from ..inputs import raster_source


class Angle(EngineAlgorithm):
    """Measures the spectral angle between a scene and spectra of a library."""

    ID = "angle"
    TAGS = ("spectral angle mapper", "sam", "library", "spectrum", "similarity")
    PHASES = (("angle", 100),)

    def displayName(self) -> str:
        """Return the name that users see."""
        return tr("Spectral angle")

    def shortDescription(self) -> str:
        """Return the tooltip."""
        return tr("How far each pixel is from spectra of a library, whatever its brightness.")

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Declare parameters and outputs."""
        library = QgsProcessingParameterFile("LIBRARY", tr("Spectral library"))
        spectra = QgsProcessingParameterString("SPECTRA", tr("Spectra"), optional=True)
        angles = QgsProcessingParameterRasterDestination("OUTPUT", tr("Spectral angle"))
        self.add_all(
            common.scene(),
            common.with_help(
                library, tr("ENVI (.sli), CSV, text of the USGS or of ECOSTRESS, ASD (.asd).")
            ),
            common.with_help(
                spectra, tr("Names of its spectra, separated by semicolons. Default: all of them.")
            ),
            common.exclude(),
            *common.masks(),
            common.with_help(
                angles,
                tr("GeoTIFF with a band a spectrum: the angle in radians, 0 where they are alike."),
            ),
        )

    def gather(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Take the scene's file and the masks."""
        layer = self.raster(parameters, "INPUT", context)
        self._scene, self._title = raster_source(layer), layer.name()
        self._masks = self.masks(parameters, context)

    def arguments(
        self, parameters: dict[str, Any], context: QgsProcessingContext, folder: Path
    ) -> dict[str, Any]:
        """Return the job's arguments."""
        names = self.parameterAsString(parameters, "SPECTRA", context).split(";")
        return {
            "scene": self._scene,
            **self._masks(folder),
            "library": self.parameterAsFile(parameters, "LIBRARY", context),
            "spectrum": [name.strip() for name in names if name.strip()],
            "exclude": self.parameterAsString(parameters, "EXCLUDE", context),
            "output": self.layer_output(parameters, "OUTPUT", context, self._title),
        }

    def outputs(self, arguments: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
        """Return the raster."""
        return {"OUTPUT": arguments["output"]}
