"""What is made of a finished map, or beside it: polygons, regions, points to label next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsMapLayer, QgsRasterLayer, QgsVectorLayer
from qgis.gui import QgisInterface
from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QPushButton, QVBoxLayout, QWidget

from ....common.background import Background
from ....common.numbers import number, percent
from ....common.plural import polygons_text
from ....common.unused_files import remove
from ....jobs.attached_job import Attached
from ....jobs.running_jobs import RunningJobs
from ....jobs.runs import DONE, Ended, Run
from ....jobs.section_job import SectionJob, Step
from ....processing.styling import (
    class_entries,
    layer_title,
    style_class_map,
    style_edges,
    style_points,
    style_regions,
)
from ....state import layers
from ....state.layer_roles import EDGES, MAP, POINTS, REGION_MAP, REGIONS
from ....state.paths import there
from ....state.scene_mask import mask_parameters
from ....state.training.training_file import VALUE
from ....state.workspace import Workspace
from ...map_tools.label_points import LabelPoints
from ...widgets.flow import Flow
from .layout_button import LayoutButton

PROBABILITIES = "probabilities"
"""The class probabilities, which the points come from."""


class MapProducts(QWidget):
    """Buttons for a finished map: three algorithms and a layout; ``points`` come one by one."""

    warned = pyqtSignal(object)
    """What the engine warned of: a tuple of sentences."""

    def __init__(
        self,
        workspace: Workspace,
        iface: QgisInterface,
        running: RunningJobs,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._job = SectionJob(workspace, running, "product_job", self._title, self)
        self._job.begun.connect(self.refresh)
        self._job.warned.connect(self.warned)
        self._job.ended.connect(self._ended)
        self._polygonize = QPushButton(self.tr("Polygoni&ze"))
        self._polygonize.setObjectName("mtmsdPolygonize")
        self._polygonize.clicked.connect(lambda: self._make(self._outline))
        self._edges = QPushButton(self.tr("Regions with True E&dges"))
        self._edges.setObjectName("mtmsdRegions")
        self._edges.clicked.connect(lambda: self._make(self._learn_regions))
        self._ask = QPushButton(self.tr("Where to Label Ne&xt"))
        self._ask.setObjectName("mtmsdNextLabels")
        self._ask.clicked.connect(lambda: self._make(self._find_points))
        self._tips: dict[QWidget, str] = {
            self._polygonize: self.tr(
                "The map's regions with class, area and confidence, as a GeoPackage"
            ),
            self._edges: self.tr(
                "Regions that are learnt with their classes from the training polygons, with the "
                "share of each class, and what they cost beside this map"
            ),
            self._ask: self.tr("20 places in doubt, spread over the scene, to be labelled"),
        }
        self.points = LabelPoints(workspace, iface)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._layout = LayoutButton(workspace, iface, self)
        self._tips[self._layout] = self._layout.toolTip()
        layout.addLayout(Flow(self._polygonize, self._edges, self._ask, self._layout))
        workspace.scene_changed.connect(self._take_up)
        workspace.map_changed.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Show what can be done."""
        made = there(self._workspace.state.map) is not None
        for button, tip in self._tips.items():
            button.setEnabled(made and self._job.run is None)
            button.setToolTip(tip if made else self.tr("Map Scene comes first."))

    # the jobs

    def _make(self, start: Callable[[], None]) -> None:
        with self._workspace.saying_errors():
            start()

    def _outline(self) -> None:
        workspace = self._workspace
        output = workspace.new_file("polygons", ".gpkg")
        confidence = there(workspace.state.confidence)
        parameters = {"MAP": str(workspace.state.map), "OUTPUT": str(output)}
        if confidence is not None:
            parameters["CONFIDENCE"] = str(confidence)
        step = {"kind": REGIONS, "output": str(output)}
        self._job.start("mtmsd:vectorize", parameters, step)

    def _learn_regions(self) -> None:
        workspace, state = self._workspace, self._workspace.state
        training = workspace.training
        if training is None or not training.layer.featureCount():
            text = self.tr("Draw training polygons first.")
            workspace.said.emit(text, Qgis.MessageLevel.Warning)
            return
        step = {
            "kind": EDGES,
            "output": str(workspace.new_file("regions", ".gpkg")),
            "raster": str(workspace.new_file("region_map", ".tif")),
            "classifier": str(workspace.new_file("regions", ".safetensors")),
            "report": str(workspace.new_file("regions", ".html")),
        }
        parameters = {
            "INPUT": workspace.scene.id(),
            "LABELS": training.layer.id(),
            "CLASS_FIELD": VALUE,
            "PIXEL_MAP": str(state.map),
            "SIZE": state.options.region_size,
            "SEED": state.seed,
            "EXCLUDE": state.exclude,
            **mask_parameters(state),
            "OUTPUT": step["output"],
            "OUTPUT_MAP": step["raster"],
            "OUTPUT_CLASSIFIER": step["classifier"],
            "REPORT": step["report"],
        }
        self._job.start("mtmsd:regions", parameters, step)

    def _find_points(self) -> None:
        workspace = self._workspace
        probabilities = there(workspace.state.probabilities)
        if probabilities is None:
            self._find_probabilities()
            return
        output = workspace.new_file("points", ".gpkg")
        parameters = {"PROBABILITIES": str(probabilities), "OUTPUT": str(output)}
        if workspace.training is not None and workspace.training.layer.featureCount():
            parameters |= {"LABELS": workspace.training.layer.id(), "CLASS_FIELD": VALUE}
        self._job.start("mtmsd:nextlabels", parameters, {"kind": POINTS, "output": str(output)})

    def _find_probabilities(self) -> None:
        """Map once more for the probabilities, which a large map was made without."""
        workspace = self._workspace
        classifier = there(workspace.state.classifier)
        if classifier is None:
            text = self.tr("The classifier's file is gone; press Map Scene once more.")
            workspace.said.emit(text, Qgis.MessageLevel.Warning)
            return
        output = workspace.new_file("probabilities", ".tif")
        parameters = {
            "INPUT": workspace.scene.id(),
            "CLASSIFIER": str(classifier),
            "DEVICE": workspace.device,
            **mask_parameters(workspace.state),
            "PROBABILITIES": str(output),
            "OUTPUT": str(workspace.new_file("probabilities_map", ".tif")),
        }
        step = {"kind": PROBABILITIES, "output": str(output), "unwanted": parameters["OUTPUT"]}
        self._job.start("mtmsd:classify", parameters, step)

    def _title(self, step: Step) -> str:
        return {
            REGIONS: self.tr("Outlining the map's regions"),
            EDGES: self.tr("Learning regions with true edges"),
            POINTS: self.tr("Looking for places to label"),
            PROBABILITIES: self.tr("Mapping with probabilities"),
        }[step["kind"]]

    def _take_up(self) -> None:
        self._job.take_up()
        self.refresh()

    def _ended(self, outcome: Ended, step: Step, run: Run | Attached) -> None:
        self.refresh()
        if "unwanted" in step:
            Background(lambda: remove(step["unwanted"])).start()
        if outcome.status != DONE:
            return
        if step["kind"] == REGIONS:
            self._show_regions(step["output"])
        elif step["kind"] == EDGES:
            self._show_edges(step, run.answer.get("region_figures") or {})
        elif step["kind"] == POINTS:
            self._show_points(step["output"])
        else:
            self._workspace.change(probabilities=Path(step["output"]))
            self._make(self._find_points)

    # their results

    def _show_regions(self, path: str) -> None:
        layer = self._open(path, self.tr("Polygons"))
        if layer is not None:
            style_regions(layer, class_entries(str(self._workspace.state.map)))
            layers.add(layer, REGIONS, above=layers.of_role(MAP, self._workspace))
            text = self.tr("{polygons} outline the map's regions: {file}")
            text = text.format(polygons=polygons_text(layer.featureCount()), file=path)
            self._workspace.said.emit(text, Qgis.MessageLevel.Info)

    def _show_edges(self, step: Step, figures: dict[str, Any]) -> None:
        """Show the regions over their class map, and say what they cost."""
        title = layer_title(self.tr("Class map of the regions"), self._workspace.scene.name())
        raster: QgsMapLayer | None = QgsRasterLayer(step["raster"], title)
        if raster.isValid():
            style_class_map(raster)
            raster = layers.add(raster, REGION_MAP, above=layers.of_role(MAP, self._workspace))
        else:
            raster = None
        layer = self._open(step["output"], self.tr("Regions with true edges"))
        if layer is None:
            return
        style_edges(layer)
        layers.add(layer, EDGES, above=raster)
        text = self.tr("{count} regions with true edges.").format(count=number(figures["count"]))
        if figures.get("overall") is not None:
            told = self.tr(
                "Held-out pixels that have the class of their region: {overall}; at best, with "
                "these regions: {achievable}."
            )
            text += " " + told.format(
                overall=percent(figures["overall"]), achievable=percent(figures["achievable"])
            )
        if figures.get("pixel_map") is not None:
            told = self.tr("The map of single pixels: {}.")
            text += " " + told.format(percent(figures["pixel_map"]))
        text += " " + self.tr("Report: {}").format(step["report"])
        self._workspace.said.emit(text, Qgis.MessageLevel.Info)

    def _show_points(self, path: str) -> None:
        layer = self._open(path, self.tr("Points to label"))
        if layer is None:
            return
        layers.drop(layers.of_role(POINTS, self._workspace))
        style_points(layer)
        layers.add(layer, POINTS, above=None)
        self._workspace.change(points_at=0, points=Path(path))

    def _open(self, path: str, what: str) -> QgsVectorLayer | None:
        title = layer_title(what, self._workspace.scene.name())
        layer = QgsVectorLayer(f"{path}|layername={Path(path).stem}", title, "ogr")
        if layer.isValid():
            return layer
        text = self.tr("{} cannot be opened as a vector layer.").format(path)
        self._workspace.said.emit(text, Qgis.MessageLevel.Warning)
        return None
