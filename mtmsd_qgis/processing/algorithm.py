"""What all algorithms of the engine share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsMapLayer,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputFile,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFileDestination,
    QgsProcessingUtils,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtGui import QIcon

from ..common.folders import icon_path
from ..common.translation import help_page, tr
from ..engine.job_folders import new_job_folder
from . import parameters as common
from .inputs import LayerFile, foreign_file, labels_file, raster_source
from .results_viewer import list_report
from .running import can_execute, ready_python, run_job
from .styling import layer_title


class EngineAlgorithm(QgsProcessingAlgorithm):
    """An algorithm that is one job of the engine.

    A subclass declares its parameters, turns layers into files in :meth:`gather`, and says
    what the job's arguments are in :meth:`arguments`.
    """

    ID: str
    """The algorithm's name, the engine's command, the icon's and the help page's name."""
    COMMAND = ""
    """The engine's command, where it has another name."""
    TAGS: tuple[str, ...] = ()
    PHASES: tuple[tuple[str, float], ...]
    """The engine's phases in their order, each with its usual share of the time."""

    def __init__(self) -> None:
        super().__init__()
        self._reports: dict[str, str] = {}
        self._outputs: dict[str, Any] = {}

    # -- what a subclass says -----------------------------------------------------------------

    def gather(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Take from the layers what the job needs, in the thread that owns them."""
        raise NotImplementedError

    def arguments(
        self, parameters: dict[str, Any], context: QgsProcessingContext, folder: Path
    ) -> dict[str, Any]:
        """Return the job's arguments; files for it may be written into its folder."""
        raise NotImplementedError

    def outputs(self, arguments: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
        """Return the values of the declared outputs."""
        raise NotImplementedError

    def phases(self, arguments: dict[str, Any]) -> dict[str, float]:
        """Return the phases that a job with these arguments has."""
        return dict(self.PHASES)

    # -- QGIS's side --------------------------------------------------------------------------

    def createInstance(self) -> EngineAlgorithm:
        """Return a fresh algorithm of the same kind."""
        return type(self)()

    def name(self) -> str:
        """Return the fixed part of the id."""
        return self.ID

    def icon(self) -> QIcon:
        """Return the algorithm's own icon."""
        return QIcon(icon_path(self.ID))

    def svgIconPath(self) -> str:
        """Return where the icon is; the model designer draws it."""
        return icon_path(self.ID)

    def tags(self) -> list[str]:
        """Return words to find the algorithm by."""
        words = ["hyperspectral", "classification", "land cover", "diffusion", "mtmsd"]
        return [*words, *self.TAGS]

    def helpUrl(self) -> str:
        """Return the help page, which comes with the plugin."""
        return QUrl.fromLocalFile(str(help_page(self.ID))).toString()

    def shortHelpString(self) -> str:
        """Return the help page, then every parameter with its unit and default."""
        return help_of(self.ID, self.parameterDefinitions())

    def canExecute(self) -> tuple[bool, str]:
        """Whether there is an engine, and if not, why."""
        return can_execute(self.provider().engine)

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        """Refuse at once what the engine would refuse later."""
        try:
            self.check(parameters, context)
        except QgsProcessingException as error:
            return False, str(error)
        # QGIS checks the rest; what the engine alone can open, it would refuse
        scene = parameters.get("INPUT") or parameters.get("MAP")
        openable = {name: scene if foreign_file(v) else v for name, v in parameters.items()}
        return super().checkParameterValues(openable, context)

    def check(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        """Raise QgsProcessingException with one sentence about a value that cannot be."""
        for definition in self.parameterDefinitions():
            name = definition.name()
            if parameters.get(name) and definition.type() == "raster":
                raster_source(self.raster(parameters, name, context))
            elif parameters.get(name) and definition.type() == "rasterDestination":
                common.check_is_geotiff(parameters[name])
            elif parameters.get(name) and definition.type() == "vectorDestination":
                common.check_is_geopackage(parameters[name])
        if self.parameterDefinition("SETTINGS") is not None:
            common.parse_settings(self.parameterAsString(parameters, "SETTINGS", context))
        if self.parameterDefinition("MASKS") is not None:
            self.masks(parameters, context)
        self._check_labels(parameters, context)

    def prepareAlgorithm(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> bool:
        """Prepare; QGIS calls this in the thread that owns the layers."""
        self.gather(parameters, context)
        return True

    def processAlgorithm(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        """Run the job; QGIS calls this in a worker thread."""
        try:
            return self._run(parameters, context, feedback)
        except QgsProcessingException as error:
            sentence = str(error)
        # QGIS never lets go of the frames of what is raised here, nor of all that they hold.
        del self, parameters, context, feedback
        raise QgsProcessingException(sentence)

    def _run(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        python = ready_python(self.provider().engine, feedback)
        try:
            folder = new_job_folder(self.ID)
        except OSError as error:
            raise QgsProcessingException(
                tr("The job's folder {path} cannot be made: {reason}.").format(
                    path=error.filename, reason=error.strerror
                )
            ) from error
        arguments = common.without_none(self.arguments(parameters, context, folder))
        phases = self.phases(arguments)
        results = run_job(python, folder, self.COMMAND or self.ID, arguments, phases, feedback)
        if _is_model_in_temporary_folder(arguments["output"]):
            feedback.pushInfo(tr("The file is temporary: it goes when QGIS is closed."))
        verdict = (results.get("accuracy") or results).get("verdict")
        if verdict:
            feedback.pushInfo(verdict)
        self._outputs = self.outputs(arguments, results)
        return self._outputs

    def postProcessAlgorithm(
        self, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """List the reports; QGIS calls this on the main thread."""
        for name, description in self._reports.items():
            if self._outputs.get(name):
                list_report(self._outputs[name], description, self.icon())
        return {}

    # -- for subclasses -----------------------------------------------------------------------

    def add_all(self, *definitions: QgsProcessingParameterDefinition) -> None:
        """Add the parameters in the order in which the dialog shows them."""
        for definition in definitions:
            page = isinstance(definition, QgsProcessingParameterFileDestination) and (
                "htm" in definition.fileFilter().lower()
            )
            output = QgsProcessingOutputFile(definition.name(), definition.description())
            self.addParameter(definition, createOutput=not page)
            if page:  # for QGIS's own kind see list_report
                self.addOutput(output)
                self._reports[output.name()] = output.description()

    def raster(
        self, parameters: dict[str, Any], name: str, context: QgsProcessingContext
    ) -> QgsRasterLayer:
        """Return a raster parameter's layer.

        Raises
        ------
        QgsProcessingException
            If there is no such raster.
        """
        layer = self.parameterAsRasterLayer(parameters, name, context)
        if layer is None or not layer.isValid():
            raise QgsProcessingException(self.invalidRasterError(parameters, name))
        return layer

    def optional_raster_source(
        self, parameters: dict[str, Any], name: str, context: QgsProcessingContext
    ) -> str | None:
        """Return what GDAL opens, or None where the parameter was left empty."""
        if not parameters.get(name):
            return None
        return raster_source(self.raster(parameters, name, context))

    def labels(
        self, parameters: dict[str, Any], name: str, context: QgsProcessingContext
    ) -> LayerFile:
        """Return how to get a file of a labels parameter; empty where that was left empty."""
        if not parameters.get(name):
            return lambda folder: ""
        if file := foreign_file(parameters[name]):
            return lambda folder: file
        layer = self._layer(parameters, name, context)
        asked = name == "LABELS" and self.parameterDefinition("SELECTED") is not None
        selected = asked and self.parameterAsBool(parameters, "SELECTED", context)
        return labels_file(layer, selected=selected)

    def masks(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> Callable[[Path], dict[str, Any]]:
        """Return how to get the arguments that leave pixels out, given a folder for files.

        Raises
        ------
        QgsProcessingException
            If a mask cannot be opened, or it is not clear what of it is meant.
        """
        layers = self.parameterAsLayerList(parameters, "MASKS", context) or []
        given = parameters.get("MASKS") or []
        given = given if isinstance(given, (list, tuple)) else str(given).split(";")
        if len(layers) < len(given):
            raise QgsProcessingException(
                tr("{lost} of {count} masks cannot be opened: {names}.").format(
                    lost=len(given) - len(layers),
                    count=len(given),
                    names=", ".join(str(name) for name in given),
                )
            )
        files = [labels_file(layer) for layer in layers]
        product = self.parameterAsBool(parameters, "PRODUCT_MASKS", context)
        which = self.parameterAsString(parameters, "MASK_CHOICE", context)
        chosen = common.parse_mask_choice(which)
        word = ["product"] if product else []

        def arguments(folder: Path) -> dict[str, Any]:
            mask = [*word, *(file(folder) for file in files)]
            return {"mask": mask, **chosen} if mask or chosen else {}

        return arguments

    def method_arguments(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> dict[str, Any]:
        """Return preset, device, seed, settings, exclude: those that the algorithm has."""
        settings = self.parameterAsString(parameters, "SETTINGS", context)
        arguments = {
            "device": self.parameterAsEnumString(parameters, "DEVICE", context),
            "seed": self.parameterAsInt(parameters, "SEED", context),
            "settings": common.parse_settings(settings),
        }
        if self.parameterDefinition("PRESET") is not None:
            arguments["preset"] = self.parameterAsEnumString(parameters, "PRESET", context)
        if self.parameterDefinition("EXCLUDE") is not None:
            arguments["exclude"] = self.parameterAsString(parameters, "EXCLUDE", context)
        return arguments

    def held_out_arguments(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> dict[str, Any]:
        """Return what learns the classes, and how labels are held out to say how well."""
        return {
            "classifier": self.parameterAsEnumString(parameters, "CLASSIFIER", context),
            "split": self.parameterAsEnumString(parameters, "SPLIT", context),
            "holdout": self.parameterAsDouble(parameters, "HOLDOUT", context),
            "guard": self.parameterAsInt(parameters, "GUARD", context),
        }

    def file_input(
        self, parameters: dict[str, Any], name: str, context: QgsProcessingContext
    ) -> str | None:
        """Return a file to read, or None where an optional one was not given."""
        path = self.parameterAsFile(parameters, name, context)
        return str(Path(path).absolute()) if path else None

    def file_output(
        self, parameters: dict[str, Any], name: str, context: QgsProcessingContext
    ) -> str | None:
        """Return a file to write, or None where an optional one was skipped."""
        path = self.parameterAsFileOutput(parameters, name, context)
        return str(Path(path).absolute()) if path else None

    def layer_output(
        self,
        parameters: dict[str, Any],
        name: str,
        context: QgsProcessingContext,
        scene: str,
        style: str = "",
    ) -> str | None:
        """Return a layer to write, or None; where QGIS will load it, it is named and styled.

        ``style`` names one of the provider's; it is that of the parameter's name if not given.
        """
        path = self.parameterAsOutputLayer(parameters, name, context)
        if not path:
            return None
        if context.willLoadLayerOnCompletion(path):
            description = self.parameterDefinition(name).description()
            details = context.layerToLoadOnCompletionDetails(path)
            if details.name in ("", description, name):
                details.name = layer_title(description, scene)
            details.setPostProcessor(self.provider().styles[style or name])
        return str(Path(path).absolute())

    def _layer(
        self, parameters: dict[str, Any], name: str, context: QgsProcessingContext
    ) -> QgsMapLayer:
        layer = self.parameterAsLayer(parameters, name, context)
        if layer is None or not layer.isValid():
            raise QgsProcessingException(
                tr("The layer for '{parameter}' cannot be opened: {value}.").format(
                    parameter=self.parameterDefinition(name).description(),
                    value=parameters.get(name),
                )
            )
        return layer

    def _check_labels(self, parameters: dict[str, Any], context: QgsProcessingContext) -> None:
        if self.parameterDefinition("LABELS") is None or not parameters.get("LABELS"):
            return
        if foreign_file(parameters["LABELS"]):  # of its fields the engine tells
            return
        layer = self._layer(parameters, "LABELS", context)
        scene = parameters.get("INPUT") and self.raster(parameters, "INPUT", context)
        if scene and layer.source() == scene.source():  # as the dialog proposes
            raise QgsProcessingException(
                tr("'{layer}' is the scene itself; choose the layer with the polygons.").format(
                    layer=layer.name()
                )
            )
        field = self.parameterAsString(parameters, "CLASS_FIELD", context)
        if field and isinstance(layer, QgsVectorLayer) and layer.fields().lookupField(field) < 0:
            raise QgsProcessingException(
                tr("The layer '{layer}' has no field '{field}'; it has {fields}.").format(
                    layer=layer.name(), field=field, fields=", ".join(layer.fields().names())
                )
            )


def help_of(page: str, parameters: list[QgsProcessingParameterDefinition]) -> str:
    """Return a help page, then every parameter with its unit and default."""
    text = " ".join(help_page(page).read_text(encoding="utf-8").split())
    listed = "".join(
        f"<p><b>{parameter.description()}</b><br>{parameter.help()}</p>"
        for parameter in parameters
        if parameter.help()
    )
    return f"{text}<h3>{tr('Parameters and outputs')}</h3>{listed}"


def _is_model_in_temporary_folder(output: str) -> bool:
    path = Path(output)
    return path.suffix == ".safetensors" and Path(QgsProcessingUtils.tempFolder()) in path.parents
