"""Algorithm ``mtmsd:classifyscenes``: a classifier maps several scenes into a folder."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputMultipleLayers,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterRasterDestination,
)

from ...common.translation import tr
from .. import map_parameters as more
from .. import parameters as common
from ..algorithm import EngineAlgorithm
from ..inputs import raster_source
from ..styling import layer_title

LAYERS = ("confidence", "probabilities")
"""Folders beside the maps, where they are wanted."""


class ClassifyScenes(EngineAlgorithm):
    """Maps several scenes in one job; one that cannot be mapped stops no other."""

    ID = "classifyscenes"
    COMMAND = "classify"
    TAGS = ("map", "prediction", "several", "many", "list", "mosaic", "flight lines")
    PHASES = (("scenes", 90), ("mosaic", 8), ("overviews", 2))

    def displayName(self) -> str:
        """Return the name that users see."""
        return tr("Classify several scenes")

    def shortDescription(self) -> str:
        """Return the tooltip."""
        return tr("Maps scenes of one sensor with one classifier, into a folder or one mosaic.")

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Declare parameters and outputs."""
        classifier = QgsProcessingParameterFile(
            "CLASSIFIER",
            tr("Classifier"),
            behavior=QgsProcessingParameterFile.Behavior.File,
            fileFilter=common.CLASSIFIER_FILTER,
        )
        self.add_all(
            *_scenes(),
            common.with_help(
                classifier,
                tr(
                    "The .safetensors file that 'Train a classifier' has written, or the .onnx "
                    "file of 'Export a classifier'."
                ),
            ),
            *common.masks(),
            common.device(),
            common.resume(),
            *_wanted(),
            *more.filters(),
            common.with_help(
                QgsProcessingParameterFolderDestination("OUTPUT", tr("Folder of the maps")),
                tr("Gets a class map for each scene, a GeoTIFF of its name on its grid."),
            ),
            common.with_help(
                QgsProcessingParameterRasterDestination(
                    "MOSAIC", tr("Mosaic"), optional=True, createByDefault=False
                ),
                tr(
                    "Also one class map of all, blended where they overlap; for scenes on one "
                    "grid. Default: not written."
                ),
            ),
        )
        self.addOutput(QgsProcessingOutputMultipleLayers("MAPS", tr("Class maps")))
        self.addOutput(QgsProcessingOutputNumber("FAILED", tr("Scenes that were not mapped")))

    def _sources(self, parameters: dict[str, Any], context: QgsProcessingContext) -> list[str]:
        layers = self.parameterAsLayerList(parameters, "INPUTS", context) or []
        given = parameters.get("INPUTS") or []
        given = given if isinstance(given, (list, tuple)) else str(given).split(";")
        if len(layers) < len(given):
            names = ", ".join(str(name) for name in given)
            raise QgsProcessingException(
                tr("{lost} of {count} scenes are no layers: {names}; give those as scene files.")
                .format(lost=len(given) - len(layers), count=len(given), names=names)
            )  # fmt: skip
        files = self.parameterAsFileList(parameters, "FILES", context) or []
        sources = [*map(raster_source, layers), *map(_absolute, filter(None, files))]
        if not sources:
            raise QgsProcessingException(tr("There is no scene to map; give layers or files."))
        return list(dict.fromkeys(sources))

    def check(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Refuse layers that the engine cannot open."""
        self._sources(parameters, context)
        super().check(parameters, context)

    def gather(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Take the files of the scenes."""
        self._scenes = self._sources(parameters, context)
        self._masks = self.masks(parameters, context)

    def arguments(
        self, parameters: dict[str, Any], context: QgsProcessingContext, folder: Path
    ) -> dict[str, Any]:
        """Return the job's arguments."""
        output = Path(self.parameterAsString(parameters, "OUTPUT", context)).absolute()
        output.mkdir(parents=True, exist_ok=True)
        # the engine takes one scene for one map: a table of one makes a folder
        scenes = self._scenes if len(self._scenes) > 1 else [_table_of(self._scenes[0], folder)]
        wanted = [
            name
            for name in LAYERS
            if self.parameterAsBool(parameters, f"WITH_{name.upper()}", context)
        ]
        return {
            "scene": scenes[0],
            "more": scenes[1:],
            **self._masks(folder),
            "classifier": self.file_input(parameters, "CLASSIFIER", context),
            "device": self.parameterAsEnumString(parameters, "DEVICE", context),
            "resume": self.parameterAsBool(parameters, "RESUME", context),
            "output": str(output),
            "mosaic": self.layer_output(parameters, "MOSAIC", context, output.name),
            **{name: str(output / name) for name in wanted},
            "allow_failures": True,
            **more.filter_arguments(parameters),
        }

    def phases(self, arguments: dict[str, Any]) -> dict[str, float]:
        """Without a mosaic the scenes are all there is."""
        return dict(self.PHASES if arguments.get("mosaic") else self.PHASES[:1])

    def outputs(self, arguments: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
        """Return the folder, the maps in it, and how many scenes have none."""
        self._maps = [str(path) for path in results.get("maps") or ()]
        failed = [name for name in results.get("failed") or {} if name != arguments.get("mosaic")]
        is_joined = bool(results.get("mosaic"))
        return {
            "OUTPUT": arguments["output"],
            "MOSAIC": arguments.get("mosaic") if is_joined else None,
            "MAPS": self._maps,
            "FAILED": len(failed),
        }

    def postProcessAlgorithm(
        self, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Let QGIS load the maps, styled, and say how many there are."""
        feedback.pushInfo(
            tr("{count} scenes were mapped, {failed} were not.").format(
                count=len(self._maps), failed=self._outputs["FAILED"]
            )
        )
        project = context.project()
        for path in self._maps if project is not None else ():
            title = layer_title(tr("Class map"), Path(path).stem)
            details = QgsProcessingContext.LayerDetails(title, project, "OUTPUT")
            if hasattr(details, "groupName"):  # since 3.32
                details.groupName = Path(path).parent.name
            details.setPostProcessor(self.provider().one_more_style())
            context.addLayerToLoadOnCompletion(path, details)
        return super().postProcessAlgorithm(context, feedback)


def _scenes() -> tuple[QgsProcessingParameterDefinition, ...]:
    """Declare what is mapped."""
    layers = QgsProcessingParameterMultipleLayers(
        "INPUTS", tr("Scenes"), QgsProcessing.SourceType.TypeRaster, optional=True
    )
    files = QgsProcessingParameterMultipleLayers(
        "FILES", tr("Scene files"), QgsProcessing.SourceType.TypeFile, optional=True
    )
    return (
        common.with_help(
            layers,
            tr(
                "Hyperspectral rasters of the sensor that the classifier was trained on, on any "
                "grids; bands are matched by wavelength. Default: none."
            ),
        ),
        common.with_help(
            files,
            tr(
                "Scenes that are no layers: rasters, products, or a table scenes.csv with the "
                "columns scene,output,mask. One that cannot be read is named, and the others go "
                "on. Default: none."
            ),
        ),
    )


def _wanted() -> tuple[QgsProcessingParameterDefinition, ...]:
    """Declare the layers that each scene may have beside its map."""
    confidence = QgsProcessingParameterBoolean(
        "WITH_CONFIDENCE", tr("Confidence of each map"), defaultValue=False
    )
    probabilities = QgsProcessingParameterBoolean(
        "WITH_PROBABILITIES", tr("Class probabilities of each map"), defaultValue=False
    )
    text = tr("GeoTIFFs in the folder '{name}' beside the maps. Default: no.")
    return (
        common.advanced(common.with_help(confidence, text.format(name="confidence"))),
        common.advanced(common.with_help(probabilities, text.format(name="probabilities"))),
    )


def _table_of(scene: str, folder: Path) -> str:
    """Write a table of one scene into the job's folder, and return its path."""
    path = folder / "scenes.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["scene"], [scene]])
    return str(path)


def _absolute(source: str) -> str:
    """Return a file's whole path; the engine works in another folder."""
    return str(Path(source).absolute()) if Path(source).exists() else source
