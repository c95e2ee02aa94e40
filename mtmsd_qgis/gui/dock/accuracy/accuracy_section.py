"""How good the map is: held-out polygons, or reference polygons of the user."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsMapLayerProxyModel, QgsProject, QgsVectorLayer
from qgis.gui import QgsMapLayerComboBox
from qgis.PyQt.QtCore import Qt, QUrl
from qgis.PyQt.QtGui import QDesktopServices
from qgis.PyQt.QtWidgets import (
    QFrame,
    QLabel,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ....common.background import Background
from ....common.numbers import number, percent
from ....jobs.attached_job import Attached
from ....jobs.running_jobs import RunningJobs
from ....jobs.runs import DONE as RUN_DONE
from ....jobs.runs import Ended, Run
from ....jobs.section_job import SectionJob, Step
from ....processing.styling import layer_title, style_polygons
from ....state import layers
from ....state.layer_roles import DOUBTFUL, role
from ....state.model_header import read_header
from ....state.paths import there
from ....state.scene_mask import mask_parameters
from ....state.training.classes import LandClass
from ....state.training.training_file import VALUE
from ....state.workspace import Workspace
from ...widgets.confusion_matrix import MatrixView
from ...widgets.flow import Flow
from ...widgets.section import BUSY, DONE, NEXT, TODO, WRONG, Section, caption, row
from .baseline_hint import BetterBaseline
from .reference_classes import ReferenceClasses

DETAIL_LINES = 22
"""The height of the figures; more are scrolled to, so that what is below stays where it is."""


class AccuracySection(Section):
    """Figures, confusion matrix, baselines, and the full report."""

    def __init__(self, workspace: Workspace, running: RunningJobs, parent: QWidget) -> None:
        super().__init__("mtmsdAccuracy", parent, is_open=False, warns=True)
        self.set_title(self.tr("7  Accuracy"))
        self._workspace = workspace
        self._job = SectionJob(workspace, running, "assess_job", self._title, self)
        self._job.begun.connect(self.refresh)
        self._job.warned.connect(self.warn)
        self._job.ended.connect(self._ended)
        self._shown = ""
        self._figures = QLabel()
        self._figures.setObjectName("mtmsdFigures")
        self._figures.setTextFormat(Qt.TextFormat.RichText)
        self._figures.setWordWrap(True)
        self._figures.setToolTip(
            self.tr(
                "Overall: share of the reference pixels that are mapped right; average: mean of "
                "the producer's accuracies; κ: Cohen's kappa, 1 at most"
            )
        )
        self._split = QLabel()
        self._split.setObjectName("mtmsdSplit")
        self._split.setWordWrap(True)
        self._split.setToolTip(self.tr("How the pixels that were compared are held apart"))
        self._matrix = MatrixView()
        self._matrix.setObjectName("mtmsdMatrix")
        self._classes = QLabel()
        self._classes.setObjectName("mtmsdPerClass")
        self._classes.setTextFormat(Qt.TextFormat.RichText)
        self._classes.setWordWrap(True)
        self._classes.setToolTip(
            self.tr(
                "Producer's accuracy: share of a class's reference pixels that are mapped as it; "
                "user's accuracy: share of the pixels mapped as it that are it; F1: their harmonic "
                "mean"
            )
        )
        self._baselines = QLabel()
        self._baselines.setObjectName("mtmsdBaselines")
        self._baselines.setWordWrap(True)
        self._baselines.setTextFormat(Qt.TextFormat.RichText)
        self._baselines.setToolTip(self.tr("The same pixels by methods that see spectra only"))
        self.better = BetterBaseline(workspace, "mtmsdAccuracyBetter")

        self._reference = QgsMapLayerComboBox()
        self._reference.setObjectName("mtmsdReference")
        self._reference.setFilters(QgsMapLayerProxyModel.Filter.PolygonLayer)
        self._reference.setAllowEmptyLayer(True, self.tr("No reference polygons"))
        self._reference.setMinimumWidth(60)
        self._reference.setToolTip(
            self.tr("Polygons of known class that did not train the map; by their class field")
        )
        self._reference.layerChanged.connect(self.refresh)
        self.rows.addLayout(
            row(caption(self.tr("R&eference"), self._reference), self._reference, stretch=1)
        )
        self._classes_of = ReferenceClasses(workspace)
        self._classes_of.changed.connect(self.refresh)
        self._reference.layerChanged.connect(self._reference_changed)
        self.rows.addWidget(self._classes_of)
        self._assess = QPushButton(self.tr("&Assess"))
        self._assess.setObjectName("mtmsdAssess")
        self._assess.clicked.connect(self._start)
        self._report = QPushButton(self.tr("Ope&n Report"))
        self._report.setObjectName("mtmsdReport")
        self._report.clicked.connect(self._open_report)
        self._doubtful = QToolButton()  # there is no letter left for a mnemonic
        self._doubtful.setText(self.tr("Doubtful Polygons"))
        self._doubtful.setObjectName("mtmsdDoubtful")
        self._doubtful.clicked.connect(self._open_doubtful)
        self.rows.addLayout(Flow(self._assess, self._report, self._doubtful))
        self._parts = [self._figures, self._split, self._matrix, self._classes, self._baselines]
        details = QWidget()
        column = QVBoxLayout(details)
        column.setContentsMargins(0, 0, 0, 0)
        for part in self._parts:
            part.hide()
            column.addWidget(part)
        column.addStretch(1)
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFixedHeight(DETAIL_LINES * self.fontMetrics().lineSpacing())
        area.setWidget(details)
        self.rows.addWidget(area)
        self.rows.addWidget(self.better)
        QgsProject.instance().layersAdded.connect(self._except_training)
        workspace.scene_changed.connect(self._scene_changed)
        workspace.classifier_changed.connect(self._read_classifier)
        workspace.accuracy_changed.connect(self._accuracy_changed)
        workspace.map_changed.connect(self.refresh)
        self._reference.setLayer(None)
        self._scene_changed()

    def release(self) -> None:
        """Let go of the project's signals."""
        QgsProject.instance().layersAdded.disconnect(self._except_training)

    def _except_training(self, *_: Any) -> None:
        found = QgsProject.instance().mapLayers().values()
        self._reference.setExceptedLayerList([layer for layer in found if role(layer)])

    def _scene_changed(self) -> None:
        self._accuracy_changed()
        if not self._workspace.state.accuracy:
            self._read_classifier()
        self._job.take_up()

    def _accuracy_changed(self) -> None:
        self._show(self._workspace.state.accuracy)

    def _read_classifier(self) -> None:
        path = there(self._workspace.state.classifier)
        if path is None:
            self._show(None)
            return

        def done(metadata: Any, error: str | None) -> None:
            if path == self._workspace.state.classifier:
                assessed = None if error else (metadata.get("metadata") or {}).get("accuracy")
                self._workspace.change(accuracy=assessed or None, report=None)
                self.refresh()
                self.set_open(self.is_open or bool(assessed))

        Background(lambda: read_header(path), done, self).start()

    # what is shown

    def refresh(self, *_: Any) -> None:
        """Show what can be done."""
        blocked = ""
        if self._workspace.scene is None:
            blocked = self.tr("Choose a scene first.")
        elif there(self._workspace.state.map) is None:
            blocked = self.tr("Map the scene first.")
        elif self._reference.currentLayer() is None:
            blocked = self.tr("Choose reference polygons.")
        self._assess.setEnabled(not blocked and self._job.run is None)
        tip = self.tr("Compare the class map with the reference and write a report")
        if names := self._classes_of.unmatched:
            text = self.tr("Not among the map's classes, so counted as wrong: {}")
            tip = "\n".join((tip, text.format(", ".join(names))))
        self._assess.setToolTip(blocked or tip)
        self._refresh_report()
        listed = there(self._workspace.state.doubtful) is not None
        self._doubtful.setEnabled(listed)
        self._doubtful.setToolTip(
            self.tr("Show the training polygons that the others call another class")
            if listed
            else self.tr("Choose the stack under More and map: it tells which ones they are.")
        )
        if self._job.run is not None:
            self.set_state(BUSY, self.tr("Comparing the map with the reference…"))
            return
        found = self._workspace.state.accuracy
        if failure := self.failure(self._compared):
            self.set_state(WRONG, failure)
        elif found and found.get("overall") is not None:
            text = self.tr("Overall accuracy {} on {} reference pixels")
            self.set_state(DONE, text.format(percent(found["overall"]), number(found["n"])))
        elif there(self._workspace.state.classifier) is not None:
            text = self.tr("No polygons were held out; choose reference polygons.")
            self.set_state(NEXT, text)
        else:
            self.set_state(TODO, blocked or self.tr("Map the scene first."))

    def _refresh_report(self) -> None:
        """There is a report, or one can be written, as soon as there is any accuracy."""
        state = self._workspace.state
        written = there(state.report) is not None
        can_write = bool(state.accuracy) and there(state.map) is not None
        self._report.setEnabled(written or (can_write and self._job.run is None))
        tips = {
            (True, can_write): self.tr("Open the full report in the browser"),
            (False, True): self.tr("Write the report of the held-out polygons and open it"),
        }
        tip = tips.get((written, can_write), self.tr("There is no accuracy yet: map the scene."))
        self._report.setToolTip(tip)

    def _reference_changed(self, layer: Any) -> None:
        self._classes_of.set_layer(layer if isinstance(layer, QgsVectorLayer) else None)

    def _show(self, found: dict[str, Any] | None) -> None:
        usable = bool(found) and found.get("overall") is not None
        for part in self._parts:
            part.setVisible(usable)
        self.refresh()
        if not usable:
            return
        self._figures.setText(
            self.tr("Overall <b>{}</b> · average <b>{}</b> · κ <b>{}</b>").format(
                percent(found["overall"]),
                percent(found["average"]),
                number(found["kappa"] or 0.0, 2),
            )
        )
        self._split.setText(found.get("split") or "")
        self._split.setVisible(bool(found.get("split")))
        classes = [LandClass(c["value"], c["name"], c["color"]) for c in found["classes"]]
        self._matrix.set_matrix(classes, found["confusion"]["matrix"])
        self._classes.setText(self._per_class(found["classes"]))
        baselines = "".join(
            f"<tr><td>{b['title']}</td>"
            f"<td align='right'>&nbsp;<b>{percent(b['overall'])}</b></td></tr>"
            for b in found.get("baselines") or []
        )
        self._baselines.setText(
            f"{self.tr('Spectra alone, same pixels:')}<table>{baselines}</table>"
            if baselines
            else self.tr("No spectral baseline was computed.")
        )
        self._baselines.setToolTip(found.get("verdict") or self._baselines.toolTip())

    def _per_class(self, classes: list[dict[str, Any]]) -> str:
        """Return a table of the classes' figures."""
        titles = ("", self.tr("Producer's"), self.tr("User's"), self.tr("F1"))
        head = "".join(f"<td align='right'>&nbsp;<small>{title}</small></td>" for title in titles)
        lines = "".join(
            f"<tr><td><span style='color:{c['color']}'>■</span> {escape(c['name'])}</td>"
            + "".join(
                f"<td align='right'>&nbsp;<small>{percent(c.get(name))}</small></td>"
                for name in ("producer", "user", "f1")
            )
            + "</tr>"
            for c in classes
        )
        return f"<table><tr>{head}</tr>{lines}</table>"

    # the assessment

    def _start(self) -> None:
        workspace, layer = self._workspace, self._reference.currentLayer()
        field = self._classes_of.field
        with workspace.saying_errors():
            report = workspace.new_file("report", ".html")
            parameters = {
                "MAP": str(workspace.state.map),
                "LABELS": layer.id(),
                "CLASS_FIELD": field,
                "MATCH": json.dumps(self._classes_of.match),
                "OUTPUT": str(report),
                "OUTPUT_JSON": str(report.with_suffix(".json")),
            }
            if workspace.training is not None and field == VALUE:
                parameters["SCENE"] = workspace.scene.id()
                parameters |= mask_parameters(workspace.state)
                parameters["TRAINING"] = workspace.training.layer.id()
            self._job.start("mtmsd:assess", parameters, {"report": str(report)})

    def _write_report(self) -> None:
        """Write the report of the accuracy that the map's classifier brought along."""
        with self._workspace.saying_errors():
            report = self._workspace.new_file("report", ".html")
            parameters = {"MAP": str(self._workspace.state.map), "OUTPUT": str(report)}
            if self._workspace.training is not None:
                parameters["SCENE"] = self._workspace.scene.id()
                parameters |= mask_parameters(self._workspace.state)
                parameters["TRAINING"] = self._workspace.training.layer.id()
                parameters["CLASS_FIELD"] = VALUE
            step = {"report": str(report), "opens": True}
            self._job.start("mtmsd:assess", parameters, step)

    def _compared(self) -> tuple[Path | None, str]:
        """Return the map and the layer that it is compared with."""
        layer = self._reference.currentLayer()
        return there(self._workspace.state.map), layer.id() if layer is not None else ""

    def _title(self, _step: Step) -> str:
        return self.tr("Assessing the map")

    def _ended(self, outcome: Ended, step: Step, run: Run | Attached) -> None:
        self.fail(outcome.sentence, self._compared())
        if outcome.status == RUN_DONE:
            self._workspace.change(accuracy=run.answer, report=Path(step["report"]))
            if step.get("opens"):
                self._open_report()
        self.refresh()

    def _open_report(self) -> None:
        report = there(self._workspace.state.report)
        if report is None and self._workspace.state.accuracy:
            self._write_report()
        elif report is None or not QDesktopServices.openUrl(QUrl.fromLocalFile(str(report))):
            text = self.tr("The report cannot be opened; it is {}.").format(report)
            self._workspace.said.emit(text, Qgis.MessageLevel.Warning)

    def _open_doubtful(self) -> None:
        """Show the polygons that disagree with their class, over all other layers."""
        workspace, path = self._workspace, self._workspace.state.doubtful
        place = layers.node(layers.of_role(DOUBTFUL, workspace))
        if place is not None:  # it is there already
            place.setItemVisibilityCheckedParentRecursive(True)
            return
        title = layer_title(self.tr("Doubtful polygons"), workspace.scene.name())
        layer = QgsVectorLayer(f"{path}|layername={path.stem}", title, "ogr")
        count = layer.featureCount()
        if not layer.isValid():
            text = self.tr("{} cannot be opened as a vector layer.").format(path)
            workspace.said.emit(text, Qgis.MessageLevel.Warning)
            return
        if count:
            style_polygons(layer)
            layers.add(layer, DOUBTFUL, above=None)
            text = self.tr(
                "Polygons that disagree with their class: {}; the layer's table tells which class "
                "they fit."
            ).format(number(count))
        else:
            text = self.tr("No polygon disagrees with its class.")
        workspace.said.emit(text, Qgis.MessageLevel.Info)
