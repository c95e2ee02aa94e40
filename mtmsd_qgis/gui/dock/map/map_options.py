"""What maps the scene, and what is done to the map: the folded part of the Map section."""

from __future__ import annotations

from typing import Any

from qgis.gui import QgsCollapsibleGroupBox
from qgis.PyQt.QtWidgets import QCheckBox, QComboBox, QFormLayout, QSizePolicy, QSpinBox, QWidget

from ....common.classifiers import MTMSD, STACK, classifier_names
from ....state.scene_state import MapOptions as SceneMapOptions
from ....state.workspace import Workspace
from ...widgets.section import caption

SQUARES = (3, 5, 7, 9)
"""Sides of the majority filter's square, pixels."""
LARGEST_REGION = 100_000
LARGEST_SIDE = 512


class MapOptions(QgsCollapsibleGroupBox):
    """Classifier, rare classes, filters of the map, size of regions; kept with the scene.

    Folded, its title tells what is not as usual.
    """

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("mtmsdMapOptions")
        self.setToolTip(self.tr("Another classifier, and filters for the finished map"))
        self._workspace = workspace
        self._classifier = QComboBox()
        self._classifier.setObjectName("mtmsdClassifier")
        around = self.tr("spectra and surroundings")
        sees = {MTMSD: around, STACK: around}
        for kind, name in classifier_names().items():
            words = sees.get(kind, self.tr("spectra only"))
            self._classifier.addItem(f"{name} ({words})", kind)
        self._classifier.setToolTip(
            self.tr(
                "The stack listens to several classifiers, and to MTMSD once the scene is "
                "pretrained; MTMSD alone learns from spectra and their surroundings on the "
                "pretrained model; the others see spectra only. All but MTMSD need no model and "
                "take seconds without one"
            )
        )
        self._classifier.currentIndexChanged.connect(self._keep)
        self._rare = QCheckBox(self.tr("Rare classes matter"))
        self._rare.setObjectName("mtmsdRareClasses")
        self._rare.setToolTip(
            self.tr(
                "Classes of few training pixels are found more often, at the cost of the large "
                "ones: a higher average accuracy, a little less overall accuracy"
            )
        )
        self._rare.toggled.connect(self._keep)
        self._unknown = self._number("mtmsdUnknown", 0, 99, self.tr(" %"))
        self._unknown.setToolTip(
            self.tr("Pixels of lower confidence get a class of their own, 'unknown'")
        )
        self._majority = QComboBox()
        self._majority.setObjectName("mtmsdMajority")
        self._majority.addItem(self.tr("Off"), None)
        for side in SQUARES:
            self._majority.addItem(self.tr("{0} × {0} px").format(side), side)
        self._majority.setToolTip(
            self.tr("Each pixel gets the most frequent class of the square around it")
        )
        self._majority.currentIndexChanged.connect(self._keep)
        self._sieve = self._number("mtmsdSieve", 1, LARGEST_REGION, self.tr(" px"))
        self._sieve.setToolTip(
            self.tr("Minimum mapping unit: smaller regions join their largest neighbour")
        )
        self._region_size = self._number("mtmsdRegionSize", 1, LARGEST_SIDE, self.tr(" px"))
        self._region_size.setSpecialValueText(self.tr("By the polygons"))
        self._region_size.setToolTip(
            self.tr("Side of the squares in which regions with true edges begin")
        )
        form = QFormLayout(self)
        self._classifier.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        form.addRow(self._classifier)
        form.addRow(self._rare)
        for text, widget in (
            (self.tr("Unknown below"), self._unknown),
            (self.tr("Smooth by majority"), self._majority),
            (self.tr("Smallest region"), self._sieve),
            (self.tr("Size of regions"), self._region_size),
        ):
            widget.setMinimumWidth(60)
            widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            form.addRow(caption(text, widget), widget)
        self.setCollapsed(True)
        workspace.scene_changed.connect(self._show)
        workspace.options_changed.connect(self._show)
        self._show()

    def _number(self, name: str, least: int, most: int, unit: str) -> QSpinBox:
        """Return a spin box whose least value means off."""
        box = QSpinBox()
        box.setObjectName(name)
        box.setRange(least, most)
        box.setSuffix(unit)
        box.setSpecialValueText(self.tr("Off"))
        box.setKeyboardTracking(False)
        box.valueChanged.connect(self._keep)
        return box

    def choose(self, classifier: str) -> None:
        """Take another classifier."""
        self._classifier.setCurrentIndex(self._classifier.findData(classifier))

    def _keep(self, *_: Any) -> None:
        chosen = SceneMapOptions(
            self._classifier.currentData(),
            self._unknown.value(),
            self._majority.currentData(),
            self._sieve.value(),
            self._rare.isChecked(),
            self._region_size.value() if self._region_size.value() > 1 else 0,
        )
        self._workspace.change(options=chosen)

    def _show(self) -> None:
        kept = self._workspace.state.options
        parts = (
            self._classifier,
            self._rare,
            self._unknown,
            self._majority,
            self._sieve,
            self._region_size,
        )
        for part in parts:
            part.blockSignals(True)
        self._classifier.setCurrentIndex(max(0, self._classifier.findData(kept.classifier)))
        self._rare.setChecked(kept.rare)
        self._rare.setEnabled(kept.classifier == STACK)
        self._unknown.setValue(kept.unknown)
        self._majority.setCurrentIndex(max(0, self._majority.findData(kept.majority)))
        self._sieve.setValue(kept.sieve)
        self._region_size.setValue(max(1, kept.region_size))
        for part in parts:
            part.blockSignals(False)
        names = classifier_names()
        words = [names.get(kept.classifier, "")] if kept.classifier != STACK else []
        if kept.rare and kept.classifier == STACK:
            words.append(self.tr("rare classes"))
        if kept.filters:
            words.append(self.tr("filters"))
        more = self.tr("More")
        self.setTitle(f"{more}: {', '.join(words)}" if words else more)
