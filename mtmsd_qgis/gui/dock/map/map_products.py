"""What is made of a finished map: polygons, and points that are worth a label next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsVectorLayer
from qgis.gui import QgisInterface
from qgis.PyQt.QtWidgets import QPushButton, QVBoxLayout, QWidget

from ....common.background import Background
from ....common.unused_files import remove
from ....jobs.attached_job import Attached
from ....jobs.remembered_job import PendingJob
from ....jobs.running_jobs import RunningJobs
from ....jobs.runs import DONE, Ended, Run
from ....processing.styling import class_entries, layer_title, style_points, style_regions
from ....state import layers
from ....state.layer_roles import MAP, POINTS, REGIONS
from ....state.scene_state import Workspace
from ....state.training.training_file import VALUE
from ...map_tools.label_points import LabelPoints
from ...widgets.section import row

SHARES = "shares"
"""The class probabilities, which the points come from."""


class MapProducts(QWidget):
    """Two buttons below the map, each a Processing algorithm; then the points one by one."""

    def __init__(
        self,
        workspace: Workspace,
        iface: QgisInterface,
        running: RunningJobs,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._running = running
        self._run: Run | Attached | None = None
        self._pending = PendingJob(workspace, running, "product_job", self)
        self._polygonize = QPushButton(self.tr("Polygoni&ze"))
        self._polygonize.setObjectName("mtmsdPolygonize")
        self._polygonize.clicked.connect(self._outline)
        self._ask = QPushButton(self.tr("Where to Label Ne&xt"))
        self._ask.setObjectName("mtmsdNextLabels")
        self._ask.clicked.connect(self._find_points)
        self._tips = {
            self._polygonize: self.tr(
                "The map's regions with class, area and confidence, as a GeoPackage"
            ),
            self._ask: self.tr("20 places in doubt, spread over the scene, to be labelled"),
        }
        self._points = LabelPoints(workspace, iface)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(row(self._polygonize, self._ask))
        layout.addWidget(self._points)
        workspace.scene_changed.connect(self._take_up)
        workspace.state_changed.connect(self.refresh)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Show what can be done."""
        made = self._workspace.scene is not None and self._workspace.file("map") is not None
        self._polygonize.setVisible(made)
        self._ask.setVisible(made)
        for button, tip in self._tips.items():
            button.setEnabled(made and self._run is None)
            button.setToolTip(tip if made else self.tr("Map Scene comes first."))

    # the jobs

    def _outline(self) -> None:
        workspace = self._workspace
        output = workspace.new_file("polygons", ".gpkg")
        confidence = workspace.file("confidence")
        parameters = {"MAP": str(workspace.file("map")), "OUTPUT": str(output)}
        if confidence is not None:
            parameters["CONFIDENCE"] = str(confidence)
        self._go("mtmsd:vectorize", parameters, {"kind": REGIONS, "output": str(output)})

    def _find_points(self) -> None:
        workspace = self._workspace
        shares = workspace.file("probabilities")
        if shares is None:
            self._find_shares()
            return
        output = workspace.new_file("points", ".gpkg")
        parameters = {"PROBABILITIES": str(shares), "OUTPUT": str(output)}
        if workspace.training is not None and workspace.training.layer.featureCount():
            parameters |= {"LABELS": workspace.training.layer.id(), "CLASS_FIELD": VALUE}
        self._go("mtmsd:nextlabels", parameters, {"kind": POINTS, "output": str(output)})

    def _find_shares(self) -> None:
        """Map once more for the probabilities, which a large map was made without."""
        workspace = self._workspace
        classifier = workspace.file("classifier")
        if classifier is None:
            text = self.tr("The classifier's file is gone; press Map Scene once more.")
            workspace.said.emit(text, Qgis.MessageLevel.Warning)
            return
        output = workspace.new_file("probabilities", ".tif")
        parameters = {
            "INPUT": workspace.scene.id(),
            "CLASSIFIER": str(classifier),
            "PROBABILITIES": str(output),
            "OUTPUT": str(workspace.new_file("probabilities_map", ".tif")),
        }
        step = {"kind": SHARES, "output": str(output), "unwanted": parameters["OUTPUT"]}
        self._go("mtmsd:classify", parameters, step)

    def _title(self, kind: str) -> str:
        return {
            REGIONS: self.tr("Outlining the map's regions"),
            POINTS: self.tr("Looking for places to label"),
            SHARES: self.tr("Mapping with probabilities"),
        }[kind]

    def _go(self, algorithm: str, parameters: Mapping[str, Any], step: dict[str, Any]) -> None:
        run = Run(algorithm, dict(parameters), self._title(step["kind"]), self)
        self._pending.begin(run, **step)
        self._listen(run, step)
        self._running.watch(run)
        run.start()

    def _take_up(self) -> None:
        """Go on with a job that was left when QGIS was closed, or take its result."""
        facts = self._workspace.get("product_job")
        title = self._title(facts["kind"]) if facts else ""
        taken = self._pending.take_up(title) if self._run is None else None
        if taken is not None:
            self._listen(*taken)
            taken[0].start()
        self.refresh()

    def _listen(self, run: Run | Attached, step: dict[str, Any]) -> None:
        scene = self._workspace.scene_path
        run.ended.connect(lambda outcome: self._ended(outcome, step, scene))
        self._run = run
        self.refresh()

    def _ended(self, outcome: Ended, step: dict[str, Any], scene: str) -> None:
        self._run = None
        if self._workspace.scene_path != scene:
            self._take_up()
            return
        self._pending.end()
        self.refresh()
        if "unwanted" in step:
            Background(lambda: remove(step["unwanted"])).start()
        if outcome.status != DONE:
            return
        if step["kind"] == REGIONS:
            self._show_regions(step["output"])
        elif step["kind"] == POINTS:
            self._show_points(step["output"])
        else:
            self._workspace.put("probabilities", step["output"])
            self._find_points()

    # their results

    def _show_regions(self, path: str) -> None:
        layer = self._open(path, self.tr("Polygons"))
        if layer is not None:
            made = self._workspace.file("map")
            style_regions(layer, class_entries(str(made)))
            layers.add(layer, REGIONS, above=layers.of_role(MAP))

    def _show_points(self, path: str) -> None:
        layer = self._open(path, self.tr("Points to label"))
        if layer is None:
            return
        layers.drop(layers.of_role(POINTS))
        style_points(layer)
        layers.add(layer, POINTS, above=None)
        self._workspace.put("points_at", 0)
        self._workspace.put("points", path)

    def _open(self, path: str, what: str) -> QgsVectorLayer | None:
        title = layer_title(what, self._workspace.scene.name())
        layer = QgsVectorLayer(f"{path}|layername={Path(path).stem}", title, "ogr")
        if layer.isValid():
            return layer
        text = self.tr("{} cannot be opened as a vector layer.").format(path)
        self._workspace.said.emit(text, Qgis.MessageLevel.Warning)
        return None
