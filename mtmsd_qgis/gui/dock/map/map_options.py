"""What maps the scene, and what is done to the map: the folded part of the Map section."""

from __future__ import annotations

from typing import Any

from qgis.gui import QgsCollapsibleGroupBox
from qgis.PyQt.QtWidgets import QComboBox, QFormLayout, QSizePolicy, QSpinBox, QWidget

from ....state.classifiers import MTMSD, classifier_names
from ....state.scene_state import Workspace
from ...widgets.section import caption

SQUARES = (3, 5, 7, 9)
"""Sides of the majority filter's square, pixels."""
LARGEST_REGION = 100_000


class MapOptions(QgsCollapsibleGroupBox):
    """Classifier, unknown, smoothing, smallest region; kept with the scene.

    Folded, its title tells what is not as usual.
    """

    def __init__(self, workspace: Workspace, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("mtmsdMapOptions")
        self.setToolTip(self.tr("Another classifier, and filters for the finished map"))
        self._workspace = workspace
        self._classifier = QComboBox()
        self._classifier.setObjectName("mtmsdClassifier")
        sees = {MTMSD: self.tr("spectra and surroundings")}
        for kind, name in classifier_names().items():
            words = sees.get(kind, self.tr("spectra only"))
            self._classifier.addItem(f"{name} ({words})", kind)
        self._classifier.setToolTip(
            self.tr(
                "MTMSD learns from spectra and their surroundings on the pretrained model; the "
                "others see spectra only, need no model, and take seconds"
            )
        )
        self._classifier.currentIndexChanged.connect(self._keep)
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
        form = QFormLayout(self)
        self._classifier.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        form.addRow(self._classifier)
        for text, widget in (
            (self.tr("Unknown below"), self._unknown),
            (self.tr("Smooth by majority"), self._majority),
            (self.tr("Smallest region"), self._sieve),
        ):
            widget.setMinimumWidth(60)
            widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            form.addRow(caption(text, widget), widget)
        self.setCollapsed(True)
        workspace.scene_changed.connect(self._show)
        workspace.state_changed.connect(lambda key: self._show() if key == "options" else None)
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

    @property
    def classifier(self) -> str:
        """The classifier that is chosen, as the engine calls it."""
        return str((self._workspace.get("options") or {}).get("classifier", MTMSD))

    @property
    def filters(self) -> dict[str, float | int]:
        """What is done to the map, as parameters of ``mtmsd:classify``."""
        chosen = {
            "UNKNOWN_BELOW": self._unknown.value() / 100,
            "MAJORITY": self._majority.currentData(),
            "SIEVE": self._sieve.value() if self._sieve.value() > 1 else None,
        }
        return {name: value for name, value in chosen.items() if value}

    def choose(self, classifier: str) -> None:
        """Take another classifier."""
        self._classifier.setCurrentIndex(self._classifier.findData(classifier))

    def _keep(self, *_: Any) -> None:
        values = {
            "classifier": self._classifier.currentData(),
            "unknown": self._unknown.value(),
            "majority": self._majority.currentData(),
            "sieve": self._sieve.value(),
        }
        usual = {"classifier": MTMSD, "unknown": 0, "majority": None, "sieve": 1}
        self._workspace.put("options", values if values != usual else None)
        self._show_title()

    def _show(self) -> None:
        kept = self._workspace.get("options") or {}
        parts = (self._classifier, self._unknown, self._majority, self._sieve)
        for part in parts:
            part.blockSignals(True)
        self._classifier.setCurrentIndex(
            max(0, self._classifier.findData(kept.get("classifier", MTMSD)))
        )
        self._unknown.setValue(int(kept.get("unknown") or 0))
        self._majority.setCurrentIndex(max(0, self._majority.findData(kept.get("majority"))))
        self._sieve.setValue(int(kept.get("sieve") or 1))
        for part in parts:
            part.blockSignals(False)
        self._show_title()

    def _show_title(self) -> None:
        words = [] if self.classifier == MTMSD else [classifier_names()[self.classifier]]
        if self.filters:
            words.append(self.tr("filters"))
        more = self.tr("More")
        self.setTitle(f"{more}: {', '.join(words)}" if words else more)
