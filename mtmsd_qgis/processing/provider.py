"""The Processing provider ``mtmsd``."""

from __future__ import annotations

import contextlib

from qgis.core import QgsApplication, QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from ..common.folders import icon_path
from ..engine.interpreter import Engine
from .algorithms.angle import Angle
from .algorithms.assess import Assess
from .algorithms.change import Change
from .algorithms.classify import Classify
from .algorithms.classifyscenes import ClassifyScenes
from .algorithms.export import Export
from .algorithms.exportpixels import ExportPixels
from .algorithms.map import Map
from .algorithms.mosaic import Mosaic
from .algorithms.nextlabels import NextLabels
from .algorithms.pretrain import Pretrain
from .algorithms.regions import Regions
from .algorithms.train import Train
from .algorithms.vectorize import Vectorize
from .models import MODELS, ShippedModel
from .styling import (
    ClassMapStyle,
    ConfidenceStyle,
    PlainStyle,
    PointStyle,
    PolygonStyle,
    RegionStyle,
)


class MtmsdProvider(QgsProcessingProvider):
    """The algorithms, the engine they run in, and the styles of what they make.

    Attributes
    ----------
    engine : Engine
        Checked once, in a thread, as soon as the provider is loaded.
    styles : dict of str to QgsProcessingLayerPostProcessorInterface
        By the name of the output, or of the kind of layer; QGIS keeps no reference to them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.engine = Engine()
        self._more_styles: list[ClassMapStyle] = []
        self.styles = {
            "OUTPUT": ClassMapStyle(),
            "CONFIDENCE": ConfidenceStyle(),
            "PROBABILITIES": PlainStyle(),
            "ENTROPY": PlainStyle(),
            "DISAGREEMENT": PlainStyle(),
            "POLYGONS": PolygonStyle(),
            "REGIONS": RegionStyle(),
            "POINTS": PointStyle(),
            "PIXELS": PlainStyle(),
            "MOSAIC": ClassMapStyle(),
        }

    def one_more_style(self) -> ClassMapStyle:
        """Return a style for one of several class maps: no two layers of a run may share one.

        QGIS deletes the styles of a run's layers, each once for each layer.
        """
        self._more_styles.append(ClassMapStyle())
        return self._more_styles[-1]

    def load(self) -> bool:
        """Begin the engine's check; the algorithms ask for its answer later."""
        self.engine.state()
        QgsApplication.processingRegistry().providerAdded.connect(self._add_models)
        return super().load()

    def unload(self) -> None:
        """Stop listening, should it never have been added."""
        registry = QgsApplication.processingRegistry()
        if registry is not None:  # on 3.44 it is gone when qgis_process ends
            with contextlib.suppress(TypeError):
                registry.providerAdded.disconnect(self._add_models)
        super().unload()

    def _add_models(self, provider: str) -> None:
        """Load once more: a model finds its steps only where the provider is registered."""
        if provider == self.id():
            QgsApplication.processingRegistry().providerAdded.disconnect(self._add_models)
            self.refreshAlgorithms()

    def loadAlgorithms(self) -> None:
        """Add the algorithms, and the models that are made of them."""
        for algorithm in (
            Map(),
            Pretrain(),
            Train(),
            Classify(),
            ClassifyScenes(),
            Assess(),
            Regions(),
            Vectorize(),
            NextLabels(),
            Change(),
            Mosaic(),
            Angle(),
            Export(),
            ExportPixels(),
        ):
            self.addAlgorithm(algorithm)
        if QgsApplication.processingRegistry().providerById(self.id()) is self:
            for name in MODELS:
                self.addAlgorithm(ShippedModel(name))

    def id(self) -> str:
        """Return the fixed id."""
        return "mtmsd"

    def name(self) -> str:
        """Return the name in the Toolbox."""
        return "MTMSD"

    def longName(self) -> str:
        """Return the full name."""
        return "MTMSD – Hyperspectral Classification"

    def icon(self) -> QIcon:
        """Return the plugin's icon."""
        return QIcon(icon_path("mtmsd"))

    def svgIconPath(self) -> str:
        """Return where the icon is."""
        return icon_path("mtmsd")

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        """Return GeoTIFF only: the one format the engine writes."""
        return ["tif"]

    def supportedOutputVectorLayerExtensions(self) -> list[str]:
        """Return GeoPackage only: the one format the engine writes."""
        return ["gpkg"]

    def supportsNonFileBasedOutput(self) -> bool:
        """Return False: the engine writes files."""
        return False
