"""If a simple classifier did better than the map's, it is said and offered."""

from __future__ import annotations

from typing import Any

from qgis.PyQt.QtCore import pyqtSignal
from qgis.PyQt.QtWidgets import QToolButton, QVBoxLayout, QWidget

from ....common.classifiers import classifier_names
from ....common.numbers import percent
from ....state.workspace import Workspace
from ...widgets.section import keep_place
from ...widgets.state_line import StateLine


class BetterBaseline(QWidget):
    """A sentence and a button; hidden, but for their place, where there is nothing better.

    Parameters
    ----------
    name : str
        What the names of its parts begin with.
    """

    chosen = pyqtSignal(str)
    """The classifier that the user takes, as the engine calls it."""

    def __init__(self, workspace: Workspace, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._sentence = StateLine(3)
        self._sentence.setObjectName(f"{name}Sentence")
        self._use = QToolButton()
        self._use.setObjectName(f"{name}Use")
        self._use.setText(self.tr("Map with That One"))
        self._use.setToolTip(self.tr("Choose it in the Map section and map the scene again"))
        self._use.clicked.connect(lambda: self.chosen.emit(self._kind))
        self._kind = ""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._sentence)
        layout.addWidget(self._use)
        keep_place(self)
        workspace.scene_changed.connect(self.refresh)
        workspace.accuracy_changed.connect(self.refresh)
        workspace.options_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Follow the last assessment."""
        state = self._workspace.state
        found = state.accuracy or {}
        best = clearly_better(found)
        self.setVisible(best is not None and best["name"] != state.options.classifier)
        if best is None:
            return
        self._kind = best["name"]
        name = classifier_names().get(self._kind, best["title"])
        text = self.tr(
            "A simpler classifier did clearly better: {}, overall accuracy {} against {}."
        )
        self._sentence.setText(
            text.format(name, percent(best["overall"]), percent(found["overall"]))
        )


def clearly_better(assessment: dict[str, Any]) -> dict[str, Any] | None:
    """Return the best baseline whose lead is more than chance (95 % interval), or None."""
    leading = [
        baseline
        for baseline in assessment.get("baselines") or []
        if (baseline.get("difference_interval") or [0, 0])[1] < 0
    ]
    return max(leading, key=lambda baseline: baseline["overall"], default=None)
