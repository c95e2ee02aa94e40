"""The usual ways as models, ``resources/models/*.model3``; QGIS's model designer opens them."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingModelAlgorithm
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtGui import QIcon

from ..common.folders import icon_path, model_file
from ..common.translation import help_page, later, tr, translated
from .algorithm import help_of
from .running import can_execute

MODELS = {
    "map_and_report": later("Scene and polygons to map and report"),
    "map_another_scene": later("Map another scene"),
    "assess_and_polygonize": later("Assess and polygonize"),
}
"""The fixed part of each model's id, which is its file's and help page's name, and its title."""


class ShippedModel(QgsProcessingModelAlgorithm):
    """A model of the provider's own.

    Its parameters and outputs are called what the algorithms call them to which they go, and so
    in the user's language. Those must be registered before it is made.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._id = name
        self.fromFile(model_file(name))
        self._take_outputs_names()
        self._take_parameters_names()

    def createInstance(self) -> ShippedModel:
        """Return a fresh model of the same kind."""
        return ShippedModel(self._id)

    def name(self) -> str:
        """Return the fixed part of the id; QGIS's own is the title."""
        return self._id

    def displayName(self) -> str:
        """Return the name that users see."""
        return translated(MODELS[self._id])

    def group(self) -> str:
        """Return the group in the Toolbox."""
        return tr("Models")

    def groupId(self) -> str:
        """Return the fixed id of the group."""
        return "models"

    def icon(self) -> QIcon:
        """Return the model's own icon."""
        return QIcon(self.svgIconPath())

    def svgIconPath(self) -> str:
        """Return where the icon is."""
        return icon_path(self._id)

    def tags(self) -> list[str]:
        """Return words to find the model by."""
        return ["hyperspectral", "classification", "land cover", "model", "workflow", "mtmsd"]

    def helpUrl(self) -> str:
        """Return the help page, which comes with the plugin."""
        return QUrl.fromLocalFile(str(help_page(self._id))).toString()

    def shortHelpString(self) -> str:
        """Return the help page, then every parameter."""
        return help_of(self._id, self.parameterDefinitions())

    def canExecute(self) -> tuple[bool, str]:
        """Whether there is an engine, and if not, why."""
        can, sentence = can_execute(self.provider().engine)
        return super().canExecute() if can else (can, sentence)

    def _take_outputs_names(self) -> None:
        for child in self.childAlgorithms().values():
            outputs: dict[str, Any] = child.modelOutputs()
            for output in outputs.values():
                definition = child.algorithm().parameterDefinition(output.childOutputName())
                output.setDescription(definition.description())
            child.setModelOutputs(outputs)
            self.setChildAlgorithm(child)

    def _take_parameters_names(self) -> None:
        taken = set()
        for child in self.childAlgorithms().values():
            for parameter, sources in child.parameterSources().items():
                for source in sources:
                    name = source.parameterName()  # empty for all but a parameter of the model
                    if not name or name in taken:
                        continue
                    taken.add(name)
                    theirs = child.algorithm().parameterDefinition(parameter)
                    ours = self.parameterDefinition(name)
                    ours.setDescription(theirs.description())
                    ours.setHelp(theirs.help())
                    ours.setMetadata(theirs.metadata())
